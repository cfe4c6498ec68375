/* SPDX-License-Identifier: MIT */
/*
 * What loss costs. Every byte is compared; the rest is counted: round trips, timeouts, and how it goes with
 * selective acknowledgements beside how it goes without. All chance has a seed.
 */
#include "kernel/base/assert.h"
#include "kernel/net/core.h"
#include "test/unit/net/wire.h"

#define RTT_MS 40u

static struct net_stats at_begin;

static struct wire new_wire(void)
{
	net_stats(&at_begin);
	return (struct wire){ .delay_ms = RTT_MS / 2, .seed = 88172645463325252ull };
}

static struct wire begin(void)
{
	world_begin(WORLD_OFFLOADS);
	world.is_cutting = true;
	world_listen(7, 1);
	return new_wire();
}

static struct peer new_peer(bool has_sack)
{
	return (struct peer){ .window = 400000, .has_ts = true, .ts = 5, .has_no_sack = !has_sack };
}

static unsigned timeouts(void)
{
	struct net_stats now;

	net_stats(&now);
	return (unsigned)(now.timeouts - at_begin.timeouts);
}

static bool lose_none(unsigned nth, uint32_t at)
{
	(void)nth;
	(void)at;
	return false;
}

/* Every third of eighteen. */
static bool lose_six(unsigned nth, uint32_t at)
{
	(void)at;
	return nth >= 40 && nth < 58 && nth % 3 == 0;
}

static void test_many_losses_in_a_window_cost_one_round_trip(void **state)
{
	struct wire clean, w;
	struct peer p = new_peer(true), q = new_peer(true), reno = new_peer(false);
	uint32_t ms;

	(void)state;
	clean = begin();
	clean.is_lost = lose_none;
	wire_run(&clean, &p, 200000, 10000);
	w = new_wire();
	w.is_lost = lose_six;
	wire_run(&w, &q, 200000, 10000);
	assert_int_equal(w.lost, 6);
	assert_int_equal(timeouts(), 0);
	assert_in_range(w.segments, clean.segments, clean.segments + 6); /* only what was lost */
	assert_in_range(w.ms, clean.ms, clean.ms + 3 * RTT_MS); /* the repair, and the smaller window after it */
	ms = w.ms;
	w = new_wire();
	w.is_lost = lose_six;
	wire_run(&w, &reno, 200000, 10000);
	assert_true(w.ms >= ms + 3 * RTT_MS); /* one loss a round trip */
	world_end();
}

/* The last three segments of 100,000 bytes, the first time. */
static bool lose_tail(unsigned nth, uint32_t at)
{
	return at >= 100000 - 3 * 1448 && nth <= 70;
}

static void test_a_lost_tail_is_probed_not_waited_for(void **state)
{
	struct wire w = begin();
	struct peer p = new_peer(true);

	(void)state;
	w.is_lost = lose_tail;
	wire_run(&w, &p, 100000, 10000);
	assert_in_range(w.lost, 2, 3);
	assert_int_equal(timeouts(), 0);
	world_end();
}

/* One segment, and the same again. */
static bool lose_twice(unsigned nth, uint32_t at)
{
	static unsigned count;

	(void)nth;
	return at == 10 * 1448 && ++count <= 2;
}

static void test_a_lost_retransmission_is_seen(void **state)
{
	struct wire w = begin();
	struct peer p = new_peer(true);

	(void)state;
	w.is_lost = lose_twice;
	wire_run(&w, &p, 300000, 10000);
	assert_int_equal(w.lost, 2);
	assert_int_equal(timeouts(), 0);
	world_end();
}

static uint64_t dead_from_us;

static bool lose_all_for_a_while(unsigned nth, uint32_t at)
{
	(void)at;
	if (nth == 60)
		dead_from_us = world.now_us;
	return nth >= 60 && world.now_us - dead_from_us < 700000;
}

