/* SPDX-License-Identifier: MIT */
/*
 * A connection of libix from knock to death: which calls it costs, what its handlers see, in which order.
 */
#include "test/unit/ix/begin.h"

static void echo_read(struct ix_conn *c)
{
	seen.reads++;
	ix_forward(c, ix_unread(c));
}

static void echo_eof(struct ix_conn *c)
{
	seen.eofs++;
	ix_close(c);
}

static const struct ix_handlers echo = {
	.on_open = count_open, .on_read = echo_read, .on_eof = echo_eof, .on_close = count_close
};

static void echo_costs_one_call_a_message(void **state)
{
	struct ix_core *core = begin(&no_service);
	struct fake_conn *peer = accepted(core, &echo);
	unsigned run_ios, crossings;

	(void)state;
	fake_data(peer, "first", 5, 5);
	ix_round(core);
	run_ios = fake.run_ios;
	crossings = fake.calls;
	memset(fake.ops, 0, sizeof(fake.ops));
	for (unsigned i = 0; i < 100; i++) {
		fake_data(peer, "again", 5, 5);
		ix_round(core);
		fake_ack(peer, 5);
	}
	assert_int_equal(fake.run_ios - run_ios, 100);
	assert_int_equal(fake.calls, crossings);
	assert_int_equal(fake.ops[IX_OP_SENDV], 100);
	assert_int_equal(fake.ops[IX_OP_RECV_DONE], 0); /* given back with what was sent */
	ix_round(core);                                 /* the last message is sent */
	assert_int_equal(peer->out_bytes, 505);
	assert_int_equal(peer->done_bytes, 505);
	assert_memory_equal(peer->out, "firstagain", 10);
	assert_int_equal(fake.bad, 0);
}

static void many_buffers_are_one_call(void **state)
{
	struct ix_core *core = begin(&no_service);
	struct fake_conn *peer = accepted(core, &echo);
	static uint8_t data[1000];

	(void)state;
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	fake_data(peer, data, sizeof(data), 100);
	ix_round(core);
	ix_round(core);
	assert_int_equal(seen.reads, 1);
	assert_int_equal(fake.ops[IX_OP_SEND_BACK], 1);
	assert_int_equal(fake.ops[IX_OP_SENDV], 0);
	assert_int_equal(peer->out_bytes, sizeof(data));
	assert_int_equal(fake.ops[IX_OP_RECV_DONE], 0);
	assert_int_equal(peer->done_bytes, sizeof(data));
	assert_memory_equal(peer->out, data, sizeof(data));
	assert_int_equal(fake.bad, 0);
}

static void more_buffers_than_one_list_holds(void **state)
{
	struct ix_core *core = begin(&no_service);
	struct fake_conn *peer = accepted(core, &echo);
	static uint8_t data[4000];

	(void)state;
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 11);
	fake_data(peer, data, sizeof(data), 100);
	ix_round(core);
	ix_round(core);
	assert_int_equal(peer->out_bytes, sizeof(data));
	assert_int_equal(peer->done_bytes, sizeof(data));
	assert_memory_equal(peer->out, data, sizeof(data));
	fake_ack(peer, sizeof(data));
	ix_round(core);
	assert_int_equal(ix_queued(seen.conn), 0);
	assert_int_equal(fake.bad, 0);
}

static struct ix_conn *other;

static void forward_other(struct ix_conn *c)
{
	ix_consume(c, ix_unread(c));
	if (other && other != c)
		ix_forward(other, SIZE_MAX);
}

static void half_read(struct ix_conn *c)
{
	ix_forward(c, 3); /* the rest when another connection says so */
}

static const struct ix_handlers halving = { .on_open = count_open, .on_read = half_read };
static const struct ix_handlers helping = { .on_read = forward_other };

static void output_queued_behind_an_offer_is_not_lost(void **state)
{
	struct ix_core *core = begin(&no_service);
	struct fake_conn *peer = accepted(core, &halving), *helper;

	(void)state;
	other = seen.conn;
	helper = accepted(core, &helping);
	fake_data(peer, "abcdefgh", 8, 8);
	fake_data(helper, "go", 2, 2);
	ix_round(core); /* "abc" is offered, then "defgh" is queued */
	ix_round(core);
	assert_int_equal(peer->out_bytes, 8);
	assert_memory_equal(peer->out, "abcdefgh", 8);
	ix_round(core);
	assert_int_equal(peer->done_bytes, 8);
	assert_int_equal(helper->done_bytes, 2);
	assert_int_equal(fake.bad, 0);
	other = NULL;
}

