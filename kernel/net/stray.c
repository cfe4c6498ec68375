/* SPDX-License-Identifier: MIT */
/*
 * Segments that meet a move: they wait for what is held or expected here, or go to the core that has it by
 * now. And connections whose segments keep arriving elsewhere, because the back end changed its mind: they
 * go there.
 */
#include "kernel/cpu/cpu.h"
#include "kernel/net/moving.h"
#include "kernel/net/output.h"

#define STRAYS_MAX 8u /* segments in a row from one other core: the connection belongs there */
#define FLAGS_SYN_ACK 0x12u

static struct arrival *expected(const struct frame *f, unsigned group)
{
	for (struct list *node = net_self.arrivals.next; node != &net_self.arrivals; node = node->next) {
		struct arrival *a = CONTAINER_OF(node, struct arrival, link);

		if (a->group == FLOW_GROUP_NONE ? tuple_is_equal(&a->tuple, &f->tuple) : a->group == group)
			return a;
	}
	return NULL;
}

/* Out of line, as all that is rare: the way of an ordinary segment is not to save registers for it. */
__attribute__((noinline)) bool moving_takes(const struct frame *f)
{
	struct net_move *m;
	struct arrival *a;
	unsigned group;

	if (cpu_running() == 1)
		return false; /* the last that left has left everything here */
	group = flow_is_queue() ? f->b->group : tuple_group(&f->tuple);
	a = expected(f, group);
	if (a) {
		park_put(&a->early, f->b);
		return true;
	}
	if (group >= flow_groups() || (f->b->flags & BUF_MISPLACED))
		return false;
	m = moving_of_group(group);
	if (m) {
		park_put(&m->waiting, f->b);
		return true;
	}
	if (flow_owner((uint8_t)group) == core_id())
		return false;
	if (!flow_hand(flow_owner((uint8_t)group), f->b)) {
		net_self.stats.moving_dropped++;
		buf_free_frame(f->b);
	}
	return true;
}

/* @c goes where its segments arrive. Return: false if that core gets nothing any more, or there is no memory to say so. */
static bool follow(struct conn *c, const struct buf *b)
{
	struct net_move *m = cpu_open() >> b->core & 1 ? moving_new(FLOW_GROUP_NONE, core_id(), b->core) : NULL;

	if (!m)
		return false;
	m->tuple = tuple_of(pcb_of(c));
	m->queue = b->group;
	m->room = 1;
	pack_hold(m, c);
	pack_hold_queues();
	c->move = m;
	list_add_tail(&net_self.moves, &m->link);
	net_self.stats.conns_followed++;
	moving_send(m, m->to, NET_MOVE_PREPARE);
	return true;
}

static bool is_first_answer(const struct frame *f, struct conn *c)
{
	const uint8_t *tcp = f->b->data + f->b->off + ETH_BYTES + f->ip_bytes;

	return pcb_of(c)->state == SYN_SENT && (tcp[13] & FLAGS_SYN_ACK) == FLAGS_SYN_ACK;
}

__attribute__((noinline)) bool moving_holds(const struct frame *f, struct conn *c)
{
	struct buf *b = f->b;

	if (c->flags & CONN_MOVING) {
		park_put(&c->move->waiting, b);
		return true;
	}
	if (!(b->flags & BUF_MISPLACED) || b->core == core_id()) {
		c->flags &= ~CONN_STRAYED;
		c->strays = 0;
		if (c->group == FLOW_GROUP_NONE && flow_is_queue())
			demux_regroup(c, b->group);
		return false;
	}
	if (c->flags & CONN_PINNED)
		return false;
	if (c->stray_core != b->core)
		c->strays = 0;
	c->stray_core = b->core;
	c->flags |= CONN_STRAYED;
	c->strays++;
	if (c->strays != STRAYS_MAX && !(c->strays == 1 && is_first_answer(f, c)))
		return false;
	if (!follow(c, b))
		return false;
	park_put(&c->move->waiting, b);
	return true;
}
