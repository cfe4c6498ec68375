/* SPDX-License-Identifier: MIT */
/* Time: retransmission ladders, zero windows, delayed acknowledgements, giving up, keepalive, connecting. */
#include "kernel/net/core.h"
#include "test/unit/net/world.h"
#include "kernel/base/types.h"
#include "kernel/time/time.h"

static uint8_t data[4000];

static int begin(void **state)
{
	(void)state;
	world_begin(WORLD_OFFLOADS);
	return 0;
}

static int end(void **state)
{
	(void)state;
	world_end();
	return 0;
}

static uint64_t send_bytes(ix_handle_t h, uint32_t bytes)
{
	struct net_range r = { .data = data, .bytes = bytes };
	uint64_t taken = 0;

	assert_int_equal(net_send(h, &r, 0, &taken), IX_OK);
	return taken;
}

/* Time goes by until a segment for @p leaves, at most @max_ms. Return: how long it took, -1 if none came. */
static int wait_segment(struct peer *p, unsigned max_ms)
{
	for (unsigned ms = 0; ms <= max_ms; ms++) {
		if (peer_take(p))
			return (int)ms;
		world_pass(1);
	}
	return -1;
}

/* As above, for an event in the turn. */
static const struct ix_event *wait_event(enum ix_event_kind kind, unsigned max_ms, unsigned *ms)
{
	for (*ms = 0; *ms <= max_ms; ++*ms) {
		world_pass(1);
		if (world_event(kind, 0))
			return world_event(kind, 0);
	}
	return NULL;
}

/* Some exchanges a millisecond apart bring the round-trip estimate down to the floor. */
static void settle(struct peer *p, ix_handle_t h)
{
	for (unsigned i = 0; i < 60; i++) {
		send_bytes(h, 64);
		world_pass(1);
		while (peer_take(p))
			;
		peer_send(p, ACK, NULL, 0);
		world_pass(1);
	}
}

static void expect_ladder(struct peer *p, ix_handle_t h, unsigned floor_ms)
{
	settle(p, h);
	send_bytes(h, 64);
	world_turn();
	assert_non_null(peer_take(p));
	for (unsigned i = 0; i < 6; i++) {
		int ms = wait_segment(p, 70000);

		assert_in_range(ms, (floor_ms << i) - 1, (floor_ms << i) + 5);
	}
}

static void test_retransmission_doubles_from_the_floor(void **state)
{
	struct peer p = { 0 };
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = peer_open(&p, 7, 5);
	expect_ladder(&p, h, 200);
}

static void test_floor_of_one_connection(void **state)
{
	struct peer p = { 0 };
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = peer_open(&p, 7, 5);
	assert_int_equal(net_set(h, IX_SET_RTO_FLOOR, 20), IX_OK);
	expect_ladder(&p, h, 20);
}

static void test_floor_of_a_port(void **state)
{
	struct peer p = { 0 };
	ix_handle_t h;

	(void)state;
	world_listen(WORLD_SPECIAL_PORT, 1);
	h = peer_open(&p, WORLD_SPECIAL_PORT, 5);
	expect_ladder(&p, h, 5);
}

static void test_unacknowledged_data_gives_up_after_two_minutes(void **state)
{
	struct peer p = { 0 };
	const struct ix_event *e;
	unsigned ms;
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = peer_open(&p, 7, 5);
	send_bytes(h, 4000);
	e = wait_event(IX_EV_DEAD, 200000, &ms);
	assert_non_null(e);
	assert_int_equal(e->detail, IX_DEAD_TIMEOUT);
	assert_in_range(ms, 119000, 181000);
}

static void test_idle_connection_costs_nothing(void **state)
{
	struct peer p = { 0 };
	uint64_t next;

	(void)state;
	world_listen(7, 1);
	peer_open(&p, 7, 5);
	world_pass(70000);
	next = time_next();
	assert_true(next == UINT64_MAX || next - time_now() > 62500 / 2); /* ARP's second at most */
}

