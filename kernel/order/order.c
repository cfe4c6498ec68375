/* SPDX-License-Identifier: MIT */
/*
 * The order queue: a bounded list on the boot core. An order is begun when no earlier one of its group is
 * under way, and answered when it is done; what the cores tell each other meanwhile is net's (moving.c).
 */
#include "kernel/order/order.h"

#include "kernel/base/err.h"
#include "kernel/cpu/cpu.h"
#include "kernel/flow/flow.h"
#include "kernel/net/net.h"
#include "kernel/order/source.h"

#define ORDERS_MAX 128u /* waiting */

/* Boot core. */
static struct order_queue {
	struct order waiting[ORDERS_MAX]; /* oldest first */
	uint32_t count;
	bool is_moving[FLOW_GROUPS_MAX];
	void (*done[FLOW_GROUPS_MAX])(const struct order_answer *answer); /* of those that move */
	uint8_t to[FLOW_GROUPS_MAX];
	uint32_t moving;
	void (*on_answer)(const struct order_answer *answer);
} order_queue;

/* At boot. */
static int (*submit_cores)(const struct order *o);
static void (*take_other)(struct flow_message *m);

void order_set_cores(int (*submit)(const struct order *o), void (*message)(struct flow_message *m))
{
	submit_cores = submit;
	take_other = message;
}

void order_on_answer(void (*fn)(const struct order_answer *answer))
{
	order_queue.on_answer = fn;
}

void order_core_init(void)
{
	if (core_id() == 0)
		order_source_start();
}

bool order_is_idle(void)
{
	return !order_queue.count && !order_queue.moving;
}

bool order_gives_to(uint32_t core)
{
	for (unsigned g = 0; g < FLOW_GROUPS_MAX; g++)
		if (order_queue.is_moving[g] && order_queue.to[g] == core)
			return true;
	return false;
}

uint32_t order_owner(uint32_t group)
{
	const struct order_queue *q = &order_queue;

	for (uint32_t i = q->count; i-- > 0;)
		if (q->waiting[i].group == group)
			return q->waiting[i].to;
	return q->is_moving[group] ? q->to[group] : flow_owner((uint8_t)group);
}

int order_submit(const struct order *o)
{
	if (o->op == ORDER_CORES && submit_cores)
		return submit_cores(o);
	if (o->op != ORDER_MOVE || o->group >= flow_groups() || o->to >= CORES_MAX || !(cpu_open() >> o->to & 1))
		return KERR_INVALID;
	if (order_queue.count == ORDERS_MAX)
		return KERR_IN_USE;
	order_queue.waiting[order_queue.count++] = *o;
	return 0;
}

void order_answer(const struct order_answer *a)
{
	if (a->order.done)
		a->order.done(a);
	else if (order_queue.on_answer)
		order_queue.on_answer(a);
}

/* Those whose group is not under way; the others wait. */
static __attribute__((noinline)) void begin_waiting(void)
{
	struct order_queue *q = &order_queue;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < q->count; i++) {
		struct order o = q->waiting[i];
		int err;

		if (q->is_moving[o.group]) {
			q->waiting[kept++] = o;
			continue;
		}
		err = cpu_open() >> o.to & 1 ? net_move_begin((uint8_t)o.group, o.to) : KERR_INVALID;
		if (err) {
			order_answer(&(struct order_answer){ .order = o, .status = err });
			continue;
		}
		q->is_moving[o.group] = true;
		q->done[o.group] = o.done;
		q->to[o.group] = (uint8_t)o.to;
		q->moving++;
	}
	q->count = kept;
}

static void end_move(const struct net_move_result *r)
{
	struct order_answer a = {
		.order = { .op = ORDER_MOVE, .group = r->group, .to = r->to, .done = order_queue.done[r->group] },
		.status = r->status,
		.connections = r->connections,
		.forced = r->forced
	};

	order_queue.is_moving[r->group] = false;
	order_queue.moving--;
	if (!a.status && !a.order.done)
		a.status = flow_steer(); /* until the device follows, its frames are handed over */
	order_answer(&a);
}

static __attribute__((noinline)) void take(struct flow_message *m)
{
	struct net_move_result result;
	struct flow_message *next;

	for (; m; m = next) {
		next = m->next;
		if (m->kind >= ORDER_MESSAGES)
			take_other(m);
		else if (net_move_message(m, &result))
			end_move(&result);
	}
}

void order_poll(void)
{
	struct flow_message *m = flow_messages();

	if (unlikely(m != NULL))
		take(m);
	if (unlikely(core_id() == 0 && order_queue.count)) /* behind the answers that they waited for */
		begin_waiting();
	net_move_poll();
}
