/* SPDX-License-Identifier: MIT */
/*
 * A connection between two cores. Its block, its segments and its buffers have one address on all cores
 * and go as they are; what ties it to a core is undone here and done again there: demultiplexer, timer,
 * lists, queues, counters, the owner of its handle.
 */
#include "kernel/net/away.h"
#include "kernel/net/handle.h"
#include "kernel/net/moving.h"
#include "kernel/net/netif.h"

/* ---- held ---- */
void pack_hold(struct net_move *m, struct conn *c)
{
	owner_check(&c->owner);
	c->flags |= CONN_MOVING;
	conn_leave(c);
	list_add_tail(&m->conns, &c->link);
	m->count++;
}

static void hold_delayed(struct conn_queue *queue)
{
	struct conn_queue stay = { NULL, NULL };
	struct conn *c;

	while ((c = conn_take_delack(queue)) != NULL)
		if (!(c->flags & CONN_MOVING))
			QUEUE_PUSH(&stay, c, delack_next, CONN_ON_DELACK);
	*queue = stay;
}

/* What is held leaves the queue; it is put into those of the other core there. */
void pack_hold_queues(void)
{
	struct conn_queue out = { NULL, NULL };
	struct conn *c;

	while ((c = conn_take_out()) != NULL)
		if (!(c->flags & CONN_MOVING))
			QUEUE_PUSH(&out, c, out_next, CONN_ON_OUT);
	net_self.out = out;
	hold_delayed(&net_self.delack);
	hold_delayed(&net_self.quick);
}

void pack_thaw(struct net_move *m)
{
	while (!list_is_empty(&m->conns)) {
		struct conn *c = CONTAINER_OF(m->conns.next, struct conn, link);

		list_remove(&c->link);
		c->flags &= ~(CONN_MOVING | CONN_TELL | CONN_RELEASED);
		conn_join(c);
	}
	m->quiet = &m->conns;
	m->count = m->untold = m->unreleased = 0;
}

/* lwIP's queue and the device share a segment's first pbuf. */
static bool are_segments_quiet(const struct tcp_seg *seg)
{
	for (; seg; seg = seg->next)
		if (seg->p->ref != 1)
			return false;
	return true;
}

bool pack_is_quiet(struct conn *c)
{
	const struct tcp_pcb *pcb = pcb_of(c);

	return !c->busy[0] && !c->busy[1] && are_segments_quiet(pcb->unacked) && are_segments_quiet(pcb->unsent);
}

/* ---- between ---- */
void pack(struct net_move *m)
{
	struct conn_queue dirty = { NULL, NULL };
	struct list *node;
	struct conn *c;
	bool is_away;

	for (node = m->conns.next; node != &m->conns; node = node->next) {
		c = CONTAINER_OF(node, struct conn, link);
		is_away = away_begin(c);
		demux_remove(c);
		c->flags |= is_away ? CONN_AWAY : 0;
		if (c->handle)
			handle_pass(c->handle);
	}
	/* Where they arrive all of them are marked again. */
	while ((c = conn_take_dirty()) != NULL)
		if (!(c->flags & CONN_MOVING) || c->move != m)
			QUEUE_PUSH(&dirty, c, dirty_next, CONN_ON_DIRTY);
	net_self.dirty = dirty;
	for (node = m->conns.next; node != &m->conns; node = node->next)
		owner_leave(&CONTAINER_OF(node, struct conn, link)->owner);
	net_self.stats.conns_moved += m->count;
}

static void unpack_one(const struct net_move *m, struct conn *c)
{
	bool is_known = c->handle && !(c->flags & CONN_KNOCK);
	bool has_room;

	owner_take(&c->owner);
	c->flags &= ~(CONN_MOVING | CONN_TELL | CONN_RELEASED | CONN_STRAYED);
	if (m->to != m->from) { /* else strays go on to be counted: the next try is 256 segments away */
		c->strays = 0;
		if (m->group == FLOW_GROUP_NONE && flow_is_queue())
			c->group = m->queue;
	}
	if (c->handle)
		handle_receive(c->handle);
	has_room = demux_insert(pcb_of(c));
	away_end(c);
	if (is_known)
		c->flags |= CONN_MOVED;
	conn_join(c);
	if (net_self.is_down) {
		netif_end_conn(c);
	} else if (unlikely(!has_room)) { /* it was reserved, and yet all buckets in its reach are full */
		net_self.stats.dropped_no_memory++;
		conn_abort(c, IX_DEAD_NO_MEMORY);
	}
}

void unpack(struct net_move *m)
{
	while (!list_is_empty(&m->conns)) {
		struct conn *c = CONTAINER_OF(m->conns.next, struct conn, link);

		list_remove(&c->link);
		unpack_one(m, c);
	}
	timewait_give(m->timewait);
	m->timewait = NULL;
}
