/* SPDX-License-Identifier: MIT */
/* Receiving: data in place, giving it back, a reader that stalls, bounded memory, order out of disorder. */
#include "kernel/event/event.h"
#include "kernel/net/core.h"
#include "test/unit/net/world.h"

static uint8_t stream[400000];

static int begin(void **state)
{
	(void)state;
	world_begin(WORLD_OFFLOADS);
	for (unsigned i = 0; i < sizeof(stream); i++)
		stream[i] = (uint8_t)(i * 13 + (i >> 7));
	return 0;
}

static int end(void **state)
{
	(void)state;
	world_end();
	return 0;
}

static const uint8_t *bytes_of(const struct ix_event *e)
{
	uint32_t off;
	struct buf *b = buf_of_user(e->addr, e->len, &off);

	assert_non_null(b);
	return b->data + off;
}

/* Checks the data events of this turn against the stream. Return: bytes of them. */
static uint32_t check_events(uint32_t at)
{
	uint32_t bytes = 0;

	for (unsigned i = 0; world_event(IX_EV_RECV, i); i++) {
		const struct ix_event *e = world_event(IX_EV_RECV, i);

		assert_memory_equal(bytes_of(e), stream + at + bytes, e->len);
		bytes += e->len;
	}
	return bytes;
}

static void test_recv_done_misuse(void **state)
{
	struct peer p = { 0 };
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = peer_open(&p, 7, 5);
	assert_int_equal(net_recv_done(h, 1), IX_BAD_LENGTH);
	peer_send(&p, ACK, stream, 100);
	peer_send(&p, ACK, stream + 100, 200);
	world_turn();
	assert_int_equal(check_events(0), 300);
	assert_int_equal(net_recv_done(h, 301), IX_BAD_LENGTH);
	assert_int_equal(net_recv_done(h, 0), IX_BAD_LENGTH);
	assert_int_equal(net_recv_done(h, UINT64_MAX), IX_BAD_LENGTH);
	assert_int_equal(net_recv_done(h, 150), IX_OK);
	assert_int_equal(net_recv_done(h, 151), IX_BAD_LENGTH);
	assert_int_equal(net_recv_done(h, 150), IX_OK);
	assert_int_equal(net_recv_done(h, 1), IX_BAD_LENGTH);
}

static void test_stalled_reader_closes_the_window(void **state)
{
	struct peer p = { 0 };
	uint32_t at = 0, window = 0, before = buf_available();
	const struct sent *s;
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = peer_open(&p, 7, 5);
	for (unsigned i = 0; i < 250; i++) {
		peer_send_at(&p, p.seq, ACK, stream + at, 1460);
		world_turn();
		check_events(at);
		window = 0;
		while ((s = peer_take(&p)) != NULL) {
			at += seg_ack(s) - p.seq;
			p.seq = seg_ack(s);
			window = seg_window(s);
		}
	}
	assert_int_equal(at, 131072);
	assert_int_equal(window, 0);
	assert_in_range(before - buf_available(), 60, 128);
	/* It reads again: the window opens by itself. */
	assert_int_equal(net_recv_done(h, 100000), IX_OK);
	world_turn();
	while ((s = peer_take(&p)) != NULL)
		window = seg_window(s) << 3;
	assert_in_range(window, 99000, 100000);
}

static void test_tiny_segments_are_packed(void **state)
{
	struct peer p = { 0 };
	uint32_t at = 0, before = buf_available();
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = peer_open(&p, 7, 5);
	for (unsigned i = 0; i < 3000; i++) {
		peer_send(&p, ACK, stream + at, 7);
		world_turn();
		assert_int_equal(check_events(at), 7);
		at += 7;
	}
	assert_in_range(before - buf_available(), 5, 18); /* 21,000 bytes held */
	assert_int_equal(net_recv_done(h, at), IX_OK);
	assert_int_equal(buf_available(), before);
}

static void test_out_of_order(void **state)
{
	struct peer p = { 0 };
	uint32_t seq;

	(void)state;
	world_listen(7, 1);
	peer_open(&p, 7, 5);
	seq = p.seq;
	peer_send_at(&p, seq + 2000, ACK, stream + 2000, 1000);
	peer_send_at(&p, seq + 1000, ACK, stream + 1000, 1000);
	peer_send_at(&p, seq + 1000, ACK, stream + 1000, 1000);
	world_turn();
	assert_int_equal(world_event_count(IX_EV_RECV), 0);
	peer_send_at(&p, seq, ACK, stream, 1460); /* overlaps what is there */
	peer_send_at(&p, seq + 2500, ACK, stream + 2500, 900);
	world_turn();
	assert_int_equal(check_events(0), 3400);
}

