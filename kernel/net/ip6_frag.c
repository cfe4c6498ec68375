/* SPDX-License-Identifier: MIT */
/* Our own datagrams above the link's MTU, in fragments; received ones are not put together (Limits). [RFC 8200 4.5] */
#include "kernel/base/bytes.h"
#include "kernel/cpu/cpu.h"
#include "kernel/net/ip.h"
#include "kernel/net/ip6.h"

#define FRAGMENT_BYTES 8u
#define FRAGMENT_HEADER 44u /* next header */
#define MORE 1u

/* @bytes of @p from @from on, as one fragment. */
static err_t send_one(const struct pbuf *p, const struct ip6_packet *k, unsigned from, unsigned bytes)
{
	struct pbuf *q = pbuf_alloc(PBUF_IP, (u16_t)(FRAGMENT_BYTES + bytes), PBUF_RAM);
	bool has_more = from + bytes < p->tot_len;
	be16_t where = be16((uint16_t)(from | (has_more ? MORE : 0)));
	uint8_t *at;
	err_t err;

	if (!q)
		return ERR_MEM;
	at = q->payload;
	memset(at, 0, FRAGMENT_BYTES);
	at[0] = (uint8_t)(k->rest >> 16);
	memcpy(at + 2, &where, sizeof(where));
	memcpy(at + 4, &k->ident, sizeof(k->ident));
	pbuf_copy_partial(p, at + FRAGMENT_BYTES, (u16_t)bytes, (u16_t)from);
	ip6_write_header(at - IP6_BYTES, &k->from, &k->to, q->tot_len, (k->rest & 0xffff) | FRAGMENT_HEADER << 16);
	ip_extend(q, IP6_BYTES);
	err = ip_send(q, &k->to, 0);
	pbuf_free(q);
	return err;
}

err_t ip6_send_fragments(const struct pbuf *p, struct ip6_packet *k)
{
	unsigned part = (ip6_mtu() - IP6_BYTES - FRAGMENT_BYTES) & ~7u;

	cpu_random(&k->ident, sizeof(k->ident)); /* not to be guessed [RFC 7739] */
	for (unsigned from = 0; from < p->tot_len; from += part) {
		err_t err = send_one(p, k, from, MIN(part, p->tot_len - from));

		if (err != ERR_OK)
			return err;
	}
	return ERR_OK;
}