static void test_a_dead_wire_comes_back(void **state)
{
	struct wire w = begin();
	struct peer p = new_peer(true), q = new_peer(false);

	(void)state;
	w.is_lost = lose_all_for_a_while;
	wire_run(&w, &p, 300000, 60000);
	assert_true(timeouts() > 0);
	assert_true(w.segments < 208 + w.lost + 20); /* and what had arrived is not sent again */
	w = new_wire();
	w.is_lost = lose_all_for_a_while;
	wire_run(&w, &q, 300000, 60000);
	world_end();
}

static void test_a_receiver_that_throws_away(void **state)
{
	struct wire w = begin();
	struct peer p = new_peer(true);

	(void)state;
	w.data_loss = 20;
	w.is_reneging = true;
	wire_run(&w, &p, 500000, 600000);
	world_end();
}

static void test_overtaking_is_not_loss(void **state)
{
	struct wire w = begin();
	struct peer p = new_peer(true);

	(void)state;
	w.jitter_ms = 1;
	wire_run(&w, &p, 1000000, 60000);
	assert_int_equal(timeouts(), 0);
	world_end();
}

struct outcome {
	uint32_t ms;
	unsigned timeouts, extra, lost;
};

static struct outcome average(bool has_sack, unsigned loss, bool has_ts)
{
	struct outcome sum = { 0 };

	for (unsigned seed = 1; seed <= 20; seed++) {
		struct wire w = begin();
		struct peer p = new_peer(has_sack);

		p.has_ts = has_ts;
		w.seed += seed * 7919;
		w.data_loss = loss;
		w.ack_loss = loss / 2;
		wire_run(&w, &p, 1000000, 600000);
		sum.ms += w.ms;
		sum.timeouts += timeouts();
		sum.extra += w.segments - 1000000 / (has_ts ? 1448 : 1460) - 1;
		sum.lost += w.lost;
		world_end();
	}
	return sum;
}

static void test_beside_newreno(void **state)
{
	static const unsigned losses[] = { 2, 10, 30, 80 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(losses); i++) {
		struct outcome reno = average(false, losses[i], true), sack = average(true, losses[i], true);
		struct outcome bare = average(true, losses[i], false);

		print_message("loss %2u/1000: NewReno %6u ms %3u timeouts %4u again, SACK %6u ms %3u %4u, "
			      "without timestamps %6u ms %3u %4u\n",
			      losses[i], reno.ms, reno.timeouts, reno.extra, sack.ms, sack.timeouts, sack.extra,
			      bare.ms, bare.timeouts, bare.extra);
		assert_true(sack.ms < reno.ms + reno.ms / 10 &&
			    bare.ms < reno.ms + reno.ms / 10); /* twenty runs each */
		assert_true(sack.timeouts <= reno.timeouts + 2 && bare.timeouts <= reno.timeouts + 2);
		assert_true(sack.extra <= sack.lost + sack.lost / 8 + 60); /* some probes beside what was lost */
		if (losses[i] > 20)
			assert_true(sack.timeouts < reno.timeouts / 5);
	}
}

static unsigned count_data(struct peer *p)
{
	const struct sent *s;
	unsigned count = 0;

	while ((s = peer_take(p)) != NULL)
		count += seg_bytes(s) != 0;
	return count;
}

static void test_first_flight_is_ten_segments(void **state)
{
	static uint8_t data[60000];
	struct net_range r = { .data = data, .bytes = 30000 };
	struct peer p = new_peer(true);
	uint64_t taken;
	ix_handle_t h;

	(void)state;
	begin();
	h = peer_open(&p, 7, 5);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(net_send(h, &r, 0, &taken), IX_OK);
	world_turn();
	assert_int_equal(count_data(&p), 10);
	while (pcb_of(conn_find(h))->unacked) { /* the window grows far beyond that */
		peer_send(&p, ACK, NULL, 0);
		world_turn();
		count_data(&p);
	}
	assert_true(pcb_of(conn_find(h))->cwnd > 14 * 1448);
	world_pass(1500);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(net_send(h, &r, 0, &taken), IX_OK);
	world_turn();
	assert_int_equal(count_data(&p), 10); /* after a pause nobody knows what the path takes [RFC 5681 4.1] */
	world_end();
}

