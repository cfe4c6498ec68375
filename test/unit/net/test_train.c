/* SPDX-License-Identifier: MIT */
/*
 * Segments as long as an IP packet: how much of them the windows let go, what a device makes of them, what becomes of
 * them when frames are lost, acknowledged in part or held back, and that each byte arrives and all memory comes back.
 */
#include "kernel/net/core.h"
#include "test/fake/slab.h"
#include "test/unit/net/world.h"

#define BYTES 600000u
#define MSS 1460u

static uint8_t stream[BYTES];
static uint64_t rng;

static uint32_t rnd(uint32_t below)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)(rng >> 20) % below;
}

static int begin(void **state)
{
	(void)state;
	world_begin(TRAIN_OFFLOADS);
	rng = 88172645463325252ull;
	for (unsigned i = 0; i < BYTES; i++)
		stream[i] = (uint8_t)(i * 31 + (i >> 8));
	world_listen(7, 1);
	return 0;
}

static int end(void **state)
{
	(void)state;
	world_end();
	return 0;
}

/* ---- a receiver that keeps what comes too early ---- */
static struct {
	struct peer p;
	ix_handle_t h;
	uint32_t first;   /* sequence number of stream[0] */
	uint32_t next;    /* bytes that are there without a gap */
	uint32_t highest; /* end of what was ever sent */
	uint32_t longest; /* payload of a segment on the wire */
	bool has[BYTES];
} to;

static void open_receiver(uint32_t window)
{
	memset(&to, 0, sizeof(to));
	to.p.window = window;
	to.p.has_no_sack = true; /* with it: test_loss.c */
	to.h = peer_open(&to.p, 7, 5);
	to.first = to.p.ack;
}

static void take_segment(const struct sent *s)
{
	uint32_t at = seg_seq(s) - to.first, bytes = seg_bytes(s);

	assert_true(s->full_bytes <= sizeof(s->data) && at + bytes <= BYTES);
	assert_memory_equal(seg_data(s), stream + at, bytes);
	memset(to.has + at, 1, bytes);
	to.highest = MAX(to.highest, at + bytes);
	to.longest = MAX(to.longest, bytes);
	while (to.next < BYTES && to.has[to.next])
		to.next++;
}

/* What came since the last time, each segment acknowledged, @lost_per_256 of each kind lost. */
static void receive(unsigned lost_per_256)
{
	const struct sent *s;

	for (; (s = peer_take(&to.p)) != NULL;) {
		if (seg_bytes(s) && rnd(256) >= lost_per_256) {
			take_segment(s);
			to.p.ack = to.first + to.next;
			if (rnd(256) >= lost_per_256)
				peer_send(&to.p, ACK, NULL, 0);
		}
		to.p.ack = to.first + to.next;
	}
	world.sent_count = world.taken = 0;
}

/* As much of @bytes, up to @end of the stream, as is taken. */
static uint32_t send_some(uint32_t at, uint32_t bytes, uint32_t end)
{
	struct net_range r = { .data = stream + at, .bytes = MIN(bytes, end - at) };
	uint64_t taken = 0;
	int status;

	if (at == end)
		return 0;
	status = net_send(to.h, &r, 0, &taken);

	assert_true(status == IX_OK || (status == IX_NO_MEMORY && !taken));
	return (uint32_t)taken;
}

static unsigned segments_queued(void)
{
	const struct tcp_pcb *pcb = pcb_of(conn_find(to.h));
	unsigned n = 0;

	for (const struct tcp_seg *s = pcb->unsent; s; s = s->next)
		n++;
	for (const struct tcp_seg *s = pcb->unacked; s; s = s->next)
		n++;
	return n;
}

static void check_content(const struct tcp_seg *s)
{
	static uint8_t data[66000];
	uint32_t at = be32(s->tcphdr->seqno) - to.first;

	assert_int_equal(pbuf_copy_partial(s->p, data, s->len, (u16_t)(s->p->tot_len - s->len)), s->len);
	assert_true(at + s->len <= BYTES);
	assert_memory_equal(data, stream + at, s->len);
}

/* The queues hold the stream; pcb->snd_queuelen and every tot_len are what lwIP would have made them. */
static void check_queues(void)
{
	const struct tcp_pcb *pcb = pcb_of(conn_find(to.h));
	const struct tcp_seg *lists[2] = { pcb->unacked, pcb->unsent };
	unsigned pbufs = 0;

	for (unsigned i = 0; i < 2; i++) {
		for (const struct tcp_seg *s = lists[i]; s; s = s->next) {
			uint32_t left = s->p->tot_len;

			for (const struct pbuf *p = s->p; p; left -= p->len, p = p->next, pbufs++)
				assert_int_equal(p->tot_len, left);
			assert_int_equal(left, 0);
			assert_true(s->len > 0);
			check_content(s);
		}
	}
	assert_int_equal(pcb->snd_queuelen, pbufs);
}

