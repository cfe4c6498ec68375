/* SPDX-License-Identifier: MIT */
/*
 * How what belongs together changes cores, in steps that are messages. BEGIN, to the core that has it;
 * PREPARE, to the one that gets it: is there room? READY, back: now its connections are held, ring 3 is
 * told, its segments wait. When ring 3 has released them and the device has given their frames back, all
 * goes with PASS; what comes too early waits there. DONE, to who wanted it. One connection whose segments
 * arrive elsewhere goes the same way, held from the beginning.
 */
#include "kernel/net/moving.h"

#include "kernel/abi/status.h"
#include "kernel/base/err.h"
#include "kernel/mem/mem.h"
#include "kernel/net/handle.h"
#include "kernel/net/udp.h"

#define RELEASE_TICKS (10000u / TIME_TICK_US)
#define TELL_TICKS (1000000u / TIME_TICK_US) /* by then there is no ring 3 on this core to be told */
#define DEVICE_TICKS (1000000u / TIME_TICK_US)
#define POLL_TICKS 4u  /* 64 us */
#define ROOM_SPARE 64u /* for connections that begin meanwhile */

static PERCORE struct net_move *leaving[FLOW_GROUPS_MAX]; /* groups that are held here */
static PERCORE struct net_move *rest;                     /* MOVE_REST, from its beginning to its going */

void moving_core_init(void)
{
	list_init(&net_self.moves);
	list_init(&net_self.arrivals);
	net_self.arrival_group = FLOW_GROUP_NONE;
}

struct net_move *moving_of_group(unsigned group)
{
	return group < FLOW_GROUPS_MAX ? leaving[group] : NULL;
}

void moving_send(struct net_move *m, uint32_t core, enum net_move_kind kind)
{
	m->message.kind = kind;
	flow_post(core, &m->message);
}

struct net_move *moving_new(uint8_t group, uint32_t from, uint32_t to)
{
	struct net_move *m = mem_alloc(sizeof(*m));

	if (!m)
		return NULL;
	*m = (struct net_move){ .group = group, .by = (uint8_t)core_id(), .from = (uint8_t)from, .to = (uint8_t)to };
	list_init(&m->link);
	list_init(&m->conns);
	m->quiet = &m->conns;
	return m;
}

int net_move_begin(uint8_t group, uint32_t to)
{
	struct net_move *m = moving_new(group, flow_owner(group), to);

	if (!m)
		return KERR_NO_MEMORY;
	moving_send(m, m->from, NET_MOVE_BEGIN);
	return 0;
}

/* Nothing is carried any more. */
static void finish(struct net_move *m, int status)
{
	m->status = status;
	if (m->group >= FLOW_GROUPS_MAX)
		mem_free(m);
	else
		moving_send(m, m->by, NET_MOVE_DONE);
}

/* ---- on the core that has it ---- */
static void begin(struct net_move *m)
{
	if (flow_owner(m->group) != core_id()) {
		finish(m, KERR_STATE);
	} else if (m->to == core_id()) {
		finish(m, 0);
	} else {
		m->room = demux_group_count(m->group) + ROOM_SPARE;
		moving_send(m, m->to, NET_MOVE_PREPARE);
	}
}

/* Ring 3 is told of those that it knows; the others are as good as released. */
static void tell(struct net_move *m)
{
	for (struct list *node = m->conns.next; node != &m->conns; node = node->next) {
		struct conn *c = CONTAINER_OF(node, struct conn, link);

		c->move = m;
		if (!c->handle || (c->flags & CONN_KNOCK))
			continue;
		c->flags |= CONN_TELL;
		conn_mark(c);
		m->untold++;
		m->unreleased++;
	}
	m->state = MOVE_HELD;
	m->hold_end = net_self.now_tick + TELL_TICKS;
}

uint32_t moving_to(const struct conn *c)
{
	return c->move->to;
}

