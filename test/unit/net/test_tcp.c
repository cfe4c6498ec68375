/* SPDX-License-Identifier: MIT */
/* A connection's life as ring 3 and the peer see it: knock, echo, half close, resets, order of events. */
#include "test/unit/net/world.h"

static uint8_t text[1460];

static int begin(void **state)
{
	(void)state;
	world_begin(WORLD_OFFLOADS);
	for (unsigned i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i * 7);
	return 0;
}

static int end(void **state)
{
	(void)state;
	world_end();
	return 0;
}

static uint64_t send_bytes(ix_handle_t h, const void *data, uint32_t bytes)
{
	struct net_range r = { .data = data, .bytes = bytes };
	uint64_t taken = 0;

	assert_int_equal(net_send(h, &r, 0, &taken), IX_OK);
	return taken;
}

static void expect_reset(struct peer *p)
{
	const struct sent *s;

	while ((s = peer_take(p)) != NULL)
		if (seg_flags(s) & RST)
			return;
	fail();
}

static void test_knock_carries_both_ends(void **state)
{
	struct peer p = { .port = 4321 };
	struct ix_endpoint want;
	const struct ix_event *e;
	const struct ix_peer *ends;

	(void)state;
	world_listen(7, 77);
	peer_knock(&p, 7);
	e = world_event(IX_EV_KNOCK, 0);
	assert_int_equal(e->cookie, 77);
	assert_int_equal(world.events.count, 1);
	ends = &world.events.peers[e->addr];
	assert_int_equal(ends->remote.port, 4321);
	assert_int_equal(ends->local.port, 7);
	want = world_endpoint(PEER_ADDRESS, 4321);
	assert_memory_equal(&ends->remote, &want, sizeof(want));
	want = world_endpoint(WORLD_ADDRESS, 7);
	assert_memory_equal(&ends->local, &want, sizeof(want));
}

static void test_steady_echo_is_one_in_one_out(void **state)
{
	struct peer p = { 0 };
	const struct ix_event *e;
	const struct sent *s;
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = peer_open(&p, 7, 5);
	for (unsigned i = 0; i < 50; i++) {
		unsigned before = world.sent_count;

		peer_send(&p, ACK | PSH, text, 64);
		world_turn();
		e = world_event(IX_EV_RECV, 0);
		assert_non_null(e);
		assert_int_equal(e->cookie, 5);
		assert_int_equal(e->handle, h);
		assert_int_equal(e->len, 64);
		assert_int_equal(world.sent_count, before);
		assert_int_equal(send_bytes(h, text, 64), 64);
		assert_int_equal(net_recv_done(h, 64), IX_OK);
		world_turn();
		assert_int_equal(world.sent_count, before + 1);
		s = peer_take(&p);
		assert_int_equal(seg_bytes(s), 64);
		assert_memory_equal(seg_data(s), text, 64);
		assert_int_equal(seg_ack(s), p.seq);
		assert_int_equal(seg_flags(s), ACK | PSH);
		if (i) /* the request before this one acknowledged the previous answer */
			assert_null(world_event(IX_EV_SENT, 0));
	}
	peer_send(&p, ACK, NULL, 0);
	world_turn();
	e = world_event(IX_EV_SENT, 0);
	assert_int_equal(e->len, 64);
	assert_int_equal(e->addr, 131072);
}

static void test_data_before_accept_waits(void **state)
{
	struct peer p = { 0 };
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = peer_knock(&p, 7);
	peer_send(&p, ACK | PSH, "abc", 3);
	peer_send(&p, ACK | FIN, NULL, 0);
	world_turn();
	assert_int_equal(world.events.count, 0);
	assert_int_equal(net_accept(h, 9), IX_OK);
	assert_int_equal(net_accept(h, 9), IX_BAD_CALL);
	world_turn();
	assert_int_equal(world.events.count, 2);
	assert_int_equal(world.events.events[0].kind, IX_EV_RECV);
	assert_int_equal(world.events.events[0].len, 3);
	assert_int_equal(world.events.events[1].kind, IX_EV_EOF);
	assert_int_equal(world.events.events[1].cookie, 9);
}

static void test_half_close_then_answer_then_close(void **state)
{
	struct peer p = { 0 };
	const struct sent *s;
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = peer_open(&p, 7, 2);
	peer_send(&p, ACK | FIN, NULL, 0);
	world_turn();
	assert_non_null(world_event(IX_EV_EOF, 0));
	while (peer_take(&p))
		;
	assert_int_equal(send_bytes(h, text, 100), 100);
	assert_int_equal(net_close(h), IX_OK);
	assert_int_equal(net_close(h), IX_CLOSED);
	world_turn();
	s = peer_take(&p);
	assert_int_equal(seg_bytes(s), 100);
	if (!(seg_flags(s) & FIN))
		assert_true(seg_flags(peer_take(&p)) & FIN);
	assert_null(world_event(IX_EV_DEAD, 0));
	peer_send(&p, ACK, NULL, 0);
	world_turn();
	assert_int_equal(world_event(IX_EV_SENT, 0)->len, 100);
	assert_int_equal(world_event(IX_EV_DEAD, 0)->detail, IX_DEAD_CLOSED);
	assert_int_equal(world.events.events[world.events.count - 1].kind, IX_EV_DEAD);
	assert_int_equal(net_close(h), IX_BAD_HANDLE);
}