/* ---- tests ---- */
static void test_one_long_segment_is_one_frame(void **state)
{
	struct net_range r[3] = { { .data = stream, .bytes = 30000 },
				  { .data = stream + 30000, .bytes = 100 },
				  { .data = stream + 30100, .bytes = 20000 } };
	unsigned before;
	uint64_t taken;

	(void)state;
	open_receiver(500000);
	pcb_of(conn_find(to.h))->cwnd = 500000;
	before = world.sent_count;
	assert_int_equal(net_sendv(to.h, r, 3, 0, &taken), IX_OK);
	assert_int_equal(taken, 50100);
	if (!TRAIN_OFFLOADS)
		return; /* test_cut.c */
	assert_int_equal(segments_queued(), 1);
	world_turn();
	assert_int_equal(world.sent_count, before + 1);
	assert_int_equal(world.sent[before].full_bytes, 54 + 50100);
	assert_int_equal(world.sent[before].mss, MSS);
	assert_int_equal(seg_flags(&world.sent[before]), ACK | PSH);
	check_queues();
}

static void test_no_more_than_the_window_allows(void **state)
{
	uint32_t windows[] = { 5000, 1500, 1459, 64240, 70000 }, at = 0;

	(void)state;
	world.is_cutting = true;
	open_receiver(65535);
	for (unsigned i = 0; i < ARRAY_COUNT(windows); i++) {
		uint32_t done = to.next;

		pcb_of(conn_find(to.h))->cwnd = 500000;
		to.p.window = windows[i] & ~7u; /* the scale is 3 */
		for (unsigned n = 0; n < 2; n++)
			peer_send(&to.p, ACK, stream, 1); /* a smaller window is believed from newer data only */
		world_turn();
		at += send_some(at, 100000, BYTES);
		world_turn();
		check_queues();
		for (unsigned ms = 0; ms < 2000 && to.next == done; ms++) {
			world_pass(1);
			receive(0);
		}
		assert_in_range(to.highest - done, 1, windows[i]);
		to.p.window = 500000 & ~7u;
		for (unsigned n = 0; n < 2000 && to.next < at; n++) {
			peer_send(&to.p, ACK, NULL, 0);
			world_pass(1);
			receive(0);
		}
		assert_int_equal(to.next, at);
	}
	assert_int_equal(to.longest, MSS);
}

static void test_slow_start_is_obeyed(void **state)
{
	(void)state;
	world.is_cutting = true;
	open_receiver(500000);
	pcb_of(conn_find(to.h))->cwnd = 4 * MSS;
	assert_int_equal(send_some(0, 60000, BYTES), 60000);
	world_turn();
	receive(0);
	assert_int_equal(to.highest, 4 * MSS);
	world_turn(); /* four acknowledgements */
	receive(0);
	assert_in_range(to.highest, 8 * MSS, 12 * MSS);
	for (unsigned n = 0; n < 50; n++) {
		world_pass(1);
		receive(0);
	}
	assert_int_equal(to.next, 60000);
}

/* Ranges of all kinds, one wire segment or acknowledgement in twenty lost. */
static void test_each_byte_arrives_over_a_lossy_wire(void **state)
{
	uint32_t at = 0, ms = 0;

	(void)state;
	world.is_cutting = true;
	open_receiver(300000);
	for (; ms < 300000 && to.next < BYTES; ms++) {
		at += send_some(at, 1 + (rnd(3) ? rnd(300) : rnd(90000)), BYTES);
		if (rnd(50) == 0)
			world.is_holding = !world.is_holding;
		world_give_back(rnd(3));
		world_pass(1);
		check_queues();
		receive(13);
	}
	world.is_holding = false;
	assert_int_equal(to.next, BYTES);
}

static void test_shortage_of_memory_costs_time_only(void **state)
{
	uint32_t at = 0, ms = 0;

	(void)state;
	world.is_cutting = true;
	open_receiver(300000);
	for (; ms < 300000 && to.next < BYTES / 4; ms++) {
		if (rnd(4) == 0)
			fake_slab_fail_from = rnd(6);
		at += send_some(at, 1 + (rnd(2) ? rnd(300) : rnd(40000)), BYTES / 4);
		if (rnd(2))
			fake_slab_fail_from = SIZE_MAX;
		world_pass(1);
		fake_slab_fail_from = SIZE_MAX;
		check_queues();
		receive(5);
	}
	assert_int_equal(to.next, BYTES / 4);
}

