/* SPDX-License-Identifier: MIT */
/*
 * A connection changes cores. Ring 0 says so on the old core (IX_EV_MOVING); the object goes into the new
 * core's inbox as it is, with the calls that came too late; then the handle is released, and only after
 * that the new core hears of it (IX_EV_MOVED), so that it always finds the object there. Objects are not
 * copied: for what comes, a core gives as many free ones of its own.
 */
#include "lib/ix/core.h"
#include <stdio.h>
#include <stdlib.h>

#define CORES_MAX 64

/* Connections that were given to a core, newest first; pushed by any core, taken whole by its own. */
static struct {
	struct ix_conn *head;
} __attribute__((aligned(64))) inboxes[CORES_MAX];

/* ---- calls that came too late ---- */

/* A call that ring 0 did not execute, in the memory of a span. */
struct ix_repeat {
	struct ix_repeat *next;
	struct ix_call call;
};
_Static_assert(sizeof(struct ix_repeat) <= sizeof(struct ix_span), "of the same slab");

static void append(struct ix_repeat **list, struct ix_repeat *r)
{
	while (*list)
		list = &(*list)->next;
	r->next = NULL;
	*list = r;
}

void ix_move_repeat(struct ix_core *core, const struct ix_call *call)
{
	struct ix_repeat *r = ix_slab_take(&core->spans);

	if (!r) {
		(void)fputs("ix: no memory for a call that is to be repeated; remedy: raise heap_mib\n", stderr);
		exit(EXIT_FAILURE);
	}
	r->call = *call;
	append(&core->repeats, r);
}

void ix_move_gather(struct ix_core *core)
{
	for (uint32_t i = 0; i < core->call_count; i++) {
		const struct ix_call *call = &core->calls->calls[i];

		/* What was not sent is offered again anyway. */
		if (call->status == IX_MOVED && call->op != IX_OP_SENDV && call->op != IX_OP_SEND_BACK &&
		    call->op != IX_OP_RELEASE)
			ix_move_repeat(core, call);
	}
}

/* Those of @c leave the core's list. */
static void take_repeats(struct ix_core *core, struct ix_conn *c)
{
	struct ix_repeat *r = core->repeats, *next;

	core->repeats = NULL;
	for (; r; r = next) {
		next = r->next;
		append(r->call.handle == c->handle ? &c->repeats : &core->repeats, r);
	}
}

static void issue_repeats(struct ix_conn *c)
{
	struct ix_repeat *r = c->repeats, *next;

	c->repeats = NULL;
	for (; r; r = next) {
		next = r->next;
		ix_batch_call(c->core, r->call.op, c->handle, r->call.arg, r->call.len)->flags = r->call.flags;
		ix_slab_give(&c->core->spans, r);
	}
}

/* ---- leaving ---- */

static void say_moved(struct ix_conn *c)
{
	if ((c->flags & CONN_TOLD) && c->on->on_move)
		c->on->on_move(c);
}

/* It belongs to this core from now on; if it waits for memory, among those who do here. */
static void settle(struct ix_conn *c)
{
	bool was_starved = c->flags & CONN_STARVED;

	c->flags &= ~(uint32_t)(CONN_ARRIVED | CONN_STARVED);
	if (was_starved)
		ix_conn_starve(c);
}

void ix_move_leave(struct ix_conn *c)
{
	struct ix_core *core = c->core;
	struct ix_conn **head = &inboxes[c->to % CORES_MAX].head, *old;

	if (c->flags & CONN_ARRIVED) { /* only passing */
		settle(c);
		say_moved(c);
	}
	if ((c->flags & CONN_TOLD) && c->on->on_leave)
		c->on->on_leave(c, c->to);
	ix_conn_unstarve(c); /* last, for handlers may find no memory */
	take_repeats(core, c);
	c->flags &= ~(uint32_t)(CONN_READY | CONN_LEAVING);
	ix_batch_call(core, IX_OP_RELEASE, c->handle, 0, 0);
	old = __atomic_load_n(head, __ATOMIC_RELAXED);
	do
		c->next_ready = old;
	while (!__atomic_compare_exchange_n(head, &old, c, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

/* ---- arriving ---- */

static unsigned count_spans(const struct ix_span *s)
{
	unsigned n = 0;

	for (; s; s = s->next)
		n++;
	return n;
}

/* Chunks are filled one after the other, so ranges in the same one are neighbours. */
static unsigned count_chunks(const struct ix_span *s, const struct ix_chunk **last)
{
	unsigned n = 0;

	for (; s; s = s->next) {
		if (s->kind != SPAN_COPY || s->chunk == *last)
			continue;
		*last = s->chunk;
		n++;
	}
	return n;
}

static void adopt(struct ix_core *core, struct ix_conn *c)
{
	struct ix_core *from = c->core;
	const struct ix_chunk *last = NULL;
	unsigned spans = count_spans(c->in.head) + count_spans(c->out.head) + count_spans(c->wait.head), chunks;

	for (const struct ix_repeat *r = c->repeats; r; r = r->next)
		spans++;
	chunks = count_chunks(c->wait.head, &last) + count_chunks(c->out.head, &last);
	if (c->chunk && c->chunk != last)
		chunks++;
	ix_slab_trade(&core->conns, &from->conns, 1);
	ix_slab_trade(&core->spans, &from->spans, spans);
	ix_slab_trade(&core->chunks, &from->chunks, chunks);
	c->core = core;
}

void ix_move_moved(struct ix_core *core, const struct ix_event *ev)
{
	struct ix_conn *c = __atomic_exchange_n(&inboxes[libc_core() % CORES_MAX].head, NULL, __ATOMIC_ACQUIRE), *next;

	for (; c; c = next) {
		next = c->next_ready;
		adopt(core, c);
	}
	if ((ev->cookie & COOKIE_MASK) == COOKIE_LISTENER) { /* never accepted, and nobody here knows it */
		ix_batch_call(core, IX_OP_REJECT, ev->handle, 0, 0);
		return;
	}
	ix_conn_touch_with((struct ix_conn *)ev->cookie, CONN_ARRIVED);
}

void ix_move_arrive(struct ix_conn *c)
{
	settle(c);
	issue_repeats(c);
	say_moved(c);
}
