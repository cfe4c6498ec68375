/* SPDX-License-Identifier: MIT */
/*
 * The steady state, written out so that it is compiled into the loop: data arrives, is forwarded, is taken
 * whole, and was given back in the same call. What is not exactly that goes the general way (conn.c, out.c),
 * which does the same things one by one.
 */
#pragma once
#include "lib/ix/core.h"

/*
 * An accepted connection on which nothing is pending. Without CONN_HOLDS all of `out` is lent, without
 * CONN_SPENT it begins with the oldest lent byte: what ring 0 takes of it may be given back with it.
 */
#define STEADY (CONN_OPEN | CONN_TOLD)

/* A call whose result is the expected one: all of `out` was taken, and given back if it was lent. */
static inline bool ix_fast_result(struct ix_conn *c, const struct ix_call *call)
{
	uint64_t bytes = c->offered;

	if (call->status != IX_OK || call->len != bytes || c->flags != (STEADY | CONN_OFFERED))
		return false;
	c->flags = STEADY;
	c->taken_pos += bytes;
	c->done_pos += bytes;
	c->lent_out = 0;
	ix_slab_give_list(&c->core->spans, c->out.head, c->out.tail);
	c->out.head = NULL;
	return true;
}

static inline void ix_fast_recv(struct ix_core *core, struct ix_conn *c, const struct ix_event *ev)
{
	struct ix_span *s = ix_slab_take(&core->spans);

	if (__builtin_expect(!s, 0)) {
		ix_conn_touch_with(c, CONN_ABORT); /* a hole in the stream cannot be mended */
		return;
	}
	c->recv_pos += ev->len;
	s->at = (const uint8_t *)ev->addr;
	s->bytes = ev->len;
	s->kind = SPAN_LENT;
	s->end = c->recv_pos;
	ix_list_push(&c->in, s);
	ix_conn_touch_with(c, CONN_DATA);
}

/* The events from @ev on, before @end, that are further data of @c. Return: the first other one. */
static inline const struct ix_event *ix_fast_recv_more(struct ix_core *core, struct ix_conn *c,
						       const struct ix_event *ev, const struct ix_event *end)
{
	struct ix_span *tail = c->in.tail; /* of the data that came before, which waits */
	uint64_t at = c->recv_pos;

	for (; ev != end && ev->cookie == (uintptr_t)c && ev->kind == IX_EV_RECV; ev++) {
		struct ix_span *s = ix_slab_take(&core->spans);

		if (__builtin_expect(!s, 0)) {
			ix_conn_touch_with(c, CONN_ABORT);
			break;
		}
		at += ev->len;
		s->at = (const uint8_t *)ev->addr;
		s->bytes = ev->len;
		s->kind = SPAN_LENT;
		s->end = at;
		tail->next = s;
		tail = s;
	}
	tail->next = NULL;
	c->in.tail = tail;
	c->recv_pos = at;
	return ev;
}

/* Return: whether the connection was in the steady state; if not, nothing was done. */
static inline bool ix_fast_visit(struct ix_core *core, struct ix_conn *c)
{
	const struct ix_span *s;

	if (c->flags != (STEADY | CONN_READY | CONN_DATA) || !c->on->on_read)
		return false;
	c->flags = STEADY | CONN_READY;
	c->on->on_read(c);
	s = c->out.head;
	if (c->flags != (STEADY | CONN_READY) || !s || s->next) {
		ix_conn_issue(c);
		return true;
	}
	c->flags = STEADY | CONN_OFFERED;
	c->offered = s->bytes;
	ix_batch_call(core, IX_OP_SENDV, c->handle, (uintptr_t)s->at, s->bytes)->flags = IX_SENDV_DONE;
	ix_batch_watch(core, WATCH_ECHO, c);
	return true;
}
