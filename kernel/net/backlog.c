/* SPDX-License-Identifier: MIT */
/*
 * A passive connection is first half-open, then established and not accepted; both are counted by core
 * and listener, and bounded by what the manifest says of the port. [RFC 4987 3.1]
 */
#include "kernel/net/backlog.h"

#include "kernel/net/handle.h"

static struct listener_load *load_of(const struct conn *c)
{
	return &net_self.load[c->listener];
}

void backlog_half_open(struct conn *c, const struct binding *b)
{
	c->listener = (uint8_t)binding_index(b);
	c->flags |= CONN_HALF_OPEN;
	list_add_tail(&net_self.half_open, &c->link);
	net_self.half_open_count++;
	load_of(c)->half_open++;
}

void backlog_established(struct conn *c)
{
	backlog_leave(c);
	c->flags |= CONN_WAITING;
	load_of(c)->waiting++;
}

void backlog_leave(struct conn *c)
{
	if (c->flags & CONN_HALF_OPEN) {
		list_remove(&c->link);
		net_self.half_open_count--;
		load_of(c)->half_open--;
	}
	if (c->flags & CONN_WAITING)
		load_of(c)->waiting--;
	c->flags &= ~(unsigned)(CONN_HALF_OPEN | CONN_WAITING);
}

void backlog_pass(struct conn *c)
{
	unsigned flags = c->flags & (CONN_HALF_OPEN | CONN_WAITING);

	backlog_leave(c);
	c->flags |= flags;
}

void backlog_receive(struct conn *c)
{
	if (c->flags & CONN_HALF_OPEN) {
		list_add_tail(&net_self.half_open, &c->link);
		net_self.half_open_count++;
		load_of(c)->half_open++;
	}
	if (c->flags & CONN_WAITING)
		load_of(c)->waiting++;
}

bool backlog_is_full(const struct binding *b)
{
	return net_self.load[binding_index(b)].waiting >= b->backlog || !handle_has_room() || !limit_has_room();
}

bool backlog_is_flooded(const struct binding *b)
{
	return net_self.half_open_count >= net_shared.half_open ||
	       net_self.load[binding_index(b)].half_open >= b->half_open;
}

bool backlog_may_establish(const struct conn *c)
{
	return !(c->flags & CONN_HALF_OPEN) || !backlog_is_full(binding_at(c->listener));
}
