/* SPDX-License-Identifier: MIT */
/*
 * Timers are ring 0's; here is only what keeps a stopped one silent: a call not yet executed is taken out
 * of the array, and one that has expired is taken off the list of those whose function is due.
 */
#include "lib/ix/core.h"

enum timer_state {
	TIMER_IDLE = 0,
	TIMER_ARMING, /* its call is in the array, watches[slot] is its */
	TIMER_ARMED,  /* handle is valid */
	TIMER_FIRED,  /* on core->fired */
};

static void fire(struct ix_core *core, struct ix_timer *t, int err)
{
	t->state = TIMER_FIRED;
	t->handle = 0;
	t->err = err;
	t->next = core->fired;
	t->link = &core->fired;
	if (t->next)
		t->next->link = &t->next;
	core->fired = t;
}

static void unlink_fired(struct ix_timer *t)
{
	*t->link = t->next;
	if (t->next)
		t->next->link = t->link;
	t->state = TIMER_IDLE;
}

void ix_timer_armed(struct ix_core *core, struct ix_timer *t, const struct ix_call *call)
{
	if (call->status < 0) {
		fire(core, t, IX_NO_MEMORY);
		return;
	}
	t->handle = call->handle;
	t->state = TIMER_ARMED;
}

void ix_timer_expired(struct ix_core *core, struct ix_timer *t)
{
	if (t->state == TIMER_ARMED)
		fire(core, t, 0);
}

void ix_timer_run(struct ix_core *core)
{
	while (core->fired) {
		struct ix_timer *t = core->fired;

		unlink_fired(t);
		t->fn(t);
	}
}

void ix_timer_start(struct ix_timer *t, uint64_t delay_ns)
{
	struct ix_core *core = ix_this_core();

	if (t->state == TIMER_ARMING) {
		core->calls->calls[core->watches[t->slot].slot].arg = delay_ns;
		return;
	}
	if (t->state == TIMER_FIRED)
		unlink_fired(t);
	ix_batch_call(core, IX_OP_TIMER_ARM, t->handle, delay_ns, (uintptr_t)t | COOKIE_TIMER);
	t->slot = core->watch_count;
	t->state = TIMER_ARMING;
	ix_batch_watch(core, WATCH_TIMER, t);
}

void ix_timer_stop(struct ix_timer *t)
{
	struct ix_core *core = ix_this_core();

	switch ((enum timer_state)t->state) {
	case TIMER_ARMING: {
		struct ix_watch *w = &core->watches[t->slot];
		struct ix_call *call = &core->calls->calls[w->slot];

		call->op = t->handle ? IX_OP_TIMER_CANCEL : IX_OP_NONE;
		call->arg = 0; /* a cancel has neither delay nor cookie: ring 0 would refuse it */
		call->len = 0;
		w->object = NULL;
		break;
	}
	case TIMER_ARMED:
		ix_batch_call(core, IX_OP_TIMER_CANCEL, t->handle, 0, 0);
		break;
	case TIMER_FIRED:
		unlink_fired(t);
		break;
	case TIMER_IDLE:
		break;
	}
	t->handle = 0;
	t->state = TIMER_IDLE;
}
