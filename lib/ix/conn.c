/* SPDX-License-Identifier: MIT */
/*
 * The life of a connection: from a knock or ix_connect() to IX_EV_DEAD. ix_conn_visit() is where a round's
 * conditions become handler calls and those become calls to ring 0, in an order that needs no second look.
 */
#include "lib/ix/core.h"
#include <string.h>

#define LOW_BYTES 16384
#define HIGH_BYTES 65536

static bool is_ended(const struct ix_conn *c)
{
	return c->flags & (CONN_CLOSE | CONN_ABORT | CONN_DEAD);
}

/* ---- birth ---- */

static struct ix_conn *new_conn(struct ix_core *core, const struct ix_handlers *on, void *user)
{
	struct ix_conn *c = ix_slab_take(&core->conns);

	if (!c)
		return NULL;
	memset(c, 0, sizeof(*c));
	c->core = core;
	c->on = on;
	c->user = user;
	c->low = LOW_BYTES;
	c->high = HIGH_BYTES;
	return c;
}

void ix_conn_knock(struct ix_core *core, const struct ix_event *ev, const struct ix_peer *peer)
{
	const struct ix_listener *l = (const struct ix_listener *)(ev->cookie & ~(uint64_t)COOKIE_MASK);
	struct ix_conn *c = new_conn(core, l->on, l->user);

	if (!c) {
		ix_batch_call(core, IX_OP_REJECT, ev->handle, 0, 0);
		return;
	}
	c->handle = ev->handle;
	c->remote = peer->remote;
	c->flags = CONN_ACCEPT;
	ix_conn_touch(c);
}

static void say_dead(struct ix_conn *c, enum ix_dead why)
{
	c->flags |= CONN_DEAD;
	c->why = why;
	ix_conn_touch(c);
}

void ix_conn_accepted(struct ix_conn *c, const struct ix_call *call)
{
	if (call->status < 0 && call->status != IX_MOVED)
		say_dead(c, IX_DEAD_RESET); /* gone before it was accepted */
}

struct ix_conn *ix_connect(const struct ix_endpoint *remote, const struct ix_handlers *on, void *user)
{
	struct ix_core *core = ix_this_core();
	struct ix_conn *c = new_conn(core, on, user);
	struct ix_connect *ask;

	if (!c)
		return NULL;
	c->remote = *remote;
	c->flags = CONN_TOLD;
	ask = ix_batch_arena(core, sizeof(*ask));
	*ask = (struct ix_connect){ .remote = *remote, .cookie = (uintptr_t)c };
	ix_batch_call(core, IX_OP_CONNECT, 0, (uintptr_t)ask, 0);
	ix_batch_watch(core, WATCH_CONNECT, c);
	return c;
}

void ix_conn_connected(struct ix_conn *c, const struct ix_call *call)
{
	c->handle = call->handle;
	if (call->status < 0)
		say_dead(c, call->status == IX_UNREACHABLE ? IX_DEAD_UNREACHABLE : IX_DEAD_NO_MEMORY);
	else if (is_ended(c))
		ix_conn_touch(c); /* given up before it had a handle */
}

/* ---- one visit ---- */

static void end_input(struct ix_conn *c)
{
	ix_in_drop(c);
	c->flags &= ~(uint32_t)CONN_DATA;
}

/* on_write before on_read: a handler that found room again resumes, and is called with what waits. */
static void call_handlers(struct ix_conn *c)
{
	const struct ix_handlers *on = c->on;

	if (c->flags & CONN_NEW) {
		c->flags = (c->flags & ~(uint32_t)CONN_NEW) | CONN_TOLD;
		if (on->on_open)
			on->on_open(c);
	}
	if ((c->flags & CONN_REFUSED) && ix_queued(c) <= c->low && !is_ended(c)) {
		c->flags &= ~(uint32_t)CONN_REFUSED;
		if (on->on_write)
			on->on_write(c);
	}
	if ((c->flags & (CONN_DATA | CONN_PAUSED)) == CONN_DATA && !is_ended(c)) {
		c->flags &= ~(uint32_t)CONN_DATA;
		if (on->on_read)
			on->on_read(c);
		else
			ix_consume(c, ix_unread(c));
	}
	if ((c->flags & (CONN_EOF | CONN_EOF_TOLD)) == CONN_EOF && !ix_unread(c) && !is_ended(c)) {
		c->flags |= CONN_EOF_TOLD;
		if (on->on_eof)
			on->on_eof(c);
		else
			ix_close(c);
	}
}

/* What is wanted at the end of the stream, when the stream is at its end. */
static void issue_end(struct ix_conn *c)
{
	if (c->out.head) {
		if (c->flags & CONN_OFFERED)
			c->core->must_settle = true; /* know first whether all of it was taken */
		return;
	}
	if (c->flags & CONN_CLOSE) {
		c->flags |= CONN_END_SAID;
		ix_batch_call(c->core, IX_OP_CLOSE, c->handle, 0, 0);
	} else if (!(c->flags & CONN_FIN_SAID)) {
		c->flags |= CONN_FIN_SAID;
		ix_batch_call(c->core, IX_OP_SHUTDOWN, c->handle, 0, 0);
	}
}