void moving_told(struct conn *c)
{
	c->flags &= ~CONN_TELL;
	if (!--c->move->untold)
		c->move->hold_end = net_self.now_tick + RELEASE_TICKS;
}

__attribute__((noinline)) void moving_put_off(void)
{
	for (struct list *node = net_self.moves.next; node != &net_self.moves; node = node->next)
		CONTAINER_OF(node, struct net_move, link)->is_put_off = true;
}

int net_release(ix_handle_t handle)
{
	struct conn *c = net_handle_find(handle, NET_CONNECTION);

	if (!c)
		return handle_missing(handle);
	if (!(c->flags & CONN_MOVING) || c->move->state != MOVE_HELD ||
	    (c->flags & (CONN_TELL | CONN_RELEASED | CONN_KNOCK)))
		return IX_BAD_CALL;
	c->flags |= CONN_RELEASED;
	if (c->move->unreleased) /* else it came too late */
		c->move->unreleased--;
	return IX_OK;
}

static void hold_if_leaving(struct conn *c)
{
	struct net_move *m = moving_of_group(c->group);

	if (!m)
		m = rest;
	if (m && m->state == MOVE_GRANTED && !(c->flags & CONN_MOVING))
		pack_hold(m, c);
}

/* One look at the table for all groups that may go. */
static void hold_granted(void)
{
	bool is_any = false;
	struct list *node;

	for (node = net_self.moves.next; node != &net_self.moves; node = node->next)
		is_any |= CONTAINER_OF(node, struct net_move, link)->state == MOVE_GRANTED;
	if (!is_any)
		return;
	demux_each(hold_if_leaving);
	pack_hold_queues();
	for (node = net_self.moves.next; node != &net_self.moves; node = node->next) {
		struct net_move *m = CONTAINER_OF(node, struct net_move, link);

		if (m->state == MOVE_GRANTED)
			tell(m);
	}
}

/*
 * The other core has answered. One connection was held while it was asked, and ring 3 may have heard of it by
 * a call: where there is no room it goes the whole way all the same, to this core, and calls are repeated.
 */
static void go_on(struct net_move *m)
{
	if (m->group == FLOW_GROUP_NONE) {
		if (m->status)
			m->to = m->from;
		m->status = 0;
		tell(m);
	} else if (m->status) {
		if (m == rest)
			rest = NULL;
		finish(m, m->status);
	} else {
		m->state = MOVE_GRANTED;
		if (m != rest)
			leaving[m->group] = m;
		list_add_tail(&net_self.moves, &m->link);
	}
}

bool net_leave(uint32_t to)
{
	if (rest)
		return true;
	rest = moving_new(MOVE_REST, core_id(), to);
	if (!rest)
		return false;
	rest->room = demux_count() + ROOM_SPARE;
	moving_send(rest, to, NET_MOVE_PREPARE);
	return true;
}

bool net_has_left(void)
{
	return !rest && list_is_empty(&net_self.moves) && list_is_empty(&net_self.arrivals) && !demux_count() &&
	       timewait_is_empty() && !net_has_events() && !net_self.out.head && !net_self.delack.head &&
	       !net_self.quick.head && !net_self.grace_bufs && !net_self.tx_refs && !udp_out_is_waiting();
}

/* A device that does not give a frame back in time is reset, and gives back all. */
static void wait_for_device(struct net_move *m)
{
	if (!m->device_end)
		m->device_end = net_self.now_tick + DEVICE_TICKS;
	if (net_self.now_tick < m->device_end)
		return;
	m->device_end = UINT64_MAX;
	nic_want_reset();
}

/* Whether nobody has anything of it any more but this core. */
static bool is_free(struct net_move *m)
{
	if (m->unreleased && net_self.now_tick < m->hold_end)
		return false;
	if (m->untold && m->is_put_off) { /* however long ring 3 took for the last array */
		m->is_put_off = false;
		m->hold_end = net_self.now_tick + TELL_TICKS;
		return false;
	}
	if (m->unreleased) {
		m->forced = m->unreleased;
		net_self.stats.releases_forced += m->unreleased;
		m->unreleased = m->untold = 0;
	}
	for (; m->quiet->next != &m->conns; m->quiet = m->quiet->next) {
		if (!pack_is_quiet(CONTAINER_OF(m->quiet->next, struct conn, link))) {
			wait_for_device(m);
			return false;
		}
	}
	return true;
}

