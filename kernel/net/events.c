/* SPDX-License-Identifier: MIT */
/*
 * Pending conditions become events, in the order knock or connected, recv, sent, eof, dead. What does
 * not fit into the array stays with the connection for the next turn, so nothing is ever lost or queued.
 */
#include "kernel/abi/status.h"
#include "kernel/event/event.h"
#include "kernel/net/core.h"
#include "kernel/net/demux.h"
#include "kernel/net/endpoint.h"
#include "kernel/net/udp.h"

static void push(const struct conn *c, enum ix_event_kind kind, uint16_t detail, uint64_t len_addr[2])
{
	struct ix_event e = { .kind = (uint16_t)kind, .detail = detail, .cookie = c->cookie, .handle = c->handle };

	if (len_addr) {
		e.len = (uint32_t)len_addr[0];
		e.addr = len_addr[1];
	}
	event_push(&e);
}

/* Return: false if there is no room. */
static bool write_knock(struct conn *c)
{
	struct demux_tuple t;
	struct ix_peer peer;
	uint64_t where[2] = { 0 };

	if (!event_room() || !event_peer_room())
		return false;
	t = tuple_of(pcb_of(c));
	if (t.is_ip6) {
		endpoint_put6(&peer.remote, &t.remote6, t.remote_port);
		endpoint_put6(&peer.local, &t.local6, t.local_port);
	} else {
		endpoint_put4(&peer.remote, t.remote, t.remote_port);
		endpoint_put4(&peer.local, t.local, t.local_port);
	}
	where[1] = event_push_peer(&peer);
	push(c, IX_EV_KNOCK, 0, where);
	c->flags &= ~CONN_KNOCK;
	return true;
}

/* One event a contiguous piece. Return: false if there is no room. */
static bool write_recv(struct conn *c)
{
	while (c->rx_tell) {
		struct rx_buf *x = rx_of(c->rx_tell);
		uint64_t where[2] = { x->len - x->told, buf_user_va(c->rx_tell, x->start + x->told) };

		if (!event_room())
			return false;
		push(c, IX_EV_RECV, 0, where);
		c->rx_untold -= (uint32_t)where[0];
		c->rx_lent += (uint32_t)where[0];
		x->told = x->len;
		c->rx_tell = x->next;
	}
	return true;
}

static bool write_sent(struct conn *c)
{
	uint64_t where[2] = { c->released - c->reported, tcp_out_room(c) };

	if (!event_room())
		return false;
	push(c, IX_EV_SENT, 0, where);
	c->reported = c->released;
	return true;
}

/* Return: whether all of it is written. */
static bool write_conn(struct conn *c)
{
	bool is_closing = c->flags & (CONN_CLOSING | CONN_DEAD);

	if (c->flags & CONN_KNOCK) {
		if (!write_knock(c))
			return false;
	}
	if (!(c->flags & (CONN_ACCEPTED | CONN_DEAD)))
		return true; /* data waits for the verdict */
	if (c->flags & CONN_CONNECTED) {
		if (!event_room())
			return false;
		push(c, IX_EV_CONNECTED, 0, NULL);
		c->flags &= ~CONN_CONNECTED;
	}
	if (c->rx_untold && !is_closing && !write_recv(c))
		return false;
	if (c->released != c->reported && !write_sent(c))
		return false;
	if ((c->flags & CONN_EOF) && !is_closing) {
		if (!event_room())
			return false;
		push(c, IX_EV_EOF, 0, NULL);
		c->flags &= ~CONN_EOF;
	}
	if (!(c->flags & CONN_DEAD))
		return true;
	if (!event_room())
		return false;
	push(c, IX_EV_DEAD, c->reason ? c->reason : IX_DEAD_CLOSED, NULL);
	return true;
}

void net_events(void)
{
	struct conn *c;

	while ((c = net_self.dirty.head) != NULL) {
		bool is_dead = c->flags & CONN_DEAD;

		if (c->handle && !write_conn(c))
			return;
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
