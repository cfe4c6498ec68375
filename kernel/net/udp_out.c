/* SPDX-License-Identifier: MIT */
/*
 * UDP, sent: payloads are copied, so that their memory is ring 3's again at once. What fits into one IPv4 frame
 * to a known neighbour is written in one go, headers and all; the rest goes through lwIP's IP layer, which
 * cuts it into fragments. A burst that is longer than the device's queue waits for its end. [RFC 768]
 */
#include "kernel/abi/status.h"
#include "kernel/base/bytes.h"
#include "kernel/mem/mem.h"
#include "kernel/net/binding.h"
#include "kernel/net/checksum.h"
#include "kernel/net/endpoint.h"
#include "kernel/net/ip.h"
#include "kernel/net/udp.h"

#define PAYLOAD_MAX 65507u /* 2^16 - 1 - IP header - UDP header */
#define FIRST_BYTES 1472u  /* of a datagram's first piece of memory */
#define PIECE_BYTES 2048u
#define HEADER_BYTES (ETH_BYTES + IP4_BYTES + UDP_BYTES)
#define FRAME_AT \
	(sizeof(struct pbuf) + 14u) /* in its block: room for the driver, and the IP header on a multiple of 4 */
#define LINKS 64u

/* Ethernet headers of those whom this core has sent to lately, by the end of their addresses. */
struct link {
	be32_t to;
	uint32_t version; /* of the neighbour table that it was read from, 0: not read */
	uint8_t header[ETH_BYTES];
};

static PERCORE struct link links[LINKS];

/* Frames that the device had no room for, oldest first: a round of ring 3 may send more than its queue holds. */
static PERCORE struct {
	struct pbuf *head, *tail;
	unsigned count;
	bool is_others_turn;
} waiting;

/* A copy with room for headers in front; in pieces if it is long. NULL if there is no memory. */
static struct pbuf *copy_payload(const uint8_t *data, uint32_t bytes)
{
	uint32_t part = MIN(bytes, FIRST_BYTES);
	struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, (u16_t)part, PBUF_RAM);

	if (!p)
		return NULL;
	memcpy(p->payload, data, part);
	while (part < bytes) {
		uint32_t piece = MIN(bytes - part, PIECE_BYTES);
		struct pbuf *q = pbuf_alloc(PBUF_RAW, (u16_t)piece, PBUF_RAM);

		if (!q) {
			pbuf_free(p);
			return NULL;
		}
		memcpy(q->payload, data + part, piece);
		pbuf_cat(p, q);
		part += piece;
	}
	return p;
}

static uint16_t checksum_chain(const struct pbuf *p, const struct demux_tuple *t)
{
	uint64_t sum = tuple_checksum(t, IP_PROTOCOL_UDP, p->tot_len);
	unsigned at = 0;
	uint16_t part;

	for (; p; p = p->next) {
		part = port_chksum(p->payload, p->len);
		sum += at & 1 ? __builtin_bswap16(part) : part;
		at += p->len;
	}
	part = (uint16_t)~checksum_fold(sum);
	return part ? part : 0xffff; /* 0 would say that there is none */
}

/* Who a datagram is from and to. Return: false if there is no way. */
static bool choose_ends(const struct ix_endpoint *remote, const struct binding *binding, struct demux_tuple *t)
{
	struct ip6 to = endpoint_address(remote), hop;
	const struct ip6 *from = ip6_is_zero(&binding->address) ? NULL : &binding->address;

	*t = (struct demux_tuple){ .remote_port = be16(remote->port), .local_port = be16(binding->port) };
	if (ip6_is_zero(&to) || !neighbour_next_hop(&to, &hop))
		return false;
	if (ip6_is_mapped(&to)) {
		t->remote = to.words[3];
		t->local = net_shared.address;
		return t->local != 0;
	}
	if (!from)
		from = ip6_source(&to);
	if (!from || ip6_is_mapped(from))
		return false;
	t->is_ip6 = 1;
	t->remote6 = to;
	t->local6 = *from;
	return true;
}

/* NULL: the boot core has to find it out, or there is no way. */
static const uint8_t *link_header(be32_t to)
{
	struct link *l = &links[be32(to) % LINKS];
	uint32_t version = neighbour_version();
	struct ip6 there = ip6_mapped(to);

	if (likely(l->to == to && l->version == version))
		return l->header;
	l->version = 0;
	if (!neighbour_link_header(&there, l->header))
		return NULL;
	l->to = to;
	l->version = version;
	return l->header;
}

