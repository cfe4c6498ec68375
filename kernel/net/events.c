/* SPDX-License-Identifier: MIT */
/*
 * Pending conditions become events, in the order knock or moved, connected, recv, sent, eof, dead. What does
 * not fit into the array stays with the connection for the next turn, so nothing is ever lost or queued.
 */
#include "kernel/abi/status.h"
#include "kernel/event/event.h"
#include "kernel/net/core.h"
#include "kernel/net/demux.h"
#include "kernel/net/endpoint.h"
#include "kernel/net/moving.h"
#include "kernel/net/tcp_queue.h"
#include "kernel/net/udp.h"

static void put(const struct conn *c, enum ix_event_kind kind, uint32_t len, uint64_t addr)
{
	event_put(kind, len, c->cookie, c->handle, addr);
}

static void put_detail(const struct conn *c, enum ix_event_kind kind, uint32_t detail)
{
	struct ix_event e = {
		.kind = (uint16_t)kind, .detail = (uint16_t)detail, .cookie = c->cookie, .handle = c->handle
	};

	event_push(&e);
}

/* Return: false if there is no room. */
static bool write_knock(struct conn *c)
{
	struct demux_tuple t;
	struct ix_peer peer;

	if (!event_room() || !event_peer_room())
		return false;
	t = tuple_of(pcb_of(c));
	endpoint_put_tuple(&peer.remote, &peer.local, &t);
	put(c, IX_EV_KNOCK, 0, event_push_peer(&peer));
	c->flags &= ~CONN_KNOCK;
	return true;
}

/* One event a contiguous piece. Return: false if there is no room. */
static bool write_recv(struct conn *c)
{
	unsigned room;
	struct ix_event *first = event_slots(&room), *e = first, *end = first + room;
	uint64_t cookie = c->cookie;
	ix_handle_t handle = c->handle;
	struct buf *b = c->rx_tell;
	uint32_t told = 0;

	for (; b && e != end; e++) {
		struct rx_buf *x = rx_of(b);
		uint32_t bytes = (uint32_t)x->len - x->told;

		*(uint64_t *)(void *)e = (uint64_t)IX_EV_RECV | (uint64_t)bytes << 32;
		e->cookie = cookie;
		e->handle = handle;
		e->addr = buf_user_va(b, x->start + x->told);
		told += bytes;
		x->told = x->len;
		b = x->next;
	}
	event_add((unsigned)(e - first));
	c->rx_tell = b;
	c->rx_untold -= told;
	c->rx_lent += told;
	return !b;
}

static bool write_sent(struct conn *c)
{
	if (!event_room())
		return false;
	put(c, IX_EV_SENT, c->released - c->reported, tcp_out_room(c));
	c->reported = c->released;
	return true;
}

/* It goes to another core, and all that is pending with it. */
static bool write_moving(struct conn *c)
{
	if (!(c->flags & CONN_TELL))
		return true;
	if (event_room() < 2)
		return false;
	if (c->flags & CONN_MOVED) { /* here, and on */
		put(c, IX_EV_MOVED, 0, 0);
		c->flags &= ~CONN_MOVED;
	}
	put_detail(c, IX_EV_MOVING, moving_to(c));
	moving_told(c);
	return true;
}

/* All that would be told beside data and what was sent, and all that would keep these back. */
#define UNUSUAL                                                                                                     \
	(CONN_KNOCK | CONN_MOVED | CONN_MOVING | CONN_CONNECTED | CONN_EOF | CONN_CLOSING | CONN_SHUT | CONN_GONE | \
	 CONN_DEAD)

/* As event_put(), without the count. */
static inline void fill(struct ix_event *e, const struct conn *c, enum ix_event_kind kind, uint32_t len, uint64_t addr)
{
	*(uint64_t *)(void *)e = (uint64_t)kind | (uint64_t)len << 32;
	e->cookie = c->cookie;
	e->handle = c->handle;
	e->addr = addr;
}

/* Data in one buffer, what was sent, or both, and nothing else. Return: false: it is not that, nothing has happened. */
static WITHIN bool write_usual(struct conn *c)
{
	const struct tcp_pcb *pcb = pcb_of(c);
	struct buf *b = c->rx_tell;
	struct rx_buf *x;
	unsigned room;
	struct ix_event *first = event_slots(&room), *e = first;
	uint32_t bytes;

	if (unlikely((c->flags & (UNUSUAL | CONN_ACCEPTED)) != CONN_ACCEPTED || room < 2))
		return false;
	if (b) {
		x = rx_of(b);
		if (unlikely(x->next))
			return false;
		bytes = (uint32_t)x->len - x->told;
		fill(e++, c, IX_EV_RECV, bytes, buf_user_va(b, x->start + x->told));
		x->told = x->len;
		c->rx_tell = NULL;
		c->rx_untold -= bytes;
		c->rx_lent += bytes;
	}
	if (c->released != c->reported) {
		fill(e++, c, IX_EV_SENT, c->released - c->reported, tcp_queue_has_room(pcb) ? pcb->snd_buf : 0);
		c->reported = c->released;
	}
	event_add((unsigned)(e - first));
	return true;
}

/* What comes before anything else. Return: false if there is no room. */
static __attribute__((noinline)) bool write_first(struct conn *c)
{
	if (c->flags & CONN_MOVING)
		return write_moving(c);
	if (c->flags & CONN_KNOCK)
		return write_knock(c);
	if (!event_room())
		return false;
	put(c, IX_EV_MOVED, 0, 0);
	c->flags &= ~CONN_MOVED;
	return true;
}

/* Return: whether all of it is written. */
static APART bool write_conn(struct conn *c)
{
	bool is_closing = c->flags & (CONN_CLOSING | CONN_DEAD);

	if (unlikely(c->flags & (CONN_KNOCK | CONN_MOVED | CONN_MOVING))) {
		if (!write_first(c))
			return false;
		if (c->flags & CONN_MOVING)
			return true;
	}
	if (!(c->flags & (CONN_ACCEPTED | CONN_DEAD)))
		return true; /* data waits for the verdict */
	if (c->flags & CONN_CONNECTED) {
		if (!event_room())
			return false;
		put(c, IX_EV_CONNECTED, 0, 0);
		c->flags &= ~CONN_CONNECTED;
	}
	if (c->rx_untold && !is_closing && !write_recv(c))
		return false;
	if (c->released != c->reported && !write_sent(c))
		return false;
	if ((c->flags & CONN_EOF) && !is_closing) {
		if (!event_room())
			return false;
		put(c, IX_EV_EOF, 0, 0);
		c->flags &= ~CONN_EOF;
	}
	if (!(c->flags & CONN_DEAD))
		return true;
	if (!event_room())
		return false;
	put_detail(c, IX_EV_DEAD, c->reason ? c->reason : IX_DEAD_CLOSED);
	return true;
}

void net_events(void)
{
	struct conn *c;

	while ((c = net_self.dirty.head) != NULL) {
		bool is_dead;

		owner_check(&c->owner);
		if (likely(c->handle) && likely(write_usual(c))) {
			conn_take_dirty();
			continue;
		}
		is_dead = (c->flags & (CONN_DEAD | CONN_MOVING)) == CONN_DEAD;
		if (c->handle && !write_conn(c)) {
			moving_put_off();
			return;
		}
		conn_take_dirty();
		if (c->handle && is_dead)
			conn_told_dead(c);
		else if (!c->handle)
			conn_free_if_done(c);
	}
	if (net_self.udp_dirty)
		udp_events();
}

bool net_has_events(void)
{
	return net_self.dirty.head || net_self.udp_dirty;
}
