/* SPDX-License-Identifier: MIT */
/*
 * UDP, received: a bounded queue of datagrams a socket and core, read in place by ring 3, the oldest given back
 * first. Where a datagram came from is read from its own headers, which
 * stay in front of it in the buffer. [RFC 768]
 */
#include "kernel/net/udp.h"

#include "kernel/abi/status.h"
#include "kernel/base/bytes.h"
#include "kernel/event/event.h"
#include "kernel/net/binding.h"
#include "kernel/net/checksum.h"
#include "kernel/net/endpoint.h"
#include "kernel/net/output.h"
#include "kernel/net/pressure.h"
#include "kernel/net/word.h"

#define QUEUE_MAX 256u /* datagrams a socket and core */

struct udp_socket {
	struct buf *head, *tail;
	struct buf *tell; /* first one not announced */
	uint32_t count;
	uint32_t told; /* announced and not given back */
};

static PERCORE struct udp_socket sockets[NET_BINDINGS_MAX];

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
	const struct binding *binding = binding_find(BINDING_UDP, be16(f->tuple.local_port));
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
	const struct binding *binding = binding_of(BINDING_UDP, handle);
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
