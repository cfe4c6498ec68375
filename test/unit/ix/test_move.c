/* SPDX-License-Identifier: MIT */
/* A connection goes from one core's loop to another's: with what waits, what is queued and the calls that came too late. */
#include "test/unit/ix/begin.h"
#include <stdlib.h>

static struct ix_core *here, *there;
static unsigned leaves, moves;
static bool is_writing; /* when it leaves, and there is no memory for it */

static void on_leave(struct ix_conn *c, uint32_t to)
{
	assert_ptr_equal(c->core, fake.core ? there : here);
	assert_int_equal(to, !fake.core);
	leaves++;
	if (is_writing)
		assert_int_equal(ix_write(c, "x", 1), 0);
}

static void on_move(struct ix_conn *c)
{
	assert_ptr_equal(c->core, fake.core ? there : here);
	assert_int_equal(seen.reads, 0);
	moves++;
}

static void on_read(struct ix_conn *c)
{
	(void)c;
	seen.reads++;
}

static void on_write(struct ix_conn *c)
{
	(void)c;
	seen.writes++;
}

static const struct ix_handlers handlers = { .on_open = count_open,
					     .on_read = on_read,
					     .on_write = on_write,
					     .on_close = count_close,
					     .on_leave = on_leave,
					     .on_move = on_move };

static struct fake_conn *start(void)
{
	struct fake_conn *peer;

	here = begin(&no_service);
	peer = accepted(here, &handlers);
	free(there);
	there = calloc(1, sizeof(*there));
	there->calls = libc_calls();
	there->events = libc_events();
	there->starved_timer.fn = ix_conn_feed;
	there->starved_timer.arg = there;
	ix_core_init(there, &no_service);
	leaves = moves = 0;
	return peer;
}

static void go(struct fake_conn *peer)
{
	fake_moving(peer, 1);
	ix_round(here); /* told: the object goes, release issued */
	assert_int_equal(leaves, 1);
	ix_round(here); /* released */
	assert_true(peer->is_released);
	assert_null(here->ready);
	fake.core = 1;
	fake_moved(peer);
}

static void test_idle(void **state)
{
	struct fake_conn *peer = start();

	(void)state;
	go(peer);
	ix_round(there);
	assert_int_equal(moves, 1);
	assert_ptr_equal(seen.conn->core, there);
	fake_data(peer, "hello", 5, 5);
	ix_round(there);
	assert_int_equal(seen.reads, 1);
	ix_close(seen.conn);
	ix_round(there);
	ix_round(there);
	assert_true(peer->is_closed);
	fake_dead(peer, IX_DEAD_CLOSED);
	ix_round(there);
	assert_int_equal(seen.closes, 1);
	assert_int_equal(fake.bad, 0);
}

/* Unread data, queued output, memory of the application: all of it goes on there. */
static void test_loaded(void **state)
{
	static char big[100000]; /* beyond what is taken at once */
	struct fake_conn *peer = start();
	uint8_t got[8];

	(void)state;
	fake_data(peer, "abcdefgh", 8, 3);
	ix_round(here);
	assert_int_equal(ix_read(seen.conn, got, 2), 2);
	peer->room = 10;
	memset(big, 'x', sizeof(big));
	ix_set_marks(seen.conn, 16384, 1u << 20);
	assert_int_equal(ix_write(seen.conn, big, 5000), 5000);
	assert_int_equal(ix_send(seen.conn, big, 3000, count_done, NULL), 0);
	ix_round(here);
	ix_round(here);
	assert_int_equal(peer->out_bytes, 10);
	seen.reads = 0;
	go(peer);
	ix_round(there);
	assert_int_equal(moves, 1);
	assert_int_equal(ix_unread(seen.conn), 6);
	assert_int_equal(ix_read(seen.conn, got, 8), 6);
	assert_memory_equal(got, "cdefgh", 6);
	peer->room = 100000;
	fake_ack(peer, 10);
	ix_round(there);
	ix_round(there);
	ix_round(there);
	assert_int_equal(peer->out_bytes, 8000);
	assert_int_equal(peer->done_bytes, 8);
	fake_ack(peer, 7990);
	ix_round(there);
	assert_int_equal(seen.dones, 1);
	assert_int_equal(ix_queued(seen.conn), 0);
	assert_int_equal(fake.bad, 0);
}

