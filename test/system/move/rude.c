/* SPDX-License-Identifier: MIT */
/*
 * Ring 3 without manners, for moves.py: an echo service on the bare arrays whose connections, when they are
 * told to move, do what their first byte says:
 *
 *   'n'  never release, and go on with calls
 *   'd'  release twice, and go on with calls
 *   'f'  release what is another's, forged or stale, and never itself
 *   'l'  release where it has come to, too late
 *   '?'  answers with the number of statuses that were not as kernel/abi says
 */
#include "test/system/move/call.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define CORES 4
#define CONNS 64 /* a core */

/*
 * Where a connection is, for those who want to release what is another's. The core that has just been told IX_EV_MOVING may
 * release it until it returns to ring 0: that is no other core's yet, so the field says who leaves. One that has arrived is
 * this core's from when its IX_EV_MOVED lies in the array, not from when the loop below comes to it: ring 0 answers for the
 * state in which it wrote the array (IX_BAD_CALL, or IX_OK if it goes on at once and IX_EV_MOVING lies there, too). So arrivals
 * are noted before any event is looked at. A core's connections do not change while it is in ring 3, and what it wrote here is
 * seen by the core that gets one: ring 0's messages lie between.
 */
struct conn {
	_Atomic ix_handle_t handle; /* 0: free */
	_Atomic uint32_t core;      /* CORES + the one it leaves */
	uint8_t manner;
	bool goes_on;              /* its IX_EV_MOVING lies in the array, too */
	uint64_t owed, owed_bytes; /* to be sent back, and then given back */
};

static struct conn conns[CORES * CONNS];
static atomic_uint wrong;
static volatile int first_wrong[3]; /* opcode, status, line */

static void expect(int status, int one, int other, int line)
{
	if (status == one || status == other)
		return;
	if (!wrong++) {
		first_wrong[0] = status;
		first_wrong[1] = line;
	}
}
#define EXPECT(status, one, other) expect(status, one, other, __LINE__)

/* All that would be seen on the wire if it were done. */
static void go_on(struct conn *c)
{
	EXPECT(call(IX_OP_SENDV, c->handle, (uintptr_t) "X", 1), IX_MOVED, IX_MOVED);
	EXPECT(call(IX_OP_RECV_DONE, c->handle, 0, 1), IX_MOVED, IX_MOVED);
	EXPECT(call(IX_OP_SHUTDOWN, c->handle, 0, 0), IX_MOVED, IX_MOVED);
	EXPECT(call(IX_OP_CLOSE, c->handle, 0, 0), IX_MOVED, IX_MOVED);
	EXPECT(call(IX_OP_ABORT, c->handle, 0, 0), IX_MOVED, IX_MOVED);
	EXPECT(call(IX_OP_SET, c->handle, IX_SET_NODELAY, 0), IX_MOVED, IX_MOVED);
}

static void release_others(struct conn *c)
{
	uint32_t core = libc_core();

	EXPECT(call(IX_OP_RELEASE, c->handle + (1ull << 32), 0, 0), IX_BAD_HANDLE, IX_BAD_HANDLE);
	EXPECT(call(IX_OP_RELEASE, c->handle ^ 0x12345, 0, 0), IX_BAD_HANDLE, IX_BAD_CALL);
	EXPECT(call(IX_OP_RELEASE, 0, 0, 0), IX_BAD_HANDLE, IX_BAD_HANDLE);
	for (unsigned i = 0; i < CORES * CONNS; i++)
		if (conns[i].handle && conns[i].core % CORES != core)
			EXPECT(call(IX_OP_RELEASE, conns[i].handle, 0, 0), IX_BAD_HANDLE, IX_MOVED);
}

static void on_moving(struct conn *c)
{
	switch (c->manner) {
	case 'd':
		EXPECT(call(IX_OP_RELEASE, c->handle, 0, 0), IX_OK, IX_OK);
		EXPECT(call(IX_OP_RELEASE, c->handle, 0, 0), IX_BAD_CALL, IX_BAD_CALL);
		go_on(c);
		break;
	case 'f':
		release_others(c);
		break;
	case 'n':
		go_on(c);
		break;
	default:
		break;
	}
	c->core = CORES + libc_core();
}