/* All but the first segments of a train are lost, and nothing comes any more. */
static void test_timeout_sends_again_what_is_missing(void **state)
{
	const struct tcp_pcb *pcb;
	unsigned count = 0;

	(void)state;
	world.is_cutting = true;
	open_receiver(500000);
	pcb = pcb_of(conn_find(to.h));
	pcb_of(conn_find(to.h))->cwnd = 500000;
	assert_int_equal(send_some(0, 16 * MSS, BYTES), 16 * MSS);
	world_turn();
	for (const struct sent *s; (s = peer_take(&to.p)) != NULL;)
		if (count++ < 3)
			take_segment(s);
	to.p.ack = to.first + to.next;
	peer_send(&to.p, ACK, NULL, 0);
	world_turn();
	assert_int_equal(pcb->unacked->len, 16 * MSS); /* lwIP keeps it whole */
	world.sent_count = world.taken = 0;
	for (unsigned ms = 0; ms < 3000 && !world.sent_count; ms++)
		world_pass(1);
	assert_int_equal(world.sent_count, 1);
	assert_int_equal(seg_seq(&world.sent[0]), to.first + 3 * MSS);
	assert_int_equal(seg_bytes(&world.sent[0]), MSS);
	assert_int_equal(pcb->snd_buf, TCP_SND_BUF - 13 * MSS);
	for (unsigned n = 0; n < 100 && to.next < 16 * MSS; n++) {
		receive(0);
		world_pass(1);
	}
	assert_int_equal(to.next, 16 * MSS);
}

/* One in the middle of a train is lost: three duplicates bring back that one and nothing else. */
static void test_duplicates_send_one_segment_again(void **state)
{
	unsigned count = 0;

	(void)state;
	world.is_cutting = true;
	open_receiver(500000);
	pcb_of(conn_find(to.h))->cwnd = 500000;
	assert_int_equal(send_some(0, 20 * MSS, BYTES), 20 * MSS);
	world_turn();
	for (const struct sent *s; (s = peer_take(&to.p)) != NULL;)
		if (count++ != 7)
			take_segment(s);
	assert_int_equal(count, 20);
	to.p.ack = to.first + to.next;
	world.sent_count = world.taken = 0;
	for (unsigned i = 0; i < 4; i++)
		peer_send(&to.p, ACK, NULL, 0);
	world_turn();
	assert_int_equal(world.sent_count, 1);
	assert_int_equal(seg_seq(&world.sent[0]), to.first + 7 * MSS);
	assert_int_equal(seg_bytes(&world.sent[0]), MSS);
	check_queues();
	receive(0);
	assert_int_equal(to.next, 20 * MSS);
}

static void test_the_device_keeps_what_it_holds(void **state)
{
	(void)state;
	open_receiver(500000);
	pcb_of(conn_find(to.h))->cwnd = 500000;
	world.is_holding = true;
	assert_int_equal(send_some(0, 20000, BYTES), 20000);
	world_turn();
	to.p.ack = to.first + 5000;
	for (unsigned i = 0; i < 5; i++)
		peer_send(&to.p, ACK, NULL, 0);
	world_pass(300);
	assert_int_equal(pcb_of(conn_find(to.h))->unacked->len, 20000); /* neither cut nor sent again */
	world.is_holding = false;
	world.is_cutting = true;
	world.sent_count = world.taken = 0;
	world_pass(300);
	assert_true(world.sent_count > 0);
	assert_int_equal(seg_bytes(&world.sent[0]), MSS);
}

/* Ranges of one receive buffer several times in the queue, given back long before they are acknowledged. */
static void test_a_lent_buffer_lives_as_long_as_its_ranges(void **state)
{
	uint32_t off, before = buf_available();
	struct net_range r[4];
	const struct ix_event *e;
	uint64_t taken;

	(void)state;
	world.is_cutting = true;
	open_receiver(500000);
	peer_send(&to.p, ACK | PSH, stream, 1400);
	world_turn();
	e = world_event(IX_EV_RECV, 0);
	r[0].lent = buf_of_user(e->addr, e->len, &off);
	r[0].data = r[0].lent->data + off;
	r[0].bytes = 1400;
	r[3] = r[2] = r[1] = r[0];
	assert_int_equal(net_sendv(to.h, r, 4, 0, &taken), IX_OK);
	assert_int_equal(taken, 5600);
	assert_int_equal(net_recv_done(to.h, 1400), IX_OK);
	for (unsigned i = 0; i < 4; i++) /* what the receiver expects */
		memcpy(stream + 200000 + i * 1400, stream, 1400);
	memcpy(stream, stream + 200000, 5600);
	assert_int_equal(buf_available(), before - 1);
	for (unsigned n = 0; n < 2000 && to.next < 5600; n++) {
		world_pass(1);
		assert_int_equal(buf_available(), before - 1);
		receive(60);
	}
	assert_int_equal(to.next, 5600);
	world_pass(300);
	assert_int_equal(buf_available(), before);
}