/* One message there and its acknowledgement. Return: whether the connection is on the wheel afterwards. */
static bool is_armed_after_exchange(struct peer *p, ix_handle_t h)
{
	struct conn *c = net_handle_find(h, NET_CONNECTION);

	send_bytes(h, 64);
	world_pass(1);
	assert_non_null(peer_take(p));
	assert_true(time_is_armed(&c->timer));
	peer_send(p, ACK, NULL, 0);
	world_pass(1);
	return time_is_armed(&c->timer);
}

static void test_only_a_busy_connection_stays_on_the_wheel(void **state)
{
	struct peer p = { 0 };
	struct conn *c;
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = peer_open(&p, 7, 5);
	c = net_handle_find(h, NET_CONNECTION);
	assert_false(time_is_armed(&c->timer));
	for (unsigned i = 0; i < 3; i++) {
		world_pass(300);
		assert_false(is_armed_after_exchange(&p, h));
	}
	assert_true(is_armed_after_exchange(&p, h)); /* the second in a short time */
	assert_true(is_armed_after_exchange(&p, h));
	world_pass(300); /* expired for nothing */
	assert_false(time_is_armed(&c->timer));
	assert_false(is_armed_after_exchange(&p, h));
}

static void test_zero_window_is_probed_for_ever(void **state)
{
	struct peer p = { 0 };
	unsigned probes = 0;
	uint32_t base;
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = peer_open(&p, 7, 5);
	settle(&p, h);
	p.window = 0;
	peer_send(&p, ACK, "x", 1); /* a window only shrinks with something new [RFC 9293 3.10.7.4] */
	world_pass(20);
	while (peer_take(&p))
		;
	base = p.ack;
	send_bytes(h, 500);
	for (unsigned ms = 0; ms < 300000; ms++) {
		world_pass(1);
		if (peer_take(&p)) {
			p.ack = base; /* the probe's byte does not fit */
			probes++;
			peer_send(&p, ACK, NULL, 0);
		}
		assert_null(world_event(IX_EV_DEAD, 0));
	}
	assert_in_range(probes, 20, 60);
	p.window = 10000;
	peer_send(&p, ACK, NULL, 0);
	world_turn();
	assert_non_null(peer_take(&p));
}

static void test_zero_window_without_answers_gives_up(void **state)
{
	struct peer p = { 0 };
	const struct ix_event *e;
	unsigned ms;
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = peer_open(&p, 7, 5);
	p.window = 0;
	peer_send(&p, ACK, "x", 1); /* a window only shrinks with something new [RFC 9293 3.10.7.4] */
	world_pass(20);
	while (peer_take(&p))
		;
	send_bytes(h, 500);
	e = wait_event(IX_EV_DEAD, 300000, &ms);
	assert_non_null(e);
	assert_int_equal(e->detail, IX_DEAD_TIMEOUT);
}

static void test_delayed_acknowledgement_comes_soon(void **state)
{
	struct peer p = { 0 };

	(void)state;
	world_listen(7, 1);
	peer_open(&p, 7, 5);
	while (peer_take(&p))
		;
	for (unsigned i = 0; i < 20; i++) {
		peer_send(&p, ACK | PSH, data, 64);
		world_turn();
		assert_null(peer_take(&p));
		assert_in_range(wait_segment(&p, 100), i < 15 ? 0 : 5, i < 15 ? 2 : 14); /* at once while it begins */
		assert_int_equal(wait_segment(&p, 30), -1);
	}
	for (unsigned i = 0; i < 9; i++)
		peer_send(&p, ACK | PSH, data, 64);
	world_turn();
	assert_non_null(peer_take(&p)); /* one for the batch */
	assert_null(peer_take(&p));
}

/* Answers carry the acknowledgements of a busy connection; however long that goes on, none goes alone before its time. */
static void test_delay_begins_with_each_segment(void **state)
{
	struct peer p = { 0 };
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = peer_open(&p, 7, 5);
	for (unsigned ms = 0; ms < 200; ms++) {
		while (peer_take(&p))
			;
		world.now_us += 1000;
		peer_send(&p, ACK | PSH, data, 64);
		world_turn();
		assert_null(peer_take(&p)); /* its answer will do */
		send_bytes(h, 64);
		world_turn();
		assert_non_null(peer_take(&p));
		assert_int_equal(net_recv_done(h, 64), IX_OK);
	}
	while (peer_take(&p))
		;
	peer_send(&p, ACK | PSH, data, 64);
	world_turn();
	assert_in_range(wait_segment(&p, 100), 5, 24); /* and not much later */
}