static void test_active_close_ends_in_time_wait(void **state)
{
	struct peer p = { 0 };
	const struct sent *s;
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = peer_open(&p, 7, 2);
	assert_int_equal(net_close(h), IX_OK);
	world_turn();
	s = peer_take(&p);
	assert_true(seg_flags(s) & FIN);
	peer_send(&p, ACK, NULL, 0);
	world_turn();
	assert_int_equal(world_event(IX_EV_DEAD, 0)->detail, IX_DEAD_CLOSED);
	peer_send(&p, ACK | FIN, NULL, 0);
	world_turn();
	s = peer_take(&p);
	assert_int_equal(seg_flags(s), ACK);
	assert_int_equal(seg_ack(s), p.seq);
	/* The peer did not get that one: its FIN comes again, and is acknowledged from the record. */
	peer_send_at(&p, p.seq - 1, ACK | FIN, NULL, 0);
	world_turn();
	s = peer_take(&p);
	assert_non_null(s);
	assert_int_equal(seg_flags(s), ACK);
	assert_int_equal(seg_ack(s), p.seq);
	/* A new connection from the same port may begin above the old sequence numbers. */
	p.seq += 100000;
	peer_open(&p, 7, 3);
}

static void test_shutdown_keeps_receiving(void **state)
{
	struct peer p = { 0 };
	uint64_t taken;
	struct net_range r = { .data = text, .bytes = 1 };
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = peer_open(&p, 7, 2);
	assert_int_equal(net_shutdown(h), IX_OK);
	assert_int_equal(net_shutdown(h), IX_CLOSED);
	assert_int_equal(net_send(h, &r, 0, &taken), IX_CLOSED);
	world_turn();
	while (peer_take(&p))
		;
	peer_send(&p, ACK | PSH, text, 500);
	peer_send(&p, ACK | FIN, NULL, 0);
	world_turn();
	assert_int_equal(world_event(IX_EV_RECV, 0)->len, 500);
	assert_non_null(world_event(IX_EV_EOF, 0));
	assert_null(world_event(IX_EV_DEAD, 0)); /* the handle is ring 3's until it closes */
	world_pass(100);
	assert_int_equal(net_recv_done(h, 500), IX_OK);
	assert_int_equal(net_close(h), IX_OK);
	world_turn();
	assert_int_equal(world_event(IX_EV_DEAD, 0)->detail, IX_DEAD_CLOSED);
}

static void test_close_with_undelivered_data_resets(void **state)
{
	struct peer p = { 0 };
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = peer_knock(&p, 7);
	peer_send(&p, ACK | PSH, text, 10);
	world_turn();
	assert_int_equal(net_accept(h, 1), IX_OK);
	assert_int_equal(net_close(h), IX_OK);
	world_turn();
	expect_reset(&p);
	assert_int_equal(world_event(IX_EV_DEAD, 0)->detail, IX_DEAD_ABORTED);
	assert_null(world_event(IX_EV_RECV, 0));
}

static void test_close_with_delivered_data_is_orderly(void **state)
{
	struct peer p = { 0 };
	const struct sent *s;
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = peer_open(&p, 7, 1);
	peer_send(&p, ACK | PSH, text, 1000);
	world_turn();
	assert_non_null(world_event(IX_EV_RECV, 0));
	assert_int_equal(net_close(h), IX_OK);
	world_turn();
	while ((s = peer_take(&p)) != NULL)
		assert_false(seg_flags(s) & RST);
	peer_send(&p, ACK | FIN, NULL, 0);
	world_turn();
	assert_int_equal(world_event(IX_EV_DEAD, 0)->detail, IX_DEAD_CLOSED);
}

static void test_abort_and_reject_reset(void **state)
{
	struct peer p = { 0 }, q = { 0 };
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = peer_open(&p, 7, 1);
	assert_int_equal(net_abort(h), IX_OK);
	world_turn();
	expect_reset(&p);
	assert_int_equal(world_event(IX_EV_DEAD, 0)->detail, IX_DEAD_ABORTED);
	h = peer_knock(&q, 7);
	assert_int_equal(net_reject(h), IX_OK);
	world_turn();
	expect_reset(&q);
	assert_int_equal(world_event(IX_EV_DEAD, 0)->detail, IX_DEAD_ABORTED);
	assert_int_equal(net_reject(h), IX_BAD_HANDLE);
}

