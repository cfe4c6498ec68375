/* SPDX-License-Identifier: MIT */
/*
 * How each test of libix begins: a fresh ring 0, an empty core, one echo-like service whose handlers
 * count what they were called for.
 */
#pragma once
#include "lib/ix/core.h"
#include "test/fake/ring0.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

struct seen {
	struct ix_conn *conn; /* the last one opened */
	unsigned opens, reads, writes, eofs, closes, dones;
	enum ix_dead why;
};
static struct seen seen;

static inline void count_open(struct ix_conn *c)
{
	seen.opens++;
	seen.conn = c;
}

static inline void count_close(struct ix_conn *c, enum ix_dead why)
{
	assert_ptr_equal(c, seen.conn);
	seen.closes++;
	seen.why = why;
}

static inline void count_done(void *arg)
{
	(void)arg;
	seen.dones++;
}

static const struct ix_service no_service = { .conns_max = 1000, .copies_max = 64 };

static inline struct ix_core *begin(const struct ix_service *service)
{
	struct ix_core *core;

	fake_reset();
	memset(&seen, 0, sizeof(seen));
	core = ix_this_core();
	memset(core, 0, sizeof(*core));
	core->calls = libc_calls();
	core->events = libc_events();
	core->starved_timer.fn = ix_conn_feed;
	core->starved_timer.arg = core;
	ix_core_init(core, service);
	return core;
}

/* An accepted connection, served by @on. */
static inline struct fake_conn *accepted(struct ix_core *core, const struct ix_handlers *on)
{
	static uint64_t cookie; /* the table of listeners is the program's, so one serves all tests of a file */
	static const struct ix_handlers *last;
	struct fake_conn *peer;

	if (last != on) {
		assert_int_equal(ix_listen(7, on, NULL), 0);
		cookie = fake.listen_cookie;
		last = on;
	}
	fake.listen_cookie = cookie;
	peer = fake_knock();
	ix_round(core); /* knock; accept issued */
	ix_round(core); /* accept executed */
	assert_true(peer->is_accepted);
	assert_int_equal(fake.bad, 0);
	return peer;
}
