/* SPDX-License-Identifier: MIT */
/*
 * UDP: a bounded queue of datagrams a socket and core, read in place by ring 3, the oldest given back
 * first; outgoing payloads are copied. Where a datagram came from is read from its own headers, which
 * stay in front of it in the buffer. [RFC 768]
 */
#include "kernel/net/udp.h"

#include "kernel/abi/status.h"
#include "kernel/base/bytes.h"
#include "kernel/event/event.h"
#include "kernel/net/binding.h"
#include "kernel/net/checksum.h"
#include "kernel/net/endpoint.h"
#include "kernel/net/neighbour.h"
#include "kernel/net/output.h"
#include "kernel/net/pressure.h"

#define UDP_BYTES 8u
#define QUEUE_MAX 256u     /* datagrams a socket and core */
#define PAYLOAD_MAX 65507u /* 2^16 - 1 - IP header - UDP header */
#define FIRST_BYTES 1472u  /* of a datagram's first piece of memory */
#define PIECE_BYTES 2048u

struct udp_socket {
	struct buf *head, *tail;
	struct buf *tell; /* first one not announced */
	uint32_t count;
	uint32_t told; /* announced and not given back */
};

static PERCORE struct udp_socket sockets[NET_BINDINGS_MAX];

static uint16_t half_at(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* ---- in ---- */
/* Return: payload bytes, negative if lengths or checksum are wrong. */
static int payload_of(const struct frame *f, const uint8_t *udp)
{
	unsigned bytes = half_at(udp + 4);
	uint64_t sum;

	if (bytes < UDP_BYTES || bytes > f->l4_bytes)
		return -1;
	if (!(f->b->flags & BUF_CSUM_GOOD) && (half_at(udp + 6) || f->tuple.is_ip6)) { /* [RFC 8200 8.1] */
		sum = tuple_checksum(&f->tuple, IP_PROTOCOL_UDP, bytes);
		sum += port_chksum(udp, (int)bytes);
		if (checksum_fold(sum) != 0xffff) {
			net_self.stats.bad_csum++;
			return -1;
		}
	}
	return (int)(bytes - UDP_BYTES);
}

static void enqueue(struct udp_socket *s, struct buf *b, unsigned start, unsigned bytes)
{
	struct rx_buf *x = rx_of(b);

	x->owner = s;
	x->next = NULL;
	x->start = (uint16_t)start;
	x->len = (uint16_t)bytes;
	x->told = 0;
	x->refs = 1;
	if (s->tail)
		rx_of(s->tail)->next = b;
	else
		s->head = b;
	s->tail = b;
	if (!s->tell)
		s->tell = b;
	s->count++;
}

/* Whether a socket that is bound to one address is meant. */
static bool is_for(const struct binding *binding, const struct frame *f)
{
	struct ip6 local = f->tuple.is_ip6 ? f->tuple.local6 : ip6_mapped(f->tuple.local);

	return ip6_is_zero(&binding->address) || ip6_is_equal(&binding->address, &local);
}

void udp_in_frame(const struct frame *f)
{
	struct binding *binding = binding_find(BINDING_UDP, be16(f->tuple.local_port));
	unsigned at = f->b->off + ETH_BYTES + f->ip_bytes;
	struct udp_socket *s;
	int bytes = -1;

	/* A datagram in several buffers is longer than any MTU that we announce. */
	if (binding && !f->b->next && f->ip_bytes == (f->tuple.is_ip6 ? IP6_BYTES : IP4_BYTES) && is_for(binding, f))
		bytes = payload_of(f, f->b->data + at);
	s = bytes < 0 ? NULL : &sockets[binding_index(binding)];
	if (!s || s->count >= QUEUE_MAX || net_self.is_down ||
	    (unlikely(net_self.is_low) && pressure_refuses_datagram(s->count))) {
		net_self.stats.udp_dropped++;
		buf_free_frame(f->b);
		return;
	}
	net_self.stats.udp_in++;
	enqueue(s, f->b, at + UDP_BYTES, (unsigned)bytes);
	net_self.udp_dirty |= 1ull << binding_index(binding);
}

void udp_socket_reset(unsigned index)
{
	struct udp_socket *s = &sockets[index];

	while (s->head) {
		struct buf *b = s->head;

		s->head = rx_of(b)->next;
		rx_of(b)->owner = NULL;
		rx_put(b);
	}
	memset(s, 0, sizeof(*s));
	net_self.udp_dirty &= ~(1ull << index);
}

/* Return: false if there is no room. */
static bool write_datagram(struct udp_socket *s, const struct binding *binding)
{
	struct buf *b = s->tell;
	struct rx_buf *x = rx_of(b);
	const uint8_t *udp = b->data + x->start - UDP_BYTES;
	struct ix_event e = { .kind = IX_EV_UDP_RECV, .len = x->len, .cookie = binding->cookie };
	struct demux_tuple t;
	struct ix_peer peer;

	if (!event_room() || !event_peer_room())
		return false;
	t.is_ip6 = half_at(b->data + b->off + 12) == ETH_TYPE_IP6;
	if (t.is_ip6)
		memcpy(&t.remote6, udp - 2 * sizeof(t.remote6), 2 * sizeof(t.remote6));
	else
		memcpy(&t.remote, udp - 2 * sizeof(t.remote), 2 * sizeof(t.remote));
	memcpy(&t.remote_port, udp, 2 * sizeof(t.remote_port));
	endpoint_put_tuple(&peer.remote, &peer.local, &t);
	e.detail = (uint16_t)event_push_peer(&peer);
	e.handle = binding->handle;
	e.addr = buf_user_va(b, x->start);
	event_push(&e);
	x->told = x->len;
	s->told++;
	s->tell = x->next;
	return true;
}

void udp_events(void)
{
	while (net_self.udp_dirty) {
		unsigned index = (unsigned)__builtin_ctzll(net_self.udp_dirty);
		struct udp_socket *s = &sockets[index];

		while (s->tell)
			if (!write_datagram(s, binding_at(index)))
				return;
		net_self.udp_dirty &= ~(1ull << index);
	}
}

int net_udp_recv_done(ix_handle_t handle, uint64_t datagrams)
{
	struct binding *binding = binding_of(BINDING_UDP, handle);
	struct udp_socket *s;

	if (!binding)
		return IX_BAD_HANDLE;
	s = &sockets[binding_index(binding)];
	if (datagrams == 0 || datagrams > s->told)
		return IX_BAD_LENGTH;
	s->told -= (uint32_t)datagrams;
	s->count -= (uint32_t)datagrams;
	while (datagrams--) {
		struct buf *b = s->head;

		s->head = rx_of(b)->next;
		if (!s->head)
			s->tail = NULL;
		rx_of(b)->owner = NULL;
		rx_put(b);
	}
	return IX_OK;
}

int net_udp_bind(const struct ix_endpoint *local, uint64_t cookie, ix_handle_t *handle)
{
	int status = binding_new(BINDING_UDP, local, cookie, handle);

	if (status == IX_OK)
		net_sync();
	return status;
}

int net_udp_unbind(ix_handle_t handle)
{
	int status = binding_free(BINDING_UDP, handle);

	if (status == IX_OK)
		net_sync();
	return status;
}

/* ---- out ---- */
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

int net_udp_send(ix_handle_t handle, const struct ix_endpoint *remote, const struct net_range *data, uint64_t *sent)
{
	struct binding *binding = binding_of(BINDING_UDP, handle);
	struct demux_tuple t;
	ip_addr_t from, to;
	be16_t header[4];
	struct pbuf *p;
	err_t err;

	*sent = 0;
	if (!binding)
		return IX_BAD_HANDLE;
	if (data->bytes > PAYLOAD_MAX)
		return IX_BAD_LENGTH;
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
	if (err != ERR_OK)
		return IX_NO_MEMORY;
	net_self.stats.udp_out++;
	*sent = data->bytes;
	return IX_OK;
}