static void test_out_of_order_data_is_bounded(void **state)
{
	static struct peer p[40];
	uint32_t before;

	(void)state;
	world_listen(7, 1);
	for (unsigned i = 0; i < 40; i++)
		peer_open(&p[i], 7, i);
	before = buf_available();
	for (unsigned i = 0; i < 40; i++) {
		for (unsigned k = 1; k < 60; k++)
			peer_send_at(&p[i], p[i].seq + k * 1000 + 1, ACK, stream, 500);
		world_turn();
	}
	assert_in_range(before - buf_available(), 1, 1024 / 16 + 64);
}

static void test_a_quarter_of_the_buffers_is_kept_back(void **state)
{
	static struct peer p[20];
	struct net_stats stats;

	(void)state;
	world_listen(7, 1);
	for (unsigned i = 0; i < 20; i++)
		peer_open(&p[i], 7, i);
	for (unsigned k = 0; k < 80; k++) {
		for (unsigned i = 0; i < 20; i++)
			peer_send_at(&p[i], p[i].seq + k * 1460, ACK, stream, 1460);
		world_turn();
	}
	assert_in_range(buf_available(), 1024 / 4 - 64, 1024 / 4 + 20); /* 20 frames arrive in a turn */
	net_stats(&stats);
	assert_true(stats.dropped_no_buffer > 100);
	/* A FIN or a reset is still heard. */
	peer_send_at(&p[0], p[0].seq, RST, NULL, 0);
	world_turn();
}

static void test_frames_in_several_buffers(void **state)
{
	struct peer p = { 0 };
	uint32_t at = 0;

	(void)state;
	world_listen(7, 1);
	peer_open(&p, 7, 5);
	world.rx_offset = 12;
	for (unsigned pieces = 80; pieces < 700; pieces += 53) {
		world.pieces = pieces;
		peer_send(&p, ACK, stream + at, 1439);
		world_turn();
		assert_int_equal(check_events(at), 1439);
		at += 1439;
	}
}

static void test_full_event_array_loses_nothing(void **state)
{
	static struct peer p[30];
	uint32_t total = 0;

	(void)state;
	world_listen(7, 1);
	for (unsigned i = 0; i < 30; i++)
		peer_open(&p[i], 7, i);
	for (unsigned k = 0; k < 4; k++)
		for (unsigned i = 0; i < 30; i++)
			peer_send(&p[i], ACK, stream, 100);
	world_turn();
	total = world.events.count;
	world_turn();
	assert_int_equal(world.events.count, 0);
	assert_int_equal(total, 120);
}

/* A turn whose events find @taken places of the array taken. */
static void turn_with_events_before(unsigned taken)
{
	static struct buf *frames[64];
	const struct ix_event other = { .kind = IX_EV_TIMER };
	unsigned count = world_take_waiting(frames);

	net_tx_reclaim();
	net_input(frames, count, true);
	net_output();
	event_begin();
	while (taken--)
		event_push(&other);
	net_events();
}

/* Data and what was sent are due, and there is one place left. */
static void test_one_place_in_the_event_array(void **state)
{
	struct net_range r = { .data = stream, .bytes = 300 };
	struct peer p = { 0 };
	uint64_t taken;
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = peer_open(&p, 7, 5);
	assert_int_equal(net_send(h, &r, 0, &taken), IX_OK);
	world_turn();
	assert_non_null(peer_take(&p));
	peer_send(&p, ACK, stream, 100);
	turn_with_events_before(IX_EVENTS_MAX - 1);
	assert_int_equal(world.events.count, IX_EVENTS_MAX);
	assert_int_equal(world.events.events[IX_EVENTS_MAX - 1].kind, IX_EV_RECV);
	assert_int_equal(world.events.events[IX_EVENTS_MAX - 1].len, 100);
	turn_with_events_before(0);
	assert_int_equal(world.events.count, 1);
	assert_int_equal(world.events.events[0].kind, IX_EV_SENT);
	assert_int_equal(world.events.events[0].len, 300);
	assert_int_equal(net_recv_done(h, 100), IX_OK);
}

/* Enough connections that the batch is looked ahead at, and some of them end within it. */
static void test_batches_over_many_connections(void **state)
{
	static struct peer p[600];
	unsigned events = 0, dead = 0;

	(void)state;
	world_listen(7, 1);
	for (unsigned i = 0; i < 600; i++)
		peer_open(&p[i], 7, i);
	for (unsigned i = 0; i < 600; i += 40) {
		for (unsigned k = i; k < i + 40; k++) {
			peer_send(&p[k], ACK, stream, 100);
			if (k % 5 == 0)
				peer_send(&p[k], RST, NULL, 0);
			if (k % 5 == 0)
				peer_send(&p[k], ACK, stream, 100); /* for nobody */
		}
		world_turn();
		events += world_event_count(IX_EV_RECV);
		dead += world_event_count(IX_EV_DEAD);
	}
	assert_int_equal(dead, 120);
	assert_int_equal(events, 480);
}

