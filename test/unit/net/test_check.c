/* SPDX-License-Identifier: MIT */
/* Blind guesses at a connection [RFC 5961], how often they are answered, and what TIME_WAIT leaves behind. */
#include "kernel/base/types.h"
#include "kernel/net/core.h"
#include "test/unit/net/world.h"

static uint8_t data[3000];
static struct peer p;
static ix_handle_t h;

static void drain(void)
{
	while (peer_take(&p))
		;
}

static int begin(void **state)
{
	(void)state;
	world_begin(WORLD_OFFLOADS);
	world_listen(7, 1);
	memset(&p, 0, sizeof(p));
	h = peer_open(&p, 7, 5);
	drain();
	world_pass(1000);
	return 0;
}

static int end(void **state)
{
	(void)state;
	world_end();
	return 0;
}

static unsigned answers(void)
{
	unsigned count = 0;

	while (peer_take(&p))
		count++;
	return count;
}

/* One segment that is not believed. Return: how many segments answer it; the connection must live. */
static unsigned guess(uint32_t seq, uint32_t ack, unsigned flags, unsigned bytes)
{
	struct peer other = p;

	other.ack = ack;
	peer_send_at(&other, seq, flags, data, bytes);
	world_turn();
	assert_null(world_event(IX_EV_DEAD, 0));
	assert_null(world_event(IX_EV_RECV, 0));
	assert_null(world_event(IX_EV_EOF, 0));
	return answers();
}

static void expect_served(void)
{
	peer_send(&p, ACK | PSH, "x", 1);
	world_turn();
	assert_int_equal(world_event(IX_EV_RECV, 0)->len, 1);
	assert_int_equal(net_recv_done(h, 1), IX_OK);
	world_pass(20);
	drain();
}

static void test_only_the_exact_reset_counts(void **state)
{
	const struct ix_event *e;

	(void)state;
	assert_int_equal(guess(p.seq + 1, p.ack, RST, 0), 1);
	assert_int_equal(guess(p.seq + 100000, p.ack, RST | ACK, 0), 0); /* it has just been answered */
	world_pass(600);
	assert_int_equal(guess(p.seq + 100000, p.ack, RST | ACK, 0), 1);
	world_pass(600);
	assert_int_equal(guess(p.seq - 1, p.ack, RST, 0), 0);
	assert_int_equal(guess(p.seq + 131073, p.ack, RST, 0), 0);
	assert_int_equal(guess(p.seq - 1, p.ack, ACK, 0), 1);      /* a keepalive, just before ... */
	assert_int_equal(guess(p.seq + 131072, p.ack, RST, 0), 1); /* ... a reset behind a window full of lost data */
	expect_served();
	peer_send(&p, RST, NULL, 0);
	world_turn();
	e = world_event(IX_EV_DEAD, 0);
	assert_non_null(e);
	assert_int_equal(e->detail, IX_DEAD_RESET);
}

static void test_a_syn_is_asked_about(void **state)
{
	(void)state;
	assert_int_equal(guess(p.seq, 0, SYN, 0), 1);
	assert_int_equal(guess(p.seq + 7, 0, SYN, 0), 0);
	world_pass(600);
	assert_int_equal(guess(p.seq + (1u << 31), 0, SYN, 0), 1);
	world_pass(600);
	assert_int_equal(guess(p.seq, p.ack, SYN | ACK, 0), 1);
	expect_served();
}

static void test_acknowledgements_from_elsewhere(void **state)
{
	(void)state;
	assert_int_equal(guess(p.seq, p.ack + 1, ACK, 100), 1);
	world_pass(600);
	assert_int_equal(guess(p.seq, p.ack - 70000, ACK | PSH, 100), 1);
	assert_int_equal(guess(p.seq, 0, 0, 100), 0); /* none at all */
	assert_int_equal(guess(p.seq, 0, FIN, 0), 0);
	assert_int_equal(guess(p.seq, 0, PSH, 10), 0);
	expect_served();
}

/* The answer to a guess must not say that our window is closed. */
static void test_a_challenge_has_our_window(void **state)
{
	struct peer other = p;

	(void)state;
	peer_send_at(&other, p.seq + 1, RST, NULL, 0);
	world_turn();
	assert_in_range(seg_window(peer_take(&p)) << 3, 131000, 131072);
}