static void test_short_writes_share_a_frame(void **state)
{
	unsigned before;

	(void)state;
	open_receiver(500000);
	before = world.sent_count;
	for (uint32_t at = 0; at < 1400; at += 7)
		assert_int_equal(send_some(at, 7, BYTES), 7);
	check_queues();
	assert_in_range(pcb_of(conn_find(to.h))->snd_queuelen, 1, 6);
	world_turn();
	assert_int_equal(world.sent_count, before + 1);
	receive(0);
	assert_int_equal(to.next, 1400);
}

static void test_nagle_keeps_the_end_of_a_train(void **state)
{
	(void)state;
	world.is_cutting = true;
	open_receiver(500000);
	pcb_of(conn_find(to.h))->cwnd = 500000;
	assert_int_equal(net_set(to.h, IX_SET_NODELAY, 0), IX_OK);
	assert_int_equal(send_some(0, 100, BYTES), 100); /* nothing under way: it goes */
	world_turn();
	assert_int_equal(send_some(100, 3 * MSS + 10, BYTES), 3 * MSS + 10);
	world_turn();
	for (const struct sent *s; (s = peer_take(&to.p)) != NULL;)
		take_segment(s);
	assert_int_equal(to.next, 100 + 3 * MSS);
	to.p.ack = to.first + to.next;
	peer_send(&to.p, ACK, NULL, 0);
	world_turn();
	receive(0);
	assert_int_equal(to.next, 110 + 3 * MSS);
}

static void test_a_fin_goes_with_the_last_byte(void **state)
{
	const struct sent *last = NULL;

	(void)state;
	world.is_cutting = true;
	open_receiver(500000);
	pcb_of(conn_find(to.h))->cwnd = 4 * MSS;
	assert_int_equal(send_some(0, 10 * MSS, BYTES), 10 * MSS);
	assert_int_equal(net_shutdown(to.h), IX_OK);
	for (unsigned n = 0; n < 20; n++) {
		world_turn();
		for (const struct sent *s; (s = peer_take(&to.p)) != NULL;) {
			assert_true(!last || !(seg_flags(last) & FIN));
			take_segment(s);
			last = s;
		}
		to.p.ack = to.first + to.next;
		peer_send(&to.p, ACK, NULL, 0);
	}
	assert_int_equal(to.next, 10 * MSS);
	assert_non_null(last);
	assert_true(seg_flags(last) & FIN);
}

/* A peer that claims to take a byte at a time makes neither the device nor us cut what we send into such. */
static void test_segments_have_a_least_size(void **state)
{
	struct net_range r = { .data = stream, .bytes = 120000 };
	unsigned before;
	uint64_t taken;

	(void)state;
	world.mss = 1;
	open_receiver(500000);
	pcb_of(conn_find(to.h))->cwnd = 500000;
	before = world.sent_count;
	assert_int_equal(net_send(to.h, &r, 0, &taken), IX_OK);
	assert_int_equal(taken, 120000);
	world_turn();
	assert_int_equal(TRAIN_OFFLOADS ? world.sent[before].mss : seg_bytes(&world.sent[before]), 48);
	world_pass(3000); /* nobody answers: all is cut to be sent again */
	check_queues();
	assert_true(segments_queued() <= 120000 / 48 + 2);
	world.sent_count = world.taken = 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_one_long_segment_is_one_frame),
		TEST(test_no_more_than_the_window_allows),
		TEST(test_slow_start_is_obeyed),
		TEST(test_each_byte_arrives_over_a_lossy_wire),
		TEST(test_shortage_of_memory_costs_time_only),
		TEST(test_timeout_sends_again_what_is_missing),
		TEST(test_duplicates_send_one_segment_again),
		TEST(test_the_device_keeps_what_it_holds),
		TEST(test_a_lent_buffer_lives_as_long_as_its_ranges),
		TEST(test_short_writes_share_a_frame),
		TEST(test_nagle_keeps_the_end_of_a_train),
		TEST(test_a_fin_goes_with_the_last_byte),
		TEST(test_segments_have_a_least_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
