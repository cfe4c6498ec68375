/* SPDX-License-Identifier: MIT */
/* What the IP layers of both families share on the way out. Private to kernel/net. */
#pragma once
#include "kernel/net/core.h"
#include "kernel/net/neighbour.h"
#include "kernel/net/output.h"

/** ip_has_room() - whether @bytes fit in front of the payload, behind the pbuf and output.c's note. */
static inline bool ip_has_room(const struct pbuf *p, unsigned bytes)
{
	return (p->type_internal & PBUF_TYPE_FLAG_STRUCT_DATA_CONTIGUOUS) &&
	       (const char *)p->payload - (const char *)(p + 1) >= (long)(PBUF_LINK_ENCAPSULATION_HLEN + bytes);
}

/** ip_extend() - moves the beginning of @p by @bytes to the front. */
static inline void ip_extend(struct pbuf *p, int bytes)
{
	p->payload = (char *)p->payload - bytes;
	p->len = (u16_t)(p->len + bytes);
	p->tot_len = (u16_t)(p->tot_len + bytes);
}

/** ip_extend_one() - the same of a pbuf without a successor. */
static inline void ip_extend_one(struct pbuf *p, unsigned bytes)
{
	uint32_t both = (uint32_t)(p->tot_len + bytes) * 0x10001u; /* a packet is shorter than 2^16 */

	p->payload = (char *)p->payload - bytes;
	__builtin_memcpy(&p->tot_len, &both, sizeof(both));
}
_Static_assert(offsetof(struct pbuf, len) == offsetof(struct pbuf, tot_len) + sizeof(u16_t),
	       "two lengths in one store");

/** ip_is_ready() - whether output_segment() may send @p, a segment of @c (NULL: nobody's). @bytes: of the headers. */
static inline bool ip_is_ready(const struct pbuf *p, const struct conn *c, unsigned bytes)
{
	return c && c->l2_version == neighbour_version() && ip_has_room(p, bytes);
}

/**
 * ip_send() - an IP packet of ours, which begins with its header, to @to (IPv4 as mapped)
 * @tcp_at: as of output_frame(). Where the neighbour is not known a copy goes to the boot core. ERR_MEM: not now.
 */
err_t ip_send(struct pbuf *p, const struct ip6 *to, unsigned tcp_at);

/** ip4_put_header() - at @at, complete with its checksum. @l4_bytes: behind it. In ip4.c. */
void ip4_put_header(void *at, be32_t from, be32_t to, unsigned l4_bytes, uint8_t protocol);

/** ip4_send() - the same as lwIP's netif->output. In ip4.c. */
err_t ip4_send(struct netif *netif, struct pbuf *p, const ip4_addr_t *to);