static void pay(struct conn *c)
{
	int status;

	if (!c->owed_bytes)
		return;
	status = call(IX_OP_SENDV, c->handle, c->owed, c->owed_bytes);
	if (status == IX_MOVED)
		return; /* where it goes */
	EXPECT(status, IX_OK, IX_CLOSED);
	EXPECT(call(IX_OP_RECV_DONE, c->handle, 0, c->owed_bytes), IX_OK, IX_CLOSED);
	c->owed_bytes = 0;
}

static void on_recv(struct conn *c, const struct ix_event *e)
{
	static _Thread_local char text[80];
	int n;

	if (!c->manner)
		c->manner = *(const uint8_t *)e->addr;
	c->owed = e->addr;
	c->owed_bytes = e->len;
	if (c->manner == '?') {
		n = snprintf(text, sizeof(text), "wrong %u status %d line %d\n", wrong, first_wrong[0], first_wrong[1]);
		(void)call(IX_OP_SENDV, c->handle, (uintptr_t)text, (uint64_t)n);
		(void)call(IX_OP_RECV_DONE, c->handle, 0, e->len);
		(void)call(IX_OP_CLOSE, c->handle, 0, 0);
		c->owed_bytes = 0;
		return;
	}
	pay(c);
}

static void on_knock(const struct ix_event *e)
{
	uint32_t core = libc_core();

	for (unsigned i = core * CONNS; i < (core + 1) * CONNS; i++) {
		if (conns[i].handle)
			continue;
		conns[i].manner = 0;
		conns[i].owed_bytes = 0;
		conns[i].core = core;
		conns[i].handle = e->handle;
		(void)call(IX_OP_ACCEPT, e->handle, i + 1, 0);
		return;
	}
	(void)call(IX_OP_REJECT, e->handle, 0, 0);
}

/* Before the array's events are looked at. */
static void note_arrival(const struct ix_event *e)
{
	struct conn *c;

	if (e->cookie < 1 || e->cookie > CORES * CONNS)
		return;
	c = &conns[e->cookie - 1];
	if (e->kind == IX_EV_MOVED) {
		c->core = libc_core();
		c->goes_on = false;
	} else if (e->kind == IX_EV_MOVING) {
		c->goes_on = true;
	}
}

static void on_event(const struct ix_event *e)
{
	struct conn *c;

	if (e->kind == IX_EV_KNOCK) {
		on_knock(e);
		return;
	}
	if (e->cookie < 1 || e->cookie > CORES * CONNS)
		return;
	c = &conns[e->cookie - 1];
	if (e->handle != c->handle)
		wrong++;
	switch (e->kind) {
	case IX_EV_RECV:
		on_recv(c, e);
		break;
	case IX_EV_MOVING:
		on_moving(c);
		break;
	case IX_EV_MOVED:
		if (c->manner == 'l')
			EXPECT(call(IX_OP_RELEASE, c->handle, 0, 0), c->goes_on ? IX_OK : IX_BAD_CALL, IX_MOVED);
		pay(c);
		break;
	case IX_EV_EOF:
		(void)call(IX_OP_CLOSE, c->handle, 0, 0);
		break;
	case IX_EV_DEAD:
		c->handle = 0;
		break;
	default:
		break;
	}
}

static _Noreturn void serve(void)
{
	static _Thread_local struct ix_event
		events[IX_EVENTS_MAX]; /* the array is another one after each IX_RUN_IO only */
	const struct ix_event_array *a = libc_events();

	for (;;) {
		uint32_t count;

		ix_entry(IX_RUN_IO, 0, 0, 0);
		count = a->count;
		for (uint32_t i = 0; i < count; i++)
			events[i] = a->events[i];
		for (uint32_t i = 0; i < count; i++)
			note_arrival(&events[i]);
		for (uint32_t i = 0; i < count; i++)
			on_event(&events[i]);
	}
}

static int core_main(void *unused)
{
	(void)unused;
	serve();
}

int main(void)
{
	static const struct ix_endpoint any = { .port = 7 };

	if (call(IX_OP_LISTEN, 0, (uintptr_t)&any, 0))
		return 1;
	for (uint32_t core = 1; core < libc_info()->core_count; core++)
		if (libc_core_start(core, core_main, NULL))
			return 1;
	serve();
}
