/* SPDX-License-Identifier: MIT */
/*
 * One round of one core: enter ring 0, look through what came back, call the handlers, gather their calls.
 * All events are looked through before the first handler runs, so that no handler acts on a connection or
 * timer whose end is already in the array.
 */
#include "lib/ix/core.h"
#include "lib/ix/fast.h"
#include <stdio.h>
#include <stdlib.h>

#define SPANS_PER_CONN 4u
#define SPANS_SPARE 65536u
#define STARVED_NS 1000000ull
#define PREFETCH_AHEAD 4

static __thread struct ix_core *self;

struct ix_core *ix_this_core(void)
{
	struct ix_core *core = self;

	if (__builtin_expect(core != NULL, 1))
		return core;
	core = calloc(1, sizeof(*core));
	if (!core) {
		(void)fputs("ix: the heap is too small for a core's state; remedy: raise heap_mib\n", stderr);
		exit(EXIT_FAILURE);
	}
	core->calls = libc_calls();
	core->events = libc_events();
	core->starved_timer.fn = ix_conn_feed;
	core->starved_timer.arg = core;
	self = core;
	return core;
}

/* ---- looking through the events ---- */

static void note_sent(struct ix_conn *c, const struct ix_event *ev)
{
	c->sent_pos += ev->len;
	if (!(c->flags & (CONN_HOLDS | CONN_BLOCKED | CONN_REFUSED)))
		return; /* nothing waits for it */
	if (ev->addr)
		c->flags &= ~(uint32_t)CONN_BLOCKED;
	ix_conn_touch(c);
}

static void note_moving(struct ix_conn *c, const struct ix_event *ev)
{
	if ((ev->cookie & COOKIE_MASK) == COOKIE_LISTENER)
		return; /* not accepted yet, which cannot be with this library; ring 0 goes on without us */
	c->to = ev->detail;
	ix_conn_touch_with(c, CONN_LEAVING);
}

static void note_signal(const struct ix_service *service)
{
	if (!service->stop)
		exit(EXIT_SUCCESS);
	service->stop(service->arg);
}

static void note_core(const struct ix_core *core, bool is_leaving)
{
	if (core->service->on_core)
		core->service->on_core(core->service->arg, is_leaving);
}

static inline void note(struct ix_core *core, const struct ix_event *ev)
{
	struct ix_conn *c = (struct ix_conn *)ev->cookie;

	switch ((enum ix_event_kind)ev->kind) {
	case IX_EV_RECV:
		ix_fast_recv(core, c, ev);
		break;
	case IX_EV_SENT:
		note_sent(c, ev);
		break;
	case IX_EV_KNOCK:
		ix_conn_knock(core, ev, &core->events->peers[ev->addr]);
		break;
	case IX_EV_CONNECTED:
		ix_conn_touch_with(c, CONN_OPEN | CONN_NEW);
		break;
	case IX_EV_EOF:
		ix_conn_touch_with(c, CONN_EOF);
		break;
	case IX_EV_DEAD:
		ix_conn_dead(core, ev);
		break;
	case IX_EV_UDP_RECV:
		core->datagrams[core->datagram_count++] = (uint16_t)(ev - core->events->events);
		break;
	case IX_EV_TIMER:
		ix_timer_expired(core, (struct ix_timer *)(ev->cookie & ~(uint64_t)COOKIE_MASK));
		break;
	case IX_EV_SIGNAL:
		note_signal(core->service);
		break;
	case IX_EV_CORE:
		note_core(core, ev->detail);
		break;
	case IX_EV_MOVING:
		note_moving(c, ev);
		break;
	case IX_EV_MOVED:
		ix_move_moved(core, ev);
		break;
	case IX_EV_UDP_SENT:
	case IX_EV_NR:
		break;
	}
}

static void note_all(struct ix_core *core)
{
	const struct ix_event *ev = core->events->events, *end = ev + core->events->count;

	while (ev < end) {
		struct ix_conn *c = (struct ix_conn *)ev->cookie;
		bool is_data = ev->kind == IX_EV_RECV;

		/* Past the end it is what an earlier array left there: as good an address as any. */
		__builtin_prefetch((const void *)ev[PREFETCH_AHEAD].cookie);
		note(core, ev++);
		if (is_data && ev < end && ev->cookie == (uintptr_t)c && c->in.head)
			ev = ix_fast_recv_more(core, c, ev, end);
	}
}

/* ---- a round ---- */

static void visit_ready(struct ix_core *core)
{
	while (core->ready) {
		struct ix_conn *c = core->ready;

		core->ready = c->next_ready;
		if (!ix_fast_visit(core, c))
			ix_conn_visit(c);
	}
}

void ix_round(struct ix_core *core)
{
	ix_batch_run(core, IX_RUN_IO);
	note_all(core);
	if (core->fired)
		ix_timer_run(core);
	if (core->datagram_count)
		ix_udp_run(core);
	visit_ready(core);
	while (core->must_settle) {
		core->must_settle = false;
		ix_batch_run(core, IX_CALL);
		visit_ready(core);
	}
	if (core->starved && !core->starved_timer.state)
		ix_timer_start(&core->starved_timer, STARVED_NS);
}

/* ---- the program ---- */

void ix_core_init(struct ix_core *core, const struct ix_service *service)
{
	uint32_t conns = service->conns_max ? service->conns_max : libc_info()->connections;
	uint64_t copies = service->copies_max ? (uint64_t)service->copies_max << 10
					      : libc_info()->heap_bytes / 8 / libc_info()->core_count;
	uint64_t chunks = copies / sizeof(struct ix_chunk);

	core->service = service;
	ix_slab_init(&core->conns, sizeof(struct ix_conn), conns);
	ix_slab_init(&core->spans, sizeof(struct ix_span), conns * SPANS_PER_CONN + SPANS_SPARE);
	ix_slab_init(&core->chunks, sizeof(struct ix_chunk), chunks < UINT32_MAX ? (uint32_t)chunks : UINT32_MAX);
}

static int core_main(void *arg)
{
	const struct ix_service *service = arg;
	struct ix_core *core = ix_this_core();
	int status;

	ix_core_init(core, service);
	status = service->start ? service->start(service->arg) : 0;
	if (status)
		exit(status);
	visit_ready(core);
	for (;;)
		ix_round(core);
}

_Noreturn void ix_run(const struct ix_service *service)
{
	for (uint32_t i = 1; i < ix_cores(); i++) {
		int err = libc_core_start(i, core_main, (void *)(uintptr_t)service);

		if (err) {
			(void)fprintf(stderr, "ix: core %u does not start (%d)\n", (unsigned)i, err);
			exit(EXIT_FAILURE);
		}
	}
	exit(core_main((void *)(uintptr_t)service));
}

uint32_t ix_core(void)
{
	return libc_core();
}

uint32_t ix_cores(void)
{
	return libc_info()->core_count;
}

uint64_t ix_now_ns(void)
{
	return libc_now_ns();
}