static void test_reset_by_peer(void **state)
{
	struct peer p = { 0 };
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = peer_open(&p, 7, 6);
	assert_int_equal(send_bytes(h, text, 1460), 1460);
	world_turn();
	peer_send(&p, RST | ACK, NULL, 0);
	world_turn();
	assert_int_equal(world.events.count, 1);
	assert_int_equal(world_event(IX_EV_DEAD, 0)->detail, IX_DEAD_RESET);
	assert_int_equal(world_event(IX_EV_DEAD, 0)->cookie, 6);
	/* Nobody is there any more. */
	peer_send(&p, ACK | PSH, text, 10);
	world_turn();
	expect_reset(&p);
}

static void test_reset_outside_the_window_is_challenged(void **state)
{
	struct peer p = { 0 };

	(void)state;
	world_listen(7, 1);
	peer_open(&p, 7, 6);
	peer_send_at(&p, p.seq + 100, RST, NULL, 0); /* in the window, but not exact [RFC 5961 3.2] */
	peer_send_at(&p, p.seq - 100000, RST, NULL, 0);
	peer_send_at(&p, p.seq + 1, SYN, NULL, 0); /* [RFC 5961 4.2] */
	world_turn();
	assert_int_equal(world.events.count, 0);
	assert_int_equal(seg_flags(peer_take(&p)), ACK);
}

static void test_data_with_unacceptable_ack_is_not_taken(void **state)
{
	struct peer p = { 0 };
	const struct sent *s;
	uint32_t ack;

	(void)state;
	world_listen(7, 1);
	peer_open(&p, 7, 6);
	ack = p.ack;
	p.ack += 1000000;
	peer_send_at(&p, p.seq, ACK | PSH, text, 10);
	world_turn();
	p.ack = ack;
	assert_null(world_event(IX_EV_RECV, 0));
	s = peer_take(&p);
	assert_non_null(s); /* challenged [RFC 5961 5.2] */
	assert_int_equal(seg_ack(s), p.seq);
}

static void test_port_nobody_listens_on(void **state)
{
	struct peer p = { .address = PEER_ADDRESS, .port = 5000, .our_port = 81, .seq = 17, .window = 1000 };
	const struct sent *s;

	(void)state;
	peer_send(&p, SYN, NULL, 0);
	world_turn();
	world_turn();
	s = peer_take(&p);
	assert_int_equal(seg_flags(s), RST | ACK);
	assert_int_equal(seg_ack(s), 18);
}

static void test_unlisten_ends_half_open_connections(void **state)
{
	struct peer p = { .address = PEER_ADDRESS, .port = 5001, .our_port = 7, .seq = 17, .window = 1000 };
	ix_handle_t listener;

	(void)state;
	listener = world_listen(7, 1);
	peer_send(&p, SYN, NULL, 0);
	world_turn();
	world_turn();
	assert_int_equal(seg_flags(peer_take(&p)), SYN | ACK);
	assert_int_equal(net_unlisten(listener), IX_OK);
	assert_int_equal(net_unlisten(listener), IX_BAD_HANDLE);
	peer_send(&p, ACK, NULL, 0);
	world_turn();
	assert_int_equal(world.events.count, 0);
	expect_reset(&p);
	listener = world_listen(7, 2);
	assert_int_equal(net_listen(&(struct ix_endpoint){ .port = 7 }, 3, &listener), IX_IN_USE);
}

static void test_flood_of_requests_keeps_nobody_out(void **state)
{
	struct peer p = { .address = PEER_ADDRESS + 1, .our_port = 7, .window = 1000 }, friend = { 0 };
	struct net_stats stats;

	(void)state;
	world_listen(7, 1);
	for (unsigned i = 0; i < 5000; i++) {
		p.port = (uint16_t)(10000 + i);
		p.seq = i * 7919;
		peer_send(&p, SYN, NULL, 0);
		world_turn();
		world.sent_count = world.taken = 0;
	}
	net_stats(&stats);
	assert_in_range(stats.connections, 100, 1000);
	assert_int_not_equal(peer_open(&friend, 7, 5), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_knock_carries_both_ends),
		TEST(test_steady_echo_is_one_in_one_out),
		TEST(test_data_before_accept_waits),
		TEST(test_half_close_then_answer_then_close),
		TEST(test_active_close_ends_in_time_wait),
		TEST(test_shutdown_keeps_receiving),
		TEST(test_close_with_undelivered_data_resets),
		TEST(test_close_with_delivered_data_is_orderly),
		TEST(test_abort_and_reject_reset),
		TEST(test_reset_by_peer),
		TEST(test_reset_outside_the_window_is_challenged),
		TEST(test_data_with_unacceptable_ack_is_not_taken),
		TEST(test_port_nobody_listens_on),
		TEST(test_unlisten_ends_half_open_connections),
		TEST(test_flood_of_requests_keeps_nobody_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