/* A limit that connections share would tell one of them what happens to another. */
static void test_connections_do_not_share_the_limit(void **state)
{
	struct peer other = { 0 };

	(void)state;
	peer_open(&other, 7, 6);
	world_pass(1000);
	for (unsigned i = 0; i < 2000; i++) {
		peer_send_at(&other, other.seq + 1, RST, NULL, 0);
		if (i % 100 == 99)
			world_turn();
	}
	drain();
	assert_int_equal(guess(p.seq + 1, p.ack, RST, 0), 1);
}

static void test_keepalives_are_answered(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(guess(p.seq - 1, p.ack, ACK, 0), 1);
		world_pass(600);
	}
	assert_int_equal(guess(p.seq - 1, p.ack, ACK, 0), 1);
	assert_int_equal(guess(p.seq - 1, p.ack, ACK, 0), 0); /* two of us would not stop answering each other */
}

/* With both windows closed, an acknowledgement for an acknowledgement would have no end. */
static void test_a_closed_window_does_not_answer_acknowledgements(void **state)
{
	unsigned sent = 0;

	(void)state;
	while (sent < 131072) {
		peer_send(&p, ACK, data, MIN(1408u, 131072 - sent));
		sent += MIN(1408u, 131072 - sent);
		if (sent % 14080 == 0)
			world_turn();
	}
	world_pass(30);
	drain();
	assert_int_equal(pcb_of(conn_find(h))->rcv_wnd, 0);
	p.window = 0;
	for (unsigned i = 0; i < 3; i++) {
		peer_send(&p, ACK, NULL, 0);
		world_turn();
		assert_int_equal(answers(), 0);
	}
	assert_int_equal(pcb_of(conn_find(h))->rcv_wnd, 0);
	peer_send_at(&p, p.seq, ACK, data, 1); /* a probe is */
	world_turn();
	assert_int_equal(answers(), 1);
}

/* Who has filled our window, of which we lost the beginning, still says what has arrived of ours. */
static void test_an_acknowledgement_from_the_end_of_a_full_window(void **state)
{
	struct net_range r = { .data = data, .bytes = 1000 };
	struct peer behind = p;
	uint64_t taken;

	(void)state;
	assert_int_equal(net_send(h, &r, 0, &taken), IX_OK);
	world_turn();
	assert_int_equal(answers(), 1);
	behind.ack += 1000;
	peer_send_at(&behind, p.seq + 131072, ACK, NULL, 0);
	world_turn();
	assert_int_equal(world_event(IX_EV_SENT, 0)->len, 1000);
	drain();
	p.ack = behind.ack;
	assert_int_equal(guess(p.seq + 131072, p.ack, ACK, 0), 1); /* it says nothing new */
	assert_int_equal(guess(p.seq + 131072, p.ack, ACK, 0), 0); /* two who are there do not stop answering */
	expect_served();
}

/* ---- TIME_WAIT ---- */
/* We close first, the peer follows. */
static void into_time_wait(void)
{
	assert_int_equal(net_close(h), IX_OK);
	world_turn();
	assert_non_null(peer_take(&p));
	peer_send(&p, ACK | FIN, NULL, 0);
	world_turn();
	assert_non_null(world_event(IX_EV_DEAD, 0));
	drain();
}

static void test_time_wait(void **state)
{
	(void)state;
	into_time_wait();
	peer_send_at(&p, p.seq, RST, NULL, 0); /* [RFC 1337] */
	peer_send_at(&p, p.seq - 1, ACK | FIN, NULL, 0);
	world_turn();
	assert_int_equal(answers(), 1); /* its FIN again: our acknowledgement was lost */
	peer_send_at(&p, p.seq - 100, SYN, NULL, 0);
	world_turn();
	assert_int_equal(seg_flags(peer_take(&p)), ACK); /* an old SYN */
	p.seq += 1000;
	peer_send(&p, SYN, NULL, 0);
	world_turn();
	assert_int_equal(seg_flags(peer_take(&p)), SYN | ACK);
	peer_send(&p, ACK, NULL, 0);
	world_turn();
	assert_int_equal(world_event_count(IX_EV_KNOCK), 1);
}