static void a_slow_peer_keeps_its_buffers(void **state)
{
	struct ix_core *core = begin(&no_service);
	struct fake_conn *peer = accepted(core, &echo);
	static uint8_t data[4000];

	(void)state;
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 13);
	peer->room = 1234;
	fake_data(peer, data, sizeof(data), 500);
	for (unsigned i = 0; i < 5; i++)
		ix_round(core);
	assert_int_equal(peer->out_bytes, 1234);
	assert_int_equal(peer->done_bytes, 1234); /* the rest stays lent: the window closes */
	assert_int_equal(ix_queued(seen.conn), 4000);
	while (peer->out_bytes < sizeof(data)) {
		fake_ack(peer, peer->out_bytes - peer->acked);
		ix_round(core);
		ix_round(core);
		ix_round(core);
	}
	assert_int_equal(peer->done_bytes, sizeof(data));
	assert_memory_equal(peer->out, data, sizeof(data));
	assert_int_equal(fake.bad, 0);
}

static void eof_drains_then_closes(void **state)
{
	struct ix_core *core = begin(&no_service);
	struct fake_conn *peer = accepted(core, &echo);

	(void)state;
	peer->room = 3;
	fake_data(peer, "abcdef", 6, 2);
	fake_eof(peer);
	ix_round(core);
	ix_round(core);
	assert_int_equal(seen.eofs, 1);
	assert_false(peer->is_closed); /* half of it is not taken yet */
	fake_ack(peer, 3);
	ix_round(core);
	assert_memory_equal(peer->out, "abcdef", 6);
	fake_ack(peer, 3);
	ix_round(core);
	assert_true(peer->is_closed); /* known to be taken, it did not wait for this acknowledgement */
	fake_dead(peer, IX_DEAD_CLOSED);
	ix_round(core);
	assert_int_equal(seen.closes, 1);
	assert_int_equal(seen.why, IX_DEAD_CLOSED);
	assert_int_equal(fake.bad, 0);
}

static void a_reset_is_the_last_call(void **state)
{
	struct ix_core *core = begin(&no_service);
	struct fake_conn *peer = accepted(core, &echo);

	(void)state;
	fake_data(peer, "lost", 4, 4);
	fake_dead(peer, IX_DEAD_RESET);
	ix_round(core);
	assert_int_equal(seen.reads, 0);
	assert_int_equal(seen.closes, 1);
	assert_int_equal(seen.why, IX_DEAD_RESET);
	ix_round(core);
	assert_int_equal(fake.ops[IX_OP_SENDV] + fake.ops[IX_OP_RECV_DONE] + fake.ops[IX_OP_CLOSE], 0);
}

static void a_knock_that_dies_is_never_seen(void **state)
{
	struct ix_core *core = begin(&no_service);
	struct fake_conn *peer;

	(void)state;
	accepted(core, &echo);
	seen = (struct seen){ 0 };
	peer = fake_knock();
	fake_dead(peer, IX_DEAD_RESET);
	ix_round(core);
	ix_round(core);
	assert_int_equal(seen.opens, 0);
	assert_int_equal(seen.closes, 0);
	assert_int_equal(fake.ops[IX_OP_ACCEPT], 1);
}

static void an_accept_that_fails_is_a_death(void **state)
{
	struct ix_core *core = begin(&no_service);

	(void)state;
	accepted(core, &echo);
	seen = (struct seen){ 0 };
	fake_knock();
	fake.fail_op = IX_OP_ACCEPT;
	fake.fail_status = IX_BAD_HANDLE;
	ix_round(core);
	ix_round(core);
	assert_int_equal(seen.opens, 1);
	assert_int_equal(seen.closes, 1);
}

static void beyond_the_limit_knocks_are_rejected(void **state)
{
	static const struct ix_service small = { .conns_max = 1 };
	struct ix_core *core = begin(&small);
	struct fake_conn *peer;

	(void)state;
	accepted(core, &echo);
	peer = fake_knock();
	ix_round(core);
	ix_round(core);
	assert_true(peer->is_rejected);
	assert_int_equal(seen.opens, 1);
}

static void paused_read(struct ix_conn *c)
{
	seen.reads++;
	if (seen.reads == 1)
		ix_pause(c);
	else
		ix_consume(c, ix_unread(c));
}

static const struct ix_handlers pausing = { .on_open = count_open, .on_read = paused_read, .on_close = count_close };

static void a_paused_reader_gives_nothing_back(void **state)
{
	struct ix_core *core = begin(&no_service);
	struct fake_conn *peer = accepted(core, &pausing);

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		fake_data(peer, "0123456789", 10, 10);
		ix_round(core);
	}
	fake_eof(peer);
	ix_round(core);
	assert_int_equal(seen.reads, 1);
	assert_int_equal(peer->done_bytes, 0);
	assert_int_equal(ix_unread(seen.conn), 100);
	ix_resume(seen.conn);
	ix_round(core); /* visited */
	ix_round(core);
	ix_round(core);
	assert_int_equal(seen.reads, 2);
	assert_int_equal(peer->done_bytes, 100);
	assert_true(peer->is_closed); /* no on_eof: closed once all was read */
}