static void hand_over(struct net_move *m)
{
	walk_unsettle();
	list_remove(&m->link);
	pack(m);
	if (m == rest) {
		rest = NULL;
		m->timewait = timewait_take(TIMEWAIT_ALL);
	} else if (m->group != FLOW_GROUP_NONE) {
		leaving[m->group] = NULL;
		m->timewait = timewait_take(m->group);
		flow_give(m->group, m->to);
	}
	moving_send(m, m->to, NET_MOVE_PASS);
}

/* The tick must end this core's sleep. */
static void poll_soon(void)
{
	uint64_t at = net_self.now_tick + POLL_TICKS;

	if (!time_is_armed(&net_self.tick) || net_self.tick.tick > at)
		time_arm(&net_self.tick, at);
}

static __attribute__((noinline)) void poll_moves(void)
{
	struct list *node = net_self.moves.next;

	hold_granted();
	while (node != &net_self.moves) {
		struct net_move *m = CONTAINER_OF(node, struct net_move, link);

		node = node->next;
		if (m->state == MOVE_HELD && is_free(m))
			hand_over(m);
	}
	if (!list_is_empty(&net_self.moves))
		poll_soon();
}

void net_move_poll(void)
{
	if (unlikely(!list_is_empty(&net_self.moves)))
		poll_moves();
}

void moving_end(void)
{
	for (struct list *node = net_self.moves.next; node != &net_self.moves; node = node->next)
		pack_thaw(CONTAINER_OF(node, struct net_move, link));
}

/* ---- on the core that gets it ---- */
static int prepare(struct net_move *m)
{
	struct arrival *a = mem_alloc(sizeof(*a));

	if (!a)
		return KERR_NO_MEMORY;
	if (!demux_reserve(m->room)) {
		mem_free(a);
		return KERR_NO_MEMORY;
	}
	*a = (struct arrival){ .group = m->group, .tuple = m->tuple };
	list_add_tail(&net_self.arrivals, &a->link);
	m->arrival = a;
	return 0;
}

static void again(struct park *p)
{
	struct buf *b;

	while ((b = park_take(p)) != NULL)
		input_again(b);
}

static void end_arrival(struct net_move *m)
{
	struct arrival *a = m->arrival;

	demux_unreserve(m->room);
	again(&a->early);
	mem_free(a);
}

static void receive(struct net_move *m)
{
	if (m->arrival)
		list_remove(&m->arrival->link);
	unpack(m);
	walk_settle();
	if (m->group < FLOW_GROUPS_MAX)
		flow_enter(m->group);
	again(&m->waiting);
	if (m->arrival)
		end_arrival(m);
	finish(m, 0);
}

__attribute__((noinline)) bool net_move_message(struct flow_message *message, struct net_move_result *result)
{
	struct net_move *m = CONTAINER_OF(message, struct net_move, message);

	switch ((enum net_move_kind)message->kind) {
	case NET_MOVE_BEGIN:
		begin(m);
		return false;
	case NET_MOVE_PREPARE:
		m->status = prepare(m);
		moving_send(m, m->from, NET_MOVE_READY);
		return false;
	case NET_MOVE_READY:
		go_on(m);
		return false;
	case NET_MOVE_PASS:
		receive(m);
		return false;
	case NET_MOVE_DONE:
		*result = (struct net_move_result){ .group = m->group,
						    .to = m->to,
						    .status = m->status,
						    .connections = m->count,
						    .forced = m->forced };
		mem_free(m);
		return true;
	}
	panic("message of kind %u", message->kind);
}
