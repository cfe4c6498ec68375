/* SPDX-License-Identifier: MIT */
/* Sending: what is copied and what is referenced, when memory counts as sent, partial sends, merged segments. */
#include "test/unit/net/world.h"
#include "test/fake/slab.h"

#define BIG 200000u
#define IS_IP6 (WORLD_OFFLOADS & WORLD_IP6)

static uint8_t big[BIG];

static int begin(void **state)
{
	world_begin((*state ? *(uint32_t *)*state : 0) | IS_IP6);
	for (unsigned i = 0; i < BIG; i++)
		big[i] = (uint8_t)(i * 31 + (i >> 8));
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

static uint32_t sent_total; /* of IX_EV_SENT */

static void turn(void)
{
	world_turn();
	for (unsigned i = 0; world_event(IX_EV_SENT, i); i++)
		sent_total += world_event(IX_EV_SENT, i)->len;
}

/* Follows the stream, checks it against big[], and acknowledges all of it. Return: bytes seen so far. */
static uint32_t receive_all(struct peer *p, uint32_t seen)
{
	uint32_t expected = p->ack;
	const struct sent *s;

	for (; (s = peer_take(p)) != NULL; expected = p->ack) {
		if (seg_seq(s) != expected)
			continue; /* again, or too early */
		if (!seg_bytes(s) || s->full_bytes > sizeof(s->data)) {
			seen += seg_bytes(s);
			continue;
		}
		assert_memory_equal(seg_data(s), big + seen, seg_bytes(s));
		seen += seg_bytes(s);
	}
	peer_send(p, ACK, NULL, 0);
	turn();
	return seen;
}

static void test_partial_send_and_sent_counts(void **state)
{
	struct peer p = { .window = 500000 };
	uint32_t queued = 0, seen = 0;
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = peer_open(&p, 7, 5);
	sent_total = 0;
	queued = (uint32_t)send_bytes(h, big, BIG);
	assert_in_range(queued, 60000, 131072);
	assert_int_equal(send_bytes(h, big + queued, BIG - queued), 0);
	for (unsigned i = 0; i < 200 && seen < BIG; i++) {
		world_turn();
		seen = receive_all(&p, seen);
		if (queued < BIG)
			queued += (uint32_t)send_bytes(h, big + queued, BIG - queued);
	}
	assert_int_equal(seen, BIG);
	receive_all(&p, seen);
	assert_int_equal(sent_total, BIG);
}

static void test_sent_waits_for_the_device(void **state)
{
	struct peer p = { 0 };
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = peer_open(&p, 7, 5);
	world.is_holding = true;
	sent_total = 0;
	assert_int_equal(send_bytes(h, big, 1000), 1000); /* referenced */
	turn();
	receive_all(&p, 0);
	assert_int_equal(sent_total, 0); /* acknowledged, but the device still has the frame */
	assert_int_equal(net_partition_pending_tx(), 1);
	/* More frames go out meanwhile; the first one alone decides about the first bytes. */
	assert_int_equal(send_bytes(h, big + 1000, 1000), 1000);
	turn();
	assert_int_equal(net_partition_pending_tx(), 2);
	world_give_back(world_held() - 1);
	turn();
	assert_int_equal(sent_total, 1000);
	world_give_back(world_held());
	turn();
	receive_all(&p, 1000);
	assert_int_equal(sent_total, 2000);
}

static void test_copied_bytes_do_not_wait(void **state)
{
	struct peer p = { 0 };
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = peer_open(&p, 7, 5);
	world.is_holding = true;
	sent_total = 0;
	assert_int_equal(send_bytes(h, big, 256), 256);
	turn();
	assert_int_equal(net_partition_pending_tx(), 0);
	receive_all(&p, 0);
	assert_int_equal(sent_total, 256);
}

static void test_echo_without_copying(void **state)
{
	struct peer p = { 0 };
	const struct ix_event *e;
	struct net_range r;
	uint64_t taken;
	uint32_t off, before;
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = peer_open(&p, 7, 5);
	before = buf_available();
	peer_send(&p, ACK | PSH, big, 1400);
	world_turn();
	e = world_event(IX_EV_RECV, 0);
	r.lent = buf_of_user(e->addr, e->len, &off);
	assert_non_null(r.lent);
	r.data = r.lent->data + off;
	r.bytes = e->len;
	assert_int_equal(net_send(h, &r, 0, &taken), IX_OK);
	assert_int_equal(taken, 1400);
	assert_int_equal(net_recv_done(h, 1400), IX_OK); /* at once: the kernel holds it for the device */
	assert_int_equal(buf_available(), before - 1);
	assert_int_equal(net_send(h, &r, 0, &taken), IX_BAD_ADDRESS); /* no longer lent */
	world_turn();
	receive_all(&p, 0);
	assert_int_equal(buf_available(), before);
}

static void test_echo_gives_back_in_the_same_call(void **state)
{
	struct peer p = { 0 };
	const struct ix_event *e;
	struct net_range r;
	uint64_t taken;
	uint32_t off, before;
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = peer_open(&p, 7, 5);
	before = buf_available();
	peer_send(&p, ACK | PSH, big, 64);
	world_turn();
	e = world_event(IX_EV_RECV, 0);
	r.lent = buf_of_user(e->addr, e->len, &off);
	r.data = r.lent->data + off;
	r.bytes = e->len;
	assert_int_equal(net_send(h, &r, IX_SENDV_DONE, &taken), IX_OK);
	assert_int_equal(buf_available(), before);
	r.lent = NULL;
	r.data = big;
	assert_int_equal(net_send(h, &r, IX_SENDV_DONE, &taken), IX_BAD_LENGTH); /* more than was lent */
	assert_int_equal(taken, 64);
}

static void test_lent_ranges_are_checked(void **state)
{
	struct peer p = { 0 }, q = { 0 };
	const struct ix_event *e;
	struct net_range r = { 0 };
	uint64_t taken;
	uint32_t off;
	ix_handle_t h, other;

	(void)state;
	world_listen(7, 1);
	h = peer_open(&p, 7, 5);
	other = peer_open(&q, 7, 6);
	peer_send(&p, ACK | PSH, big, 700);
	world_turn();
	e = world_event(IX_EV_RECV, 0);
	r.lent = buf_of_user(e->addr, e->len, &off);
	r.data = r.lent->data + off;
	r.bytes = 700;
	assert_int_equal(net_send(other, &r, 0, &taken), IX_BAD_ADDRESS); /* of another connection */
	r.bytes = 701;
	assert_int_equal(net_send(h, &r, 0, &taken), IX_BAD_ADDRESS); /* beyond the data */
	r.data--;
	r.bytes = 300;
	assert_int_equal(net_send(h, &r, 0, &taken), IX_BAD_ADDRESS); /* its headers */
	r.lent = buf_of_user(e->addr ^ BUF_BYTES, 1, &off);
	r.data = r.lent->data;
	assert_int_equal(net_send(h, &r, 0, &taken), IX_BAD_ADDRESS); /* a buffer that nobody was lent */
}

static void test_wrong_states_and_handles(void **state)
{
	struct net_range r = { .data = big, .bytes = 1 };
	struct peer p = { 0 };
	uint64_t taken;
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = peer_knock(&p, 7);
	assert_int_equal(net_send(h, &r, 0, &taken), IX_BAD_CALL);
	assert_int_equal(net_shutdown(h), IX_BAD_CALL);
	assert_int_equal(net_close(h), IX_BAD_CALL);
	assert_int_equal(net_accept(h, 1), IX_OK);
	assert_int_equal(net_reject(h), IX_BAD_CALL);
	assert_int_equal(net_send(h + 1, &r, 0, &taken), IX_BAD_HANDLE);
	assert_int_equal(net_send(h + (1ull << 32), &r, 0, &taken), IX_BAD_HANDLE);
	assert_int_equal(net_send(h | 0x80000000, &r, 0, &taken), IX_BAD_HANDLE);
	assert_int_equal(net_send(0, &r, 0, &taken), IX_BAD_HANDLE);
	assert_int_equal(net_udp_recv_done(h, 1), IX_BAD_HANDLE);
	assert_int_equal(net_unlisten(h), IX_BAD_HANDLE);
	assert_int_equal(net_set(h, IX_SET_NODELAY, 2), IX_BAD_CALL);
	assert_int_equal(net_set(h, IX_SET_RTO_FLOOR, 4), IX_BAD_CALL);
	assert_int_equal(net_set(h, 99, 1), IX_BAD_CALL);
	assert_int_equal(net_set(h, IX_SET_RTO_FLOOR, 5), IX_OK);
}

static void test_many_pieces_become_one_frame(void **state)
{
	struct peer p = { 0 };
	uint32_t seen;
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = peer_open(&p, 7, 5);
	for (unsigned i = 0; i < 1000; i += 10)
		assert_int_equal(send_bytes(h, big + i, 10), 10);
	world_turn();
	seen = receive_all(&p, 0);
	assert_int_equal(seen, 1000);
}

static void test_no_memory_is_said_and_passes(void **state)
{
	struct net_range r = { .data = big, .bytes = 5000 };
	struct peer p = { 0 };
	uint64_t taken;
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = peer_open(&p, 7, 5);
	fake_slab_fail_from = 1;
	assert_int_equal(net_send(h, &r, 0, &taken), IX_NO_MEMORY);
	assert_int_equal(taken, 0);
	fake_slab_fail_from = SIZE_MAX;
	assert_int_equal(send_bytes(h, big, 5000), 5000);
	for (uint32_t seen = 0; seen < 5000;) {
		world_turn();
		seen = receive_all(&p, seen);
	}
}

static void test_full_transmit_queue_delays_only(void **state)
{
	struct peer p = { 0 };
	uint32_t seen = 0;
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = peer_open(&p, 7, 5);
	world.is_full = true;
	assert_int_equal(send_bytes(h, big, 4000), 4000);
	world_turn();
	world_turn();
	world.is_full = false;
	for (unsigned i = 0; i < 4 && seen < 4000; i++) {
		world_pass(1);
		seen = receive_all(&p, seen);
	}
	assert_int_equal(seen, 4000);
}

/* One frame in twenty is lost, acknowledgements too; the receiver keeps nothing that comes too early. */
static void test_transfer_over_a_lossy_wire(void **state)
{
	struct peer p = { .window = 500000 };
	uint32_t queued = 0, seen = 0, rng = 12345;
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = peer_open(&p, 7, 5);
	for (unsigned ms = 0; ms < 120000 && seen < BIG; ms++) {
		const struct sent *s;

		if (queued < BIG)
			queued += (uint32_t)send_bytes(h, big + queued, BIG - queued);
		world_pass(1);
		for (uint32_t expected = p.ack; (s = peer_take(&p)) != NULL; expected = p.ack) {
			rng = rng * 1664525 + 1013904223;
			if (rng >> 24 < 13) {
				p.ack = expected; /* it never came */
			} else if (seg_seq(s) == expected && seg_bytes(s) && s->full_bytes <= sizeof(s->data)) {
				assert_memory_equal(seg_data(s), big + seen, seg_bytes(s));
				seen += seg_bytes(s);
			}
			rng = rng * 1664525 + 1013904223;
			if (rng >> 24 >= 13)
				peer_send(&p, ACK, NULL, 0);
		}
		world.sent_count = world.taken = 0;
	}
	assert_int_equal(seen, BIG);
}

static uint32_t tso = NIC_TX_CSUM | (IS_IP6 ? NIC_TX_TSO6 : NIC_TX_TSO4);

static void test_consecutive_segments_are_merged(void **state)
{
	struct peer p = { .window = 500000 };
	uint32_t seen = 0, merged = 0;
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = peer_open(&p, 7, 5);
	sent_total = 0;
	for (uint32_t queued = 0; seen < BIG;) {
		queued += (uint32_t)send_bytes(h, big + queued, BIG - queued);
		turn();
		for (unsigned i = world.taken; i < world.sent_count; i++)
			merged += (world.sent[i].flags & (IS_IP6 ? NIC_TX_IS_TSO6 : NIC_TX_IS_TSO4)) != 0;
		seen = receive_all(&p, seen);
	}
	assert_int_equal(seen, BIG);
	receive_all(&p, seen);
	assert_int_equal(sent_total, BIG);
	assert_in_range(merged, 3, 60);
}

static void test_merged_segments_survive_loss(void **state)
{
	struct peer p = { .window = 500000 };
	uint32_t seen = 0;
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = peer_open(&p, 7, 5);
	world.is_losing = true;
	assert_int_equal(send_bytes(h, big, 12000), 12000);
	world_turn();
	world.is_losing = false;
	for (unsigned i = 0; i < 3000 && seen < 12000; i++) {
		world_pass(1);
		seen = receive_all(&p, seen);
	}
	assert_int_equal(seen, 12000);
}

/* What is copied is no longer than one of the peer's segments, or the device would have to be told. */
static void test_short_writes_to_a_peer_with_short_segments(void **state)
{
	struct peer p = { 0 };
	ix_handle_t h;
	unsigned i;

	(void)state;
	world.mss = 100;
	world_listen(7, 1);
	h = peer_open(&p, 7, 5);
	i = world.sent_count;
	assert_int_equal(send_bytes(h, big, 200), 200);
	turn();
	assert_true(world.sent_count > i);
	for (; i < world.sent_count; i++)
		assert_true(world.sent[i].mss == 100 || seg_bytes(&world.sent[i]) <= 100);
	assert_int_equal(receive_all(&p, 0), 200);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
#define TEST_TSO(name) cmocka_unit_test_prestate_setup_teardown(name, begin, end, &tso)
	/* What the device can do is asked once, so the merging tests are a run of their own. */
	const struct CMUnitTest plain[] = {
		TEST(test_partial_send_and_sent_counts),     TEST(test_sent_waits_for_the_device),
		TEST(test_copied_bytes_do_not_wait),         TEST(test_echo_without_copying),
		TEST(test_echo_gives_back_in_the_same_call), TEST(test_lent_ranges_are_checked),
		TEST(test_wrong_states_and_handles),         TEST(test_many_pieces_become_one_frame),
		TEST(test_no_memory_is_said_and_passes),     TEST(test_full_transmit_queue_delays_only),
		TEST(test_transfer_over_a_lossy_wire),
	};
	const struct CMUnitTest merging[] = {
		TEST_TSO(test_consecutive_segments_are_merged),
		TEST_TSO(test_merged_segments_survive_loss),
		TEST_TSO(test_sent_waits_for_the_device),
		TEST_TSO(test_echo_without_copying),
		TEST_TSO(test_full_transmit_queue_delays_only),
		TEST_TSO(test_short_writes_to_a_peer_with_short_segments),
	};

	return MERGING ? cmocka_run_group_tests(merging, NULL, NULL) : cmocka_run_group_tests(plain, NULL, NULL);
}