/* Frames of all lengths up to the longest, in full buffers: each byte in place, nothing held when all is given back. */
static void test_long_frames(void **state)
{
	struct peer p = { 0 };
	uint32_t before;
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = peer_open(&p, 7, 5);
	before = buf_available();
	world.pieces = 2034; /* as the device fills them, behind its header */
	for (unsigned i = 0; i < 400; i++) {
		uint32_t bytes = i % 3 ? 1 + i * 4099 % 64000 : 2034 * (1 + i % 31) - 54, got = 0;

		world.segments = (bytes + 1459) / 1460;
		peer_send(&p, ACK | PSH, stream, bytes);
		world.pieces = 0;
		world_turn();
		got = check_events(0);
		while (got < bytes) { /* more events than an array holds */
			world_turn();
			got += check_events(got);
		}
		assert_int_equal(got, bytes);
		assert_int_equal(net_recv_done(h, bytes), IX_OK);
		assert_int_equal(conn_find(h)->rx_held, 0);
		assert_int_equal(buf_available(), before);
		world_turn();
		while (peer_take(&p))
			;
		world.sent_count = world.taken = 0;
		world.pieces = 2034;
	}
}

static void test_merged_frames_are_acknowledged_at_once(void **state)
{
	struct peer p = { 0 };

	(void)state;
	world_listen(7, 1);
	peer_open(&p, 7, 5);
	while (peer_take(&p))
		;
	world.segments = 3;
	peer_send(&p, ACK | PSH, stream, 1400);
	world_turn();
	assert_non_null(peer_take(&p));
}

static void test_lost_data_checksums_are_counted(void **state)
{
	struct net_stats before, after;
	struct peer p = { 0 };

	(void)state;
	world_listen(7, 1);
	peer_open(&p, 7, 5);
	net_stats(&before);
	world.is_csum_unchecked = true; /* the frame then has no checksum */
	peer_send_at(&p, p.seq, ACK, stream, 100);
	world.is_csum_unchecked = false;
	world_turn();
	assert_int_equal(check_events(0), 100); /* vouched for by the device */
	net_stats(&after);
	assert_int_equal(after.bad_csum, before.bad_csum);
}

/*
 * With extension headers in front a TCP header may end in the second buffer, although the first one is long: what
 * lies behind its end, from an earlier frame, is no option.
 */
static void test_options_behind_extension_headers(void **state)
{
	static uint8_t frame[2048];
	struct peer p = { .has_ts = true, .ts = 1000 };
	unsigned header = 72, bytes;
	struct buf *b;

	(void)state;
	world_end();
	world_begin(2 | WORLD_IP6);
	world_listen(7, 1);
	peer_open(&p, 7, 5);
	p.ts_echo = 0;
	peer_send(&p, ACK | PSH, stream, 1000);
	assert_int_equal(world_take_waiting(&b), 1);
	bytes = b->len;
	memcpy(frame, b->data + b->off, 54);
	memcpy(frame + 54 + header, b->data + b->off + 54, bytes - 54);
	buf_free_frame(b);
	frame[20] = 60; /* destination options: one that nobody knows */
	frame[19] = (uint8_t)(frame[19] + header);
	frame[18] = (uint8_t)(frame[18] + (frame[19] < header));
	memset(frame + 54, 0, header);
	frame[54] = 6;
	frame[55] = (uint8_t)(header / 8 - 1);
	frame[56] = 0x1e;
	frame[57] = (uint8_t)(header - 4);
	world.pieces = 54 + header + 20;
	world_receive(frame, bytes + header);
	assert_int_equal(world_take_waiting(&b), 1);
	memcpy(b->data + b->off + b->len, frame + b->len, 12);
	world_receive_buf(b);
	world.pieces = 0;
	world_turn();
	assert_int_equal(check_events(0), 1000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_recv_done_misuse),
		TEST(test_stalled_reader_closes_the_window),
		TEST(test_tiny_segments_are_packed),
		TEST(test_out_of_order),
		TEST(test_out_of_order_data_is_bounded),
		TEST(test_a_quarter_of_the_buffers_is_kept_back),
		TEST(test_frames_in_several_buffers),
		TEST(test_full_event_array_loses_nothing),
		TEST(test_one_place_in_the_event_array),
		TEST(test_batches_over_many_connections),
		TEST(test_long_frames),
		TEST(test_merged_frames_are_acknowledged_at_once),
		TEST(test_lost_data_checksums_are_counted),
		TEST(test_options_behind_extension_headers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