static void forward_read(struct ix_conn *c)
{
	char head[2];

	assert_int_equal(ix_read(c, head, 2), 2); /* dropped */
	assert_int_equal(ix_forward(c, 3), 3);    /* part of one buffer */
	ix_consume(c, 1);                         /* dropped behind a forwarded part */
	ix_forward(c, ix_unread(c));
}

static const struct ix_handlers forwarding = { .on_open = count_open,
					       .on_read = forward_read,
					       .on_close = count_close };

static void what_is_given_back_never_overtakes_what_is_forwarded(void **state)
{
	struct ix_core *core = begin(&no_service);
	struct fake_conn *peer = accepted(core, &forwarding);

	(void)state;
	peer->room = 2;
	fake_data(peer, "..abc.defg", 10, 10);
	ix_round(core);
	ix_round(core);
	ix_round(core);
	assert_int_equal(peer->done_bytes, 4); /* "..ab" */
	for (unsigned i = 0; i < 3; i++) {
		fake_ack(peer, peer->out_bytes - peer->acked);
		ix_round(core);
		ix_round(core);
	}
	ix_round(core);
	assert_int_equal(peer->out_bytes, 7);
	assert_memory_equal(peer->out, "abcdefg", 7);
	assert_int_equal(peer->done_bytes, 10);
	assert_int_equal(fake.bad, 0);
}

static void connect_reports_success_and_failure(void **state)
{
	struct ix_core *core = begin(&no_service);
	struct ix_endpoint remote = { .port = 80 };
	struct ix_conn *c = ix_connect(&remote, &echo, &remote);

	(void)state;
	assert_non_null(c);
	assert_ptr_equal(ix_user(c), &remote);
	assert_int_equal(ix_write(c, "early", 5), 5);
	ix_round(core);
	assert_int_equal(fake_last()->out_bytes, 0); /* not before it is established */
	fake_connected(fake_last());
	ix_round(core);
	ix_round(core);
	assert_int_equal(seen.opens, 1);
	assert_memory_equal(fake_last()->out, "early", 5);

	remote.port = 0; /* the fake refuses it */
	seen.conn = ix_connect(&remote, &echo, NULL);
	ix_round(core);
	assert_int_equal(seen.closes, 1);
	assert_int_equal(seen.why, IX_DEAD_NO_MEMORY);
}

static void a_connection_given_up_early_is_aborted(void **state)
{
	struct ix_core *core = begin(&no_service);
	struct ix_endpoint remote = { .port = 80 };

	(void)state;
	seen.conn = ix_connect(&remote, &echo, NULL);
	ix_close(seen.conn);
	ix_round(core);
	ix_round(core);
	assert_true(fake_last()->is_aborted);
	fake_dead(fake_last(), IX_DEAD_ABORTED);
	fake_last()->is_accepted = true;
	ix_round(core);
}

static void shutdown_keeps_reading(void **state)
{
	struct ix_core *core = begin(&no_service);
	struct fake_conn *peer = accepted(core, &echo);

	(void)state;
	ix_write(seen.conn, "bye", 3);
	ix_shutdown(seen.conn);
	ix_round(core);
	ix_round(core);
	assert_true(peer->is_fin);
	assert_memory_equal(peer->out, "bye", 3);
	assert_int_equal(ix_write(seen.conn, "more", 4), 0);
	fake_data(peer, "late", 4, 4);
	ix_round(core);
	assert_int_equal(seen.reads, 1);
	ix_abort(seen.conn);
	ix_round(core);
	ix_round(core);
	assert_true(peer->is_aborted);
	assert_false(peer->is_closed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(echo_costs_one_call_a_message),
		cmocka_unit_test(many_buffers_are_one_call),
		cmocka_unit_test(more_buffers_than_one_list_holds),
		cmocka_unit_test(output_queued_behind_an_offer_is_not_lost),
		cmocka_unit_test(a_slow_peer_keeps_its_buffers),
		cmocka_unit_test(eof_drains_then_closes),
		cmocka_unit_test(a_reset_is_the_last_call),
		cmocka_unit_test(a_knock_that_dies_is_never_seen),
		cmocka_unit_test(an_accept_that_fails_is_a_death),
		cmocka_unit_test(beyond_the_limit_knocks_are_rejected),
		cmocka_unit_test(a_paused_reader_gives_nothing_back),
		cmocka_unit_test(what_is_given_back_never_overtakes_what_is_forwarded),
		cmocka_unit_test(connect_reports_success_and_failure),
		cmocka_unit_test(a_connection_given_up_early_is_aborted),
		cmocka_unit_test(shutdown_keeps_reading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
