/* SPDX-License-Identifier: MIT */
/*
 * Output of libix: copies, the application's own memory, partial sends, marks, shortage of memory, and
 * batches larger than the call array.
 */
#include "test/unit/ix/begin.h"
#include <stdlib.h>

static void more_write(struct ix_conn *c)
{
	(void)c;
	seen.writes++;
}

static const struct ix_handlers quiet = { .on_open = count_open, .on_write = more_write, .on_close = count_close };

static uint8_t pattern[200000];

static void fill(void)
{
	for (unsigned i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i ^ (i >> 8));
}

static void small_writes_become_one_range(void **state)
{
	struct ix_core *core = begin(&no_service);
	struct fake_conn *peer = accepted(core, &quiet);

	(void)state;
	fill();
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(ix_write(seen.conn, pattern + 10 * i, 10), 10);
	ix_round(core);
	ix_round(core);
	assert_int_equal(fake.ops[IX_OP_SENDV], 1);
	assert_int_equal(peer->out_bytes, 1000);
	assert_memory_equal(peer->out, pattern, 1000);
	assert_non_null(seen.conn->chunk);
	fake_ack(peer, 1000);
	ix_round(core);
	assert_null(seen.conn->chunk); /* idle: no memory is held */
	assert_int_equal(ix_queued(seen.conn), 0);
}

static void the_high_mark_refuses_and_the_low_mark_calls(void **state)
{
	struct ix_core *core = begin(&no_service);
	struct fake_conn *peer = accepted(core, &quiet);

	(void)state;
	ix_set_marks(seen.conn, 100, 1000);
	assert_int_equal(ix_write(seen.conn, pattern, 5000), 1000);
	assert_int_equal(ix_write(seen.conn, pattern, 1), 0);
	assert_int_equal(ix_send(seen.conn, pattern, 1, NULL, NULL), 1);
	ix_round(core);
	ix_round(core);
	fake_ack(peer, 800);
	ix_round(core);
	assert_int_equal(seen.writes, 0);
	fake_ack(peer, 100);
	ix_round(core);
	assert_int_equal(seen.writes, 1);
	fake_ack(peer, 100);
	ix_round(core);
	assert_int_equal(seen.writes, 1);
}

static void memory_is_the_programs_again_when_acknowledged(void **state)
{
	struct ix_core *core = begin(&no_service);
	struct fake_conn *peer = accepted(core, &quiet);

	(void)state;
	assert_int_equal(ix_send(seen.conn, pattern, 100, count_done, NULL), 0);
	assert_int_equal(ix_send(seen.conn, pattern + 100, 100, count_done, NULL), 0);
	ix_round(core);
	ix_round(core);
	fake_ack(peer, 150);
	ix_round(core);
	assert_int_equal(seen.dones, 1);
	fake_dead(peer, IX_DEAD_RESET);
	ix_round(core);
	assert_int_equal(seen.dones, 2);
	assert_int_equal(seen.closes, 1);
	assert_memory_equal(peer->out, pattern, 200);
}

static void hundred_ranges_go_out_in_one_round(void **state)
{
	struct ix_core *core = begin(&no_service);
	struct fake_conn *peer = accepted(core, &quiet);
	unsigned crossings = fake.calls;

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(ix_send(seen.conn, pattern + 100 * i, 100, NULL, NULL), 0);
	ix_round(core); /* offers 64, 36: the first by IX_CALL */
	assert_int_equal(fake.calls - crossings, 1);
	ix_round(core);
	assert_int_equal(fake.ops[IX_OP_SENDV], 2);
	assert_int_equal(peer->out_bytes, 10000);
	assert_memory_equal(peer->out, pattern, 10000);
}

static void a_stream_has_no_hole_whatever_is_taken(void **state)
{
	struct ix_core *core = begin(&no_service);
	struct fake_conn *peer = accepted(core, &quiet);
	size_t queued = 0;

	(void)state;
	ix_set_marks(seen.conn, 10000, 50000);
	srandom(1);
	peer->room = 777;
	while (peer->acked < sizeof(pattern)) {
		size_t n = (size_t)random() % 3000 + 1;

		if (n > sizeof(pattern) - queued)
			n = sizeof(pattern) - queued;
		if (random() % 2)
			queued += ix_write(seen.conn, pattern + queued, n);
		else if (n && !ix_send(seen.conn, pattern + queued, n, NULL, NULL))
			queued += n;
		if (random() % 2 && peer->out_bytes > peer->acked)
			fake_ack(peer, 1 + (size_t)random() % (peer->out_bytes - peer->acked));
		ix_round(core);
	}
	assert_int_equal(peer->out_bytes, sizeof(pattern));
	assert_memory_equal(peer->out, pattern, sizeof(pattern));
	assert_int_equal(fake.bad, 0);
}