/* One frame in one block, headers written in place. NULL: no memory. */
static struct pbuf *frame_of(const struct binding *binding, be32_t to, uint16_t port, const struct net_range *data,
			     const uint8_t *link)
{
	uint32_t udp_bytes = UDP_BYTES + data->bytes;
	be32_t from = READ_ONCE(net_shared.address); /* the boot core may change it meanwhile: header and sum agree */
	struct pbuf *p = port_malloc(FRAME_AT + HEADER_BYTES + data->bytes);
	uint8_t *at;
	be16_t header[4] = { be16(binding->port), be16(port), be16((uint16_t)udp_bytes), 0 };

	if (unlikely(!p))
		return NULL;
	at = (uint8_t *)p + FRAME_AT;
	*p = (struct pbuf){ .payload = at,
			    .len = (u16_t)(HEADER_BYTES + data->bytes),
			    .tot_len = (u16_t)(HEADER_BYTES + data->bytes),
			    .type_internal = (u8_t)PBUF_RAM,
			    .ref = 1 };
	memcpy(at, link, ETH_BYTES);
	ip4_put_header(at + ETH_BYTES, from, to, udp_bytes, IP_PROTOCOL_UDP);
	header[3] = checksum_pseudo(from, to, IP_PROTOCOL_UDP, udp_bytes);
	memcpy(at + ETH_BYTES + IP4_BYTES, header, UDP_BYTES);
	memcpy(at + HEADER_BYTES, data->data, data->bytes);
	output_sum_datagram(p);
	return p;
}

/* Return: false if too many wait already. */
static bool wait(struct pbuf *p)
{
	if (waiting.count == UDP_WAITING_MAX)
		return false;
	if (waiting.head)
		waiting.tail->next = p;
	else
		waiting.head = p;
	waiting.tail = p;
	waiting.count++;
	return true;
}

bool udp_out_is_waiting(void)
{
	return waiting.head != NULL;
}

bool udp_goes_first(void)
{
	if (likely(!waiting.head))
		return true;
	waiting.is_others_turn = !waiting.is_others_turn;
	return !waiting.is_others_turn;
}

void udp_output(void)
{
	struct pbuf *p;

	while ((p = waiting.head) != NULL) {
		struct pbuf *next = p->next;

		p->next = NULL;
		if (!output_datagram(p)) {
			p->next = next;
			return;
		}
		waiting.head = next;
		waiting.count--;
	}
}

/* Return: false if it is not a matter of one frame; nothing has happened. @status: what came of it. */
static bool send_frame(const struct binding *binding, const struct ix_endpoint *remote, const struct net_range *data,
		       int *status)
{
	struct ip6 there = endpoint_address(remote);
	be32_t to = there.words[3];
	const uint8_t *link;
	struct pbuf *p;

	if (unlikely(!ip6_is_mapped(&there) || !net_shared.address ||
		     data->bytes > net_shared.mtu - IP4_BYTES - UDP_BYTES ||
		     data->bytes > MEM_BLOCK_MAX - FRAME_AT - HEADER_BYTES))
		return false;
	link = link_header(to);
	if (unlikely(!link))
		return false;
	p = frame_of(binding, to, remote->port, data, link);
	*status = p && ((likely(!waiting.head) && output_datagram(p)) || wait(p)) ? IX_OK : IX_NO_MEMORY;
	if (unlikely(p && *status != IX_OK))
		pbuf_free(p);
	return true;
}

static int send_by_ip(const struct binding *binding, const struct ix_endpoint *remote, const struct net_range *data)
{
	struct demux_tuple t;
	ip_addr_t from, to;
	be16_t header[4];
	struct pbuf *p;
	err_t err;

	if (!choose_ends(remote, binding, &t))
		return IX_UNREACHABLE;
	if (!remote->port)
		return IX_BAD_CALL;
	p = copy_payload(data->data, data->bytes);
	if (!p)
		return IX_NO_MEMORY;
	pbuf_add_header(p, UDP_BYTES); /* cannot fail: allocated with room for it */
	header[0] = t.local_port;
	header[1] = t.remote_port;
	header[2] = be16(p->tot_len);
	header[3] = 0;
	memcpy(p->payload, header, UDP_BYTES);
	header[3] = checksum_chain(p, &t);
	memcpy((uint8_t *)p->payload + 6, &header[3], sizeof(header[3]));
	tuple_put(&t, &from, &to);
	err = ip_output_if(p, &from, &to, DEFAULT_TTL, 0, IP_PROTOCOL_UDP, &net_self.netif);
	pbuf_free(p);
	return err == ERR_OK ? IX_OK : IX_NO_MEMORY;
}

int net_udp_send(ix_handle_t handle, const struct ix_endpoint *remote, const struct net_range *data, uint64_t *sent)
{
	const struct binding *binding = binding_of(BINDING_UDP, handle);
	int status;

	*sent = 0;
	if (!binding)
		return IX_BAD_HANDLE;
	if (data->bytes > PAYLOAD_MAX)
		return IX_BAD_LENGTH;
	if (!remote->port || !send_frame(binding, remote, data, &status))
		status = send_by_ip(binding, remote, data);
	if (status != IX_OK)
		return status;
	net_self.stats.udp_out++;
	*sent = data->bytes;
	return IX_OK;
}