/* What is sent again waits for the device, and meanwhile there is new data: that goes to its own place. */
static void test_a_full_device_while_much_is_lost(void **state)
{
	struct wire w = begin();
	struct peer p = new_peer(true), q = new_peer(false);

	(void)state;
	w.data_loss = 20;
	w.full = 300;
	wire_run(&w, &p, 1000000, 100000);
	wire_run(&w, &q, 1000000, 200000);
	world_end();
}

#define SMALL 1000u
#define SMALLS 5u

static uint8_t little[SMALLS * SMALL + 300];

/* Five segments, of which the first is lost; it waits for the device. Return: the connection; @base: where its stream begins. */
static ix_handle_t wait_to_send_again(struct peer *p, uint32_t *base)
{
	ix_handle_t h = peer_open(p, 7, 5);
	uint64_t taken;

	for (unsigned i = 0; i < sizeof(little); i++)
		little[i] = (uint8_t)(i * 7 + (i >> 8));
	*base = p->ack;
	assert_int_equal(net_set(h, IX_SET_NODELAY, 1), IX_OK);
	for (unsigned i = 0; i < SMALLS; i++) {
		struct net_range r = { .data = little + SMALL * i, .bytes = SMALL };

		assert_int_equal(net_send(h, &r, 0, &taken), IX_OK);
		world_turn();
	}
	while (peer_take(p))
		;
	world.is_full = true;
	p->ack = *base;
	p->sacks = (const uint32_t[1][2]){ { *base + SMALL, *base + SMALL * SMALLS } };
	p->sack_count = 1;
	peer_send(p, ACK, NULL, 0);
	world_turn();
	p->sack_count = 0;
	assert_non_null(pcb_of(conn_find(h))->unsent);
	return h;
}

/* Every segment that now comes lies where it belongs, the FIN at the end. */
static void take_all(struct peer *p, uint32_t base)
{
	const struct sent *s;

	world_pass(20);
	while ((s = peer_take(p)) != NULL) {
		uint32_t at = seg_seq(s) - base;

		assert_true(at + seg_bytes(s) <= sizeof(little));
		assert_memory_equal(seg_data(s), little + at, seg_bytes(s));
		if (seg_flags(s) & FIN)
			assert_int_equal(at + seg_bytes(s), SMALL * SMALLS);
	}
}

/* The device takes frames again, and what was lost arrives. Return: where the stream ends. */
static uint32_t end_of_stream(struct peer *p, uint32_t base)
{
	world.is_full = false;
	take_all(p, base);
	assert_int_equal(p->ack - base, SMALL);
	p->ack = base + SMALL * SMALLS;
	peer_send(p, ACK, NULL, 0);
	take_all(p, base);
	return p->ack - base;
}

static void test_new_data_does_not_join_what_is_sent_again(void **state)
{
	struct net_range r = { .data = little + SMALL * SMALLS, .bytes = 300 };
	struct peer p = new_peer(true);
	uint64_t taken;
	uint32_t base;
	ix_handle_t h;

	(void)state;
	begin();
	h = wait_to_send_again(&p, &base);
	assert_int_equal(net_send(h, &r, 0, &taken), IX_OK);
	assert_int_equal(taken, 300);
	assert_int_equal(end_of_stream(&p, base), sizeof(little));
	world_end();
}

/* It had said that it has all but the first, gets that one, and now asks for the others: no timeout has to tell. */
static void test_what_is_thrown_away_is_sent_again_at_once(void **state)
{
	struct peer p = new_peer(true);
	uint32_t base;

	(void)state;
	begin();
	wait_to_send_again(&p, &base);
	world.is_full = false;
	take_all(&p, base);
	assert_int_equal(p.ack - base, SMALL);
	for (unsigned rounds = 0; rounds < SMALLS && p.ack != base + SMALL * SMALLS; rounds++) {
		peer_send(&p, ACK, NULL, 0);
		take_all(&p, base); /* 20 ms; a timeout takes 200 */
	}
	assert_int_equal(p.ack - base, SMALL * SMALLS);
	assert_int_equal(timeouts(), 0);
	world_end();
}