static void close_waits_for_the_last_byte(void **state)
{
	struct ix_core *core = begin(&no_service);
	struct fake_conn *peer = accepted(core, &quiet);

	(void)state;
	peer->room = 100;
	ix_write(seen.conn, pattern, 300);
	ix_close(seen.conn);
	ix_round(core);
	ix_round(core);
	assert_false(peer->is_closed);
	fake_data(peer, "thrown away", 11, 11);
	ix_round(core);
	ix_round(core);
	assert_int_equal(peer->done_bytes, 11);
	for (unsigned i = 0; i < 2; i++) {
		fake_ack(peer, 100);
		ix_round(core);
		ix_round(core);
	}
	assert_true(peer->is_closed);
	assert_memory_equal(peer->out, pattern, 300);
	assert_int_equal(fake.bad, 0);
}

static void shortage_in_ring_0_is_tried_again(void **state)
{
	struct ix_core *core = begin(&no_service);
	struct fake_conn *peer = accepted(core, &quiet);

	(void)state;
	ix_write(seen.conn, pattern, 10);
	fake.fail_op = IX_OP_SENDV;
	fake.fail_status = IX_NO_MEMORY;
	ix_round(core);
	ix_round(core);
	assert_int_equal(peer->out_bytes, 0);
	ix_round(core);
	assert_true(fake.is_timer_armed); /* no event would come */
	fake_timer();
	ix_round(core);
	ix_round(core);
	assert_int_equal(peer->out_bytes, 10);
}

static void copies_are_bounded(void **state)
{
	static const struct ix_service small = { .conns_max = 4, .copies_max = 8 };
	struct ix_core *core = begin(&small);
	struct fake_conn *peer = accepted(core, &quiet);
	size_t n = ix_write(seen.conn, pattern, 60000);

	(void)state;
	assert_int_equal(n, 2 * IX_CHUNK_BYTES); /* 8 KiB are two chunks */
	assert_int_equal(ix_write(seen.conn, pattern, 1), 0);
	ix_round(core);
	ix_round(core);
	assert_int_equal(peer->out_bytes, n);
	fake_ack(peer, n);
	ix_round(core);
	assert_int_equal(seen.writes, 1);
	assert_int_equal(ix_write(seen.conn, pattern, 100), 100);
}

static void a_stack_is_not_sent(void **state)
{
	struct ix_core *core = begin(&no_service);

	(void)state;
	accepted(core, &quiet);
	assert_int_equal(ix_send(seen.conn, (const void *)8, 100, NULL, NULL), IX_BAD_ADDRESS);
	assert_int_equal(ix_send(seen.conn, (const void *)(IX_STACK_VA * 2), 100, NULL, NULL), IX_BAD_ADDRESS);
	assert_int_equal(ix_send(seen.conn, pattern, 0, NULL, NULL), IX_BAD_ADDRESS);
}

static void a_full_array_is_flushed(void **state)
{
	struct ix_core *core = begin(&no_service);
	unsigned crossings;

	(void)state;
	accepted(core, &quiet);
	crossings = fake.calls;
	memset(fake.ops, 0, sizeof(fake.ops));
	for (unsigned i = 0; i < 2500; i++)
		ix_set_option(seen.conn, IX_SET_NODELAY, 1);
	assert_int_equal(fake.calls - crossings, 2);
	ix_round(core);
	assert_int_equal(fake.ops[IX_OP_SET], 2500);
	assert_int_equal(fake.bad, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_writes_become_one_range),
		cmocka_unit_test(the_high_mark_refuses_and_the_low_mark_calls),
		cmocka_unit_test(memory_is_the_programs_again_when_acknowledged),
		cmocka_unit_test(hundred_ranges_go_out_in_one_round),
		cmocka_unit_test(a_stream_has_no_hole_whatever_is_taken),
		cmocka_unit_test(close_waits_for_the_last_byte),
		cmocka_unit_test(shortage_in_ring_0_is_tried_again),
		cmocka_unit_test(copies_are_bounded),
		cmocka_unit_test(a_stack_is_not_sent),
		cmocka_unit_test(a_full_array_is_flushed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