/* Ring 0 holds it before it says so: what is asked for in between is asked for again, in order, once. */
static void test_late_calls(void **state)
{
	struct fake_conn *peer = start();

	(void)state;
	fake_data(peer, "abcdefgh", 8, 8);
	ix_round(here);
	fake_hold(peer);
	ix_consume(seen.conn, 5);
	ix_set_option(seen.conn, IX_SET_KEEPALIVE, 1000);
	ix_write(seen.conn, "answer", 6);
	ix_round(here);
	assert_int_equal(peer->done_bytes, 0);
	assert_int_equal(peer->out_bytes, 0);
	ix_consume(seen.conn, 1);
	ix_shutdown(seen.conn);
	ix_round(here);
	ix_round(here);
	seen.reads = 0;
	go(peer);
	fake.ops[IX_OP_SET] = fake.ops[IX_OP_SHUTDOWN] = 0;
	ix_round(there);
	ix_round(there);
	ix_round(there);
	assert_int_equal(peer->done_bytes, 6);
	assert_int_equal(peer->out_bytes, 6);
	assert_memory_equal(peer->out, "answer", 6);
	assert_true(peer->is_fin);
	assert_int_equal(fake.ops[IX_OP_SET], 1);
	assert_int_equal(fake.ops[IX_OP_SHUTDOWN], 1);
	assert_null(here->repeats);
	assert_int_equal(fake.bad, 0);
}

/* A close that was not executed is said again there. */
static void test_late_close(void **state)
{
	struct fake_conn *peer = start();

	(void)state;
	fake_hold(peer);
	ix_close(seen.conn);
	ix_round(here);
	ix_round(here);
	assert_false(peer->is_closed);
	go(peer);
	ix_round(there);
	ix_round(there);
	assert_true(peer->is_closed);
	assert_int_equal(fake.bad, 0);
}

/* It is told to go on before it has been looked at: both handlers, and nothing is lost on the way. */
static void test_passing(void **state)
{
	struct fake_conn *peer = start();

	(void)state;
	fake_data(peer, "abcd", 4, 4);
	ix_round(here);
	fake_hold(peer);
	ix_consume(seen.conn, 3);
	ix_round(here);
	seen.reads = 0;
	go(peer);
	fake_moving(peer, 0);
	ix_round(there);
	assert_int_equal(moves, 1);
	assert_int_equal(leaves, 2);
	ix_round(there);
	assert_true(peer->is_released);
	assert_int_equal(peer->done_bytes, 0);
	fake.core = 0;
	fake_moved(peer);
	ix_round(here);
	ix_round(here);
	assert_int_equal(moves, 2);
	assert_ptr_equal(seen.conn->core, here);
	assert_int_equal(peer->done_bytes, 3);
	assert_int_equal(fake.bad, 0);
}

/* Whether @c is among those that the core of @core looks at again. */
static bool is_starved_on(const struct ix_core *core, const struct ix_conn *c)
{
	const struct ix_conn *at = core->starved;

	while (at && at != c)
		at = at->next_starved;
	return at;
}

/* The last thing it does here is refused for want of memory: it waits for it there, and here no more. */
static void test_starved(void **state)
{
	for (unsigned is_passing = 0; is_passing < 2; is_passing++) {
		struct fake_conn *peer = start();

		(void)state;
		while (ix_slab_take(&here->chunks))
			;
		while (ix_slab_take(&there->chunks))
			;
		is_writing = true;
		go(peer);
		assert_false(is_starved_on(here, seen.conn));
		if (is_passing) {
			fake_moving(peer, 0);
			ix_round(there);
			ix_round(there);
			assert_int_equal(leaves, 2);
			assert_false(is_starved_on(there, seen.conn));
			fake.core = 0;
			fake_moved(peer);
		}
		is_writing = false;
		ix_round(is_passing ? here : there);
		assert_true(is_starved_on(is_passing ? here : there, seen.conn));
		assert_ptr_equal(seen.conn->next_starved, NULL);
	}
}

static unsigned left_in(struct ix_slab *s)
{
	unsigned n = 0;

	while (n < 5000 && ix_slab_take(s))
		n++;
	return n;
}

/* Objects are traded: neither core can run out because all connections go one way. */
static void test_trade(void **state)
{
	struct ix_slab a, b;
	static void *objects[100];

	(void)state;
	ix_slab_init(&a, 48, 100);
	ix_slab_init(&b, 48, 100);
	for (unsigned round = 0; round < 50; round++) {
		for (unsigned i = 0; i < 100; i++) {
			objects[i] = ix_slab_take(&a);
			assert_non_null(objects[i]);
		}
		assert_null(ix_slab_take(&a));
		for (unsigned i = 0; i < 100; i++) {
			ix_slab_trade(&b, &a, 1);
			ix_slab_give(&b, objects[i]);
		}
	}
	assert_int_equal(left_in(&a) + left_in(&b), 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_idle),       cmocka_unit_test(test_loaded),  cmocka_unit_test(test_late_calls),
		cmocka_unit_test(test_late_close), cmocka_unit_test(test_passing), cmocka_unit_test(test_trade),
		cmocka_unit_test(test_starved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