static void test_the_end_does_not_join_what_is_sent_again(void **state)
{
	struct peer p = new_peer(true), q = new_peer(true);
	uint32_t base;

	(void)state;
	begin();
	assert_int_equal(net_close(wait_to_send_again(&p, &base)), IX_OK);
	assert_int_equal(end_of_stream(&p, base), SMALL * SMALLS + 1);
	assert_int_equal(net_shutdown(wait_to_send_again(&q, &base)), IX_OK);
	assert_int_equal(end_of_stream(&q, base), SMALL * SMALLS + 1);
	world_end();
}

/* Whatever is not acknowledged has been sent within the last 10 s, and says when. Return: how many segments that are. */
static unsigned expect_sent_times(const struct conn *c, const struct tcp_seg *seg)
{
	unsigned count = 0;
	uint32_t words[2];

	for (; seg; seg = seg->next, count++) {
		memcpy(words, seg->tcphdr + 1, sizeof(words));
		assert_in_range(net_self.now_ms + c->ts_offset - be32(words[1]), 0, 10000);
	}
	return count;
}

/* A peer that says what it lacks and takes back the window for it: what waits to be sent again is out of its order. */
static void test_a_window_that_is_taken_back(void **state)
{
	static const uint8_t data[10 * 1448];
	struct net_range r = { .data = data, .bytes = sizeof(data) };
	uint32_t blocks[1][2], first, missing = 4 * 1448;
	struct peer p = new_peer(true);
	const struct sent *s;
	struct conn *c;
	uint64_t taken;
	ix_handle_t h;

	(void)state;
	begin();
	h = peer_open(&p, 7, 5);
	while (peer_take(&p))
		;
	first = p.ack;
	assert_int_equal(net_send(h, &r, 0, &taken), IX_OK);
	world_turn();
	while (peer_take(&p))
		;
	assert_int_equal(p.ack, first + sizeof(data));
	blocks[0][0] = first + missing;
	blocks[0][1] = first + sizeof(data);
	p.sacks = blocks;
	p.sack_count = 1;
	p.ack = first + 1448;
	p.window = 1000;
	peer_send(&p, ACK, NULL, 0);
	world_pass(3000);
	c = conn_find(h); /* of what a probe has cut, too */
	assert_true(expect_sent_times(c, pcb_of(c)->unacked) + expect_sent_times(c, pcb_of(c)->unsent) >= 9);
	p.window = 400000;
	p.ack = first + 1448;
	peer_send(&p, ACK, NULL, 0);
	for (unsigned ms = 0; ms < 20000 && p.ack != first + sizeof(data); ms++) {
		uint32_t before = p.ack = p.ack;

		while ((s = peer_take(&p)) != NULL) {
			p.ack = before;
			if (seg_bytes(s) && seg_seq(s) == before)
				before += seg_bytes(s);
			if (before == first + missing)
				before = first + sizeof(data);
			p.ack = before;
			peer_send(&p, ACK, NULL, 0);
		}
		p.ack = before;
		world_pass(1);
	}
	assert_int_equal(p.ack, first + sizeof(data));
	world_pass(50);
	world_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many_losses_in_a_window_cost_one_round_trip),
		cmocka_unit_test(test_a_lost_tail_is_probed_not_waited_for),
		cmocka_unit_test(test_a_lost_retransmission_is_seen),
		cmocka_unit_test(test_a_dead_wire_comes_back),
		cmocka_unit_test(test_a_receiver_that_throws_away),
		cmocka_unit_test(test_overtaking_is_not_loss),
		cmocka_unit_test(test_beside_newreno),
		cmocka_unit_test(test_first_flight_is_ten_segments),
		cmocka_unit_test(test_a_full_device_while_much_is_lost),
		cmocka_unit_test(test_new_data_does_not_join_what_is_sent_again),
		cmocka_unit_test(test_the_end_does_not_join_what_is_sent_again),
		cmocka_unit_test(test_what_is_thrown_away_is_sent_again_at_once),
		cmocka_unit_test(test_a_window_that_is_taken_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