static void test_half_open_connection_expires(void **state)
{
	struct peer p = { .address = PEER_ADDRESS, .port = 5100, .our_port = 7, .seq = 17, .window = 1000 };
	unsigned count = 0;

	(void)state;
	world_listen(7, 1);
	peer_send(&p, SYN, NULL, 0);
	for (unsigned ms = 0; ms < 100000; ms++) {
		world_pass(1);
		while (peer_take(&p))
			count++;
	}
	assert_in_range(count, 5, 9); /* 1 s, 2 s, 4 s ... */
	peer_send(&p, ACK, NULL, 0);
	world_turn();
	assert_int_equal(world.events.count, 0);
}

static void test_fin_wait_expires(void **state)
{
	struct peer p = { 0 };
	struct net_stats stats;
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = peer_open(&p, 7, 5);
	assert_int_equal(net_close(h), IX_OK);
	world_turn();
	while (peer_take(&p))
		;
	peer_send(&p, ACK, NULL, 0); /* of our FIN; its own never comes */
	world_turn();
	assert_non_null(world_event(IX_EV_DEAD, 0));
	net_stats(&stats);
	assert_int_equal(stats.connections, 1);
	world_pass(19000);
	net_stats(&stats);
	assert_int_equal(stats.connections, 1);
	world_pass(2000);
	net_stats(&stats);
	assert_int_equal(stats.connections, 0);
}

static void test_keepalive_finds_a_dead_peer(void **state)
{
	struct peer p = { 0 };
	const struct ix_event *e;
	unsigned ms;
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = peer_open(&p, 7, 5);
	assert_int_equal(net_set(h, IX_SET_KEEPALIVE, 5000), IX_OK);
	while (peer_take(&p))
		;
	assert_in_range(wait_segment(&p, 10000), 4900, 5300);
	peer_send(&p, ACK, NULL, 0); /* it lives */
	world_turn();
	assert_in_range(wait_segment(&p, 10000), 4900, 5300);
	e = wait_event(IX_EV_DEAD, 200000, &ms);
	assert_non_null(e);
	assert_int_equal(e->detail, IX_DEAD_TIMEOUT);
}

/* ---- outgoing ---- */
static struct ix_connect wish_of(uint32_t address, uint16_t port)
{
	struct ix_connect wish = { .remote = world_endpoint(address, port), .cookie = 11 };

	return wish;
}

static uint16_t port_of(const struct sent *s)
{
	const uint8_t *tcp = s->data + world_l4_at(s->data);

	return (uint16_t)(tcp[0] << 8 | tcp[1]);
}

static void test_connect_and_refused(void **state)
{
	struct ix_connect wish = wish_of(PEER_ADDRESS, 80);
	struct peer p = { .address = PEER_ADDRESS, .port = 80, .seq = 5000, .window = 60000 };
	ix_handle_t h = 0, h2 = 0;

	(void)state;
	assert_int_equal(net_connect(&wish, 0, &h), IX_OK);
	world_turn();
	world_turn();
	assert_int_equal(seg_flags(peer_take(&p)), SYN);
	p.our_port = port_of(&world.sent[world.taken - 1]);
	peer_send(&p, SYN | ACK, NULL, 0);
	world_turn();
	assert_int_equal(world_event(IX_EV_CONNECTED, 0)->cookie, 11);
	assert_int_equal(world_event(IX_EV_CONNECTED, 0)->handle, h);
	assert_int_equal(send_bytes(h, 100), 100);
	/* The same four numbers again are in use; another port of ours is not. */
	wish.local.port = p.our_port;
	assert_int_equal(net_connect(&wish, 0, &h2), IX_IN_USE);
	wish.local.port = 0;
	assert_int_equal(net_connect(&wish, 0, &h2), IX_OK);
	world_turn();
	for (const struct sent *s = peer_take(&p); s; s = peer_take(&p)) {
		if (!(seg_flags(s) & SYN))
			continue; /* the other one's data */
		p.our_port = port_of(s);
		p.ack = seg_seq(s) + 1;
		break;
	}
	peer_send(&p, RST | ACK, NULL, 0);
	world_turn();
	assert_int_equal(world_event(IX_EV_DEAD, 0)->handle, h2);
	assert_int_equal(world_event(IX_EV_DEAD, 0)->detail, IX_DEAD_REFUSED);
}