/* [RFC 6191]: by the timestamp, where there is one; the number may be anything then. */
static void test_time_wait_with_timestamps(void **state)
{
	const struct sent *s;

	(void)state;
	memset(&p, 0, sizeof(p));
	p.has_ts = true;
	p.ts = 5000;
	h = peer_open(&p, 7, 5);
	into_time_wait();
	world_pass(1000);
	peer_send_at(&p, p.seq - 1, ACK | FIN, NULL, 0);
	world_turn();
	s = peer_take(&p);
	assert_int_equal(seg_ts_echo(s), 5000);
	assert_true(seg_ts(s) != 0);
	p.ts = 4999; /* an old one, however new its number looks */
	peer_send_at(&p, p.seq + 5000, SYN, NULL, 0);
	p.ts = 5000;
	peer_send_at(&p, p.seq - 5000, SYN, NULL, 0);
	world_turn();
	assert_int_equal(seg_flags(peer_take(&p)), ACK);
	assert_int_equal(seg_flags(peer_take(&p)), ACK);
	p.ts = 5001;
	p.seq -= 5000;
	peer_send(&p, SYN, NULL, 0);
	world_turn();
	assert_int_equal(seg_flags(peer_take(&p)), SYN | ACK);
	peer_send(&p, ACK, NULL, 0);
	world_turn();
	assert_int_equal(world_event_count(IX_EV_KNOCK), 1);
}

static void test_time_wait_before_timestamps(void **state)
{
	(void)state;
	into_time_wait();
	p.has_ts = true;
	p.ts = 1;
	p.seq -= 5000;
	peer_send(&p, SYN, NULL, 0);
	world_turn();
	assert_int_equal(seg_flags(peer_take(&p)), SYN | ACK);
}

/* After a minute, and still after 25 days, when a difference of 31 bits of milliseconds has changed its sign. */
static void test_time_wait_ends(void **state)
{
	static const uint64_t after_s[] = { 62, 25ull * 24 * 3600, 40ull * 24 * 3600 };

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		memset(&p, 0, sizeof(p));
		h = peer_open(&p, 7, 5);
		into_time_wait();
		world.now_us += after_s[i] * 1000000;
		world_turn();
		while (peer_take(&p))
			;
		p.seq -= 5000;
		peer_send(&p, SYN, NULL, 0);
		world_turn();
		world_turn(); /* ARP may have come first */
		assert_int_equal(seg_flags(peer_take(&p)), SYN | ACK);
		peer_send(&p, RST | ACK, NULL, 0);
		world_turn();
	}
}

/* More than there are records for: the oldest are forgotten, the newest are kept. */
static void test_time_wait_is_bounded(void **state)
{
	struct peer first = { 0 };

	(void)state;
	for (unsigned i = 0; i < 1200; i++) { /* 1,024 records */
		memset(&p, 0, sizeof(p));
		h = peer_open(&p, 7, 5);
		into_time_wait();
		if (i == 0)
			first = p;
		world.sent_count = world.taken = 0;
	}
	peer_send_at(&p, p.seq - 1, ACK | FIN, NULL, 0);
	peer_send_at(&first, first.seq - 1, ACK | FIN, NULL, 0);
	world_turn();
	assert_int_equal(seg_flags(peer_take(&p)), ACK);
	world.taken = 0;
	assert_int_equal(seg_flags(peer_take(&first)) & RST, RST);
}

/* ---- sequence numbers ---- */
/* Of one tuple they grow with time, of two they have nothing in common [RFC 6528]. */
static void test_sequence_numbers(void **state)
{
	uint32_t isn[8];

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		struct peer q = { .address = PEER_ADDRESS, .port = (uint16_t)(3000 + i / 2), .our_port = 7, .seq = 1 };

		peer_send(&q, SYN, NULL, 0);
		world_turn();
		isn[i] = seg_seq(peer_take(&q));
		peer_send(&q, RST | ACK, NULL, 0);
		world_pass(10);
		while (peer_take(&q))
			;
	}
	for (unsigned i = 0; i < 8; i += 2) {
		assert_in_range(isn[i + 1] - isn[i], 10000 / 4 - 300, 10000 / 4 + 300); /* a step in 4 us */
		if (i)
			assert_true(isn[i] - isn[i - 2] > 100000 && isn[i - 2] - isn[i] > 100000);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_only_the_exact_reset_counts),
		TEST(test_a_syn_is_asked_about),
		TEST(test_acknowledgements_from_elsewhere),
		TEST(test_a_challenge_has_our_window),
		TEST(test_connections_do_not_share_the_limit),
		TEST(test_keepalives_are_answered),
		TEST(test_a_closed_window_does_not_answer_acknowledgements),
		TEST(test_an_acknowledgement_from_the_end_of_a_full_window),
		TEST(test_time_wait),
		TEST(test_time_wait_with_timestamps),
		TEST(test_time_wait_before_timestamps),
		TEST(test_time_wait_ends),
		TEST(test_time_wait_is_bounded),
		TEST(test_sequence_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
