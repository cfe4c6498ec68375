/* SPDX-License-Identifier: MIT */
/*
 * Received data that goes back by a number of bytes: whole buffers and parts, long and short ones, with and without a device that
 * cuts, while it holds frames, while memory fails, and what is refused. Every byte that comes back is compared, all buffers return.
 */
#include "kernel/net/core.h"
#include "test/fake/slab.h"
#include "test/unit/net/world.h"

#define BYTES 400000u
#define MSS 1460u

static uint8_t stream[BYTES];
static uint64_t rng;
static struct peer p;
static ix_handle_t h;
static uint32_t sent, lent, back,
	seen; /* bytes of the stream: by the peer, told to ring 3, taken from it, seen by the peer */

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
	world_begin(WORLD_OFFLOADS);
	world.is_cutting = true;
	rng = 88172645463325252ull;
	for (unsigned i = 0; i < BYTES; i++)
		stream[i] = (uint8_t)(i * 31 + (i >> 8));
	sent = lent = back = seen = 0;
	world_listen(7, 1);
	p = (struct peer){ .window = 500000 };
	h = peer_open(&p, 7, 5);
	return 0;
}

static int end(void **state)
{
	(void)state;
	world_end();
	return 0;
}

/* Segments from the peer, each in a buffer of its own, @bytes in all, of 1 to @most bytes each. */
static void send(uint32_t bytes, uint32_t most)
{
	uint32_t until = MIN(sent + bytes, BYTES);

	while (sent < until) {
		uint32_t part = MIN(1 + rnd(most), until - sent);

		peer_send(&p, ACK | PSH, stream + sent, part);
		sent += part;
	}
}

/* A turn; what the peer got is compared and acknowledged. */
static void turn(void)
{
	const struct sent *s;

	world.now_us += 500;
	world_turn();
	for (unsigned i = 0; world_event(IX_EV_RECV, i); i++)
		lent += world_event(IX_EV_RECV, i)->len;
	for (uint32_t expected = p.ack; (s = peer_take(&p)) != NULL; expected = p.ack) {
		if (seg_seq(s) != expected) {
			p.ack = expected; /* again, or too early */
			continue;
		}
		assert_true(s->full_bytes <= sizeof(s->data) && seen + seg_bytes(s) <= back);
		assert_memory_equal(seg_data(s), stream + seen, seg_bytes(s));
		seen += seg_bytes(s);
	}
	world.sent_count = world.taken = 0;
	peer_send(&p, ACK, NULL, 0);
}

/* As lwIP leaves them: each pbuf says how much lies in it and behind it. */
static void check_chains(void)
{
	for (const struct tcp_seg *seg = pcb_of(conn_find(h))->unsent; seg; seg = seg->next)
		for (const struct pbuf *first = seg->p; first; first = first->next) {
			uint32_t bytes = 0;

			for (const struct pbuf *q = first; q; q = q->next)
				bytes += q->len;
			assert_int_equal(first->tot_len, bytes);
		}
}

static uint32_t send_back(uint32_t bytes)
{
	uint64_t taken = 77;
	int status = net_send_back(h, bytes, 0, &taken);

	assert_true(status == IX_OK || (status == IX_NO_MEMORY && !taken));
	assert_true(taken <= bytes);
	back += (uint32_t)taken;
	check_chains();
	return (uint32_t)taken;
}

static void until_all_is_seen(void)
{
	for (unsigned i = 0; i < 4000 && seen < back; i++)
		turn();
	assert_int_equal(seen, back);
}

static void test_whole_buffers(void **state)
{
	uint32_t before;

	(void)state;
	turn();
	before = buf_available();
	for (unsigned i = 0; i < 32; i++) {
		peer_send(&p, ACK, stream + sent, MSS);
		sent += MSS;
	}
	turn();
	assert_int_equal(lent, 32 * MSS);
	assert_int_equal(send_back(lent), 32 * MSS);
	assert_int_equal(conn_find(h)->rx_held, 0);
	assert_int_equal(buf_available(), before - 32); /* until the peer has them */
	until_all_is_seen();
	turn();
	turn();
	assert_int_equal(buf_available(), before);
}

static void test_refused(void **state)
{
	uint64_t taken;

	(void)state;
	send(3000, MSS);
	turn();
	assert_int_equal(net_send_back(h, 0, 0, &taken), IX_BAD_LENGTH);
	assert_int_equal(net_send_back(h, 3001, 0, &taken), IX_BAD_LENGTH);
	assert_int_equal(net_send_back(h, (1ull << 32) + 1, 0, &taken), IX_BAD_LENGTH); /* 1, if cut off */
	assert_int_equal(net_send_back(h, UINT64_MAX, 0, &taken), IX_BAD_LENGTH);
	assert_int_equal(net_send_back(h + 1, 1, 0, &taken), IX_BAD_HANDLE);
	assert_int_equal(net_recv_done(h, 2999), IX_OK);
	assert_int_equal(net_send_back(h, 2, 0, &taken), IX_BAD_LENGTH);
	assert_int_equal(taken, 0);
	assert_int_equal(conn_find(h)->rx_lent, 1);
	assert_int_equal(net_shutdown(h), IX_OK);
	assert_int_equal(net_send_back(h, 1, 0, &taken), IX_CLOSED);
	assert_int_equal(net_recv_done(h, 1), IX_OK);
}

/* A range of the first buffer is under way already: its own pbuf is in use, and it goes by another. */
static void test_behind_a_range_of_the_same_buffer(void **state)
{
	struct net_range r;
	uint64_t taken;
	uint32_t off;

	(void)state;
	world.is_holding = true;
	peer_send(&p, ACK, stream, MSS);
	turn();
	r.lent = buf_of_user(world_event(IX_EV_RECV, 0)->addr, MSS, &off);
	r.data = r.lent->data + off;
	r.bytes = 700;
	assert_int_equal(net_sendv(h, &r, 1, 0, &taken), IX_OK);
	assert_int_equal(taken, 700);
	back = 700;
	turn();
	assert_int_equal(net_recv_done(h, 700), IX_OK);
	assert_int_equal(send_back(MSS - 700), MSS - 700);
	world.is_holding = false;
	until_all_is_seen();
}

/* Any sizes, any prefix, the device slow or full now and then, memory short now and then. */
static void run(uint32_t most)
{
	for (unsigned i = 0; i < 30000 && seen < BYTES; i++) {
		if (sent - back < 60000 && rnd(3) == 0)
			send(rnd(20000), most);
		world.is_full = rnd(16) == 0;
		world.is_holding = rnd(8) == 0;
		turn();
		fake_slab_fail_from = rnd(8) ? SIZE_MAX : rnd(4);
		if (lent != back && rnd(4))
			(void)send_back(rnd(2) ? lent - back : 1 + rnd(lent - back));
		fake_slab_fail_from = SIZE_MAX;
	}
	world.is_full = world.is_holding = false;
	until_all_is_seen();
	assert_int_equal(seen, BYTES);
	turn();
	assert_int_equal(conn_find(h)->rx_lent, 0);
}

static void test_any_sizes(void **state)
{
	(void)state;
	run(MSS);
}

static void test_short_ones(void **state)
{
	(void)state;
	run(300);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_whole_buffers), TEST(test_refused),    TEST(test_behind_a_range_of_the_same_buffer),
		TEST(test_any_sizes),     TEST(test_short_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