/* Output first, so that the window update rides on it. */
static void issue_stream(struct ix_conn *c)
{
	uint64_t limit;

	ix_out_offer(c);
	limit = c->lent_out ? c->lent_pos : c->read_pos;
	if (limit != c->done_pos) {
		ix_batch_call(c->core, IX_OP_RECV_DONE, c->handle, 0, limit - c->done_pos);
		c->done_pos = limit;
	}
	if (c->read_pos - c->done_pos == c->lent_out)
		c->flags &= ~(uint32_t)CONN_SPENT;
	if (c->flags & (CONN_SHUTDOWN | CONN_CLOSE))
		issue_end(c);
}

void ix_conn_unstarve(struct ix_conn *c)
{
	struct ix_conn **link = &c->core->starved;

	if (!(c->flags & CONN_STARVED))
		return;
	while (*link != c)
		link = &(*link)->next_starved;
	*link = c->next_starved;
}

/* CONN_READY is still set, which keeps the callbacks from putting it on the list again. */
static void bury(struct ix_conn *c)
{
	ix_conn_unstarve(c);
	ix_in_drop(c);
	ix_out_drop(c);
	if ((c->flags & CONN_TOLD) && c->on->on_close)
		c->on->on_close(c, c->why);
	ix_slab_give(&c->core->conns, c);
}

void ix_conn_issue(struct ix_conn *c)
{
	if (is_ended(c))
		end_input(c);
	c->flags &= ~(uint32_t)CONN_READY;
	if (c->flags & CONN_DEAD) {
		ix_conn_touch(c); /* learnt while the handlers filled the call array */
		return;
	}
	if (!c->handle || (c->flags & CONN_END_SAID))
		return;
	if (c->flags & CONN_ABORT || (is_ended(c) && !(c->flags & CONN_OPEN))) {
		c->flags |= CONN_END_SAID;
		ix_batch_call(c->core, IX_OP_ABORT, c->handle, 0, 0);
	} else if (c->flags & CONN_OPEN) {
		issue_stream(c);
	}
}

void ix_conn_visit(struct ix_conn *c)
{
	if (c->flags & CONN_LEAVING) {
		ix_move_leave(c);
		return;
	}
	if (c->flags & CONN_ARRIVED)
		ix_move_arrive(c);
	if (c->flags & CONN_DEAD) {
		bury(c);
		return;
	}
	if (c->flags & CONN_ACCEPT) {
		c->flags = (c->flags & ~(uint32_t)CONN_ACCEPT) | CONN_OPEN | CONN_NEW;
		ix_batch_call(c->core, IX_OP_ACCEPT, c->handle, (uintptr_t)c, 0);
		ix_batch_watch(c->core, WATCH_ACCEPT, c);
	}
	if (c->flags & CONN_HOLDS)
		ix_out_release(c);
	if (!is_ended(c))
		call_handlers(c);
	ix_conn_issue(c);
}

/* ---- starving ---- */

void ix_conn_starve(struct ix_conn *c)
{
	struct ix_core *core = c->core;

	if (c->flags & CONN_STARVED)
		return;
	c->flags |= CONN_STARVED;
	c->next_starved = core->starved;
	core->starved = c;
}

void ix_conn_feed(struct ix_timer *t)
{
	struct ix_core *core = t->arg;
	struct ix_conn *c = core->starved, *next;

	core->starved = NULL;
	for (; c; c = next) {
		next = c->next_starved;
		c->flags &= ~(uint32_t)(CONN_STARVED | CONN_BLOCKED);
		ix_conn_touch(c);
	}
}

/* ---- death and wishes ---- */

/* A knock may die in the round it came in: then the event still has the listener's cookie. */
void ix_conn_dead(struct ix_core *core, const struct ix_event *ev)
{
	struct ix_conn *c = (struct ix_conn *)ev->cookie;

	if ((ev->cookie & COOKIE_MASK) == COOKIE_LISTENER) {
		for (c = core->ready; c; c = c->next_ready)
			if (c->handle == ev->handle)
				break;
	}
	if (c)
		say_dead(c, ev->detail);
}

void ix_shutdown(struct ix_conn *c)
{
	c->flags |= CONN_SHUTDOWN;
	ix_conn_touch(c);
}

void ix_close(struct ix_conn *c)
{
	c->flags |= CONN_CLOSE;
	ix_conn_touch(c);
}

void ix_abort(struct ix_conn *c)
{
	c->flags |= CONN_ABORT;
	ix_conn_touch(c);
}

void ix_set_option(struct ix_conn *c, enum ix_option option, uint64_t value)
{
	const struct ix_call late = { .op = IX_OP_SET, .handle = c->handle, .arg = option, .len = value };

	if (!(c->flags & CONN_OPEN) || (c->flags & (CONN_END_SAID | CONN_DEAD)))
		return;
	if (c->flags & CONN_LEAVING)
		ix_move_repeat(c->core, &late);
	else
		ix_batch_call(c->core, IX_OP_SET, c->handle, option, value);
}

void *ix_user(const struct ix_conn *c)
{
	return c->user;
}

void ix_set_user(struct ix_conn *c, void *user)
{
	c->user = user;
}

const struct ix_endpoint *ix_remote(const struct ix_conn *c)
{
	return &c->remote;
}