/* Nobody can tell the next port from the last ones [RFC 6056]. */
static void test_ports_are_random(void **state)
{
	struct ix_connect wish = wish_of(PEER_ADDRESS, 80);
	unsigned last = 0, steps = 0, high = 0;
	ix_handle_t h = 0;

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		unsigned port;

		assert_int_equal(net_connect(&wish, 0, &h), IX_OK);
		port = pcb_of(conn_find(h))->local_port;
		assert_in_range(port, 32768, 60999);
		steps += port == last + 1 || port + 1 == last;
		high += port >= 46884;
		last = port;
	}
	assert_true(steps <= 1);
	assert_in_range(high, 12, 52);
}

static void test_connect_without_answer(void **state)
{
	struct ix_connect wish = wish_of(PEER_ADDRESS, 81);
	const struct ix_event *e;
	ix_handle_t h = 0;
	unsigned ms;

	(void)state;
	assert_int_equal(net_connect(&wish, 0, &h), IX_OK);
	e = wait_event(IX_EV_DEAD, 200000, &ms);
	assert_non_null(e);
	assert_int_equal(e->detail, IX_DEAD_TIMEOUT);
	assert_in_range(ms, 75000, 130000);
}

static void test_connect_to_nobody(void **state)
{
	struct ix_connect wish = wish_of(0x0a00ffffu, 81), far = wish_of(0x08080808, 53);
	const struct ix_event *e;
	ix_handle_t h = 0;
	unsigned ms;

	(void)state;
	world.is_arp_silent = true;
	if (world.is_ip6)
		far.remote.addr[1] = 1;                             /* another network */
	assert_int_equal(net_connect(&far, 0, &h), IX_UNREACHABLE); /* there is no gateway */
	assert_int_equal(net_connect(&wish, 0, &h), IX_OK);
	e = wait_event(IX_EV_DEAD, 200000, &ms);
	assert_non_null(e);
	assert_int_equal(e->detail, IX_DEAD_UNREACHABLE);
	assert_in_range(ms, 2000, 10000);
	assert_in_range(world.arp_requests, 3, 6);
}

static void test_close_while_connecting(void **state)
{
	struct ix_connect wish = wish_of(PEER_ADDRESS, 82);
	ix_handle_t h = 0;

	(void)state;
	assert_int_equal(net_connect(&wish, 0, &h), IX_OK);
	assert_int_equal(net_shutdown(h), IX_BAD_CALL);
	assert_int_equal(net_close(h), IX_OK);
	world_turn();
	assert_int_equal(world_event(IX_EV_DEAD, 0)->handle, h);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_retransmission_doubles_from_the_floor),
		TEST(test_floor_of_one_connection),
		TEST(test_floor_of_a_port),
		TEST(test_unacknowledged_data_gives_up_after_two_minutes),
		TEST(test_idle_connection_costs_nothing),
		TEST(test_only_a_busy_connection_stays_on_the_wheel),
		TEST(test_zero_window_is_probed_for_ever),
		TEST(test_zero_window_without_answers_gives_up),
		TEST(test_delayed_acknowledgement_comes_soon),
		TEST(test_delay_begins_with_each_segment),
		TEST(test_half_open_connection_expires),
		TEST(test_fin_wait_expires),
		TEST(test_keepalive_finds_a_dead_peer),
		TEST(test_connect_and_refused),
		TEST(test_ports_are_random),
		TEST(test_connect_without_answer),
		TEST(test_connect_to_nobody),
		TEST(test_close_while_connecting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
