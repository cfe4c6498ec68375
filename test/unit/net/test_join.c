/* SPDX-License-Identifier: MIT */
/*
 * Segments of a device that merges nothing, which run through TCP as one where only number and data differ: what is acknowledged,
 * what is counted, what keeps them apart, and that a damaged one is never part of it. All that comes goes back and is compared.
 */
#include "kernel/net/core.h"
#include "test/unit/net/world.h"

#define BYTES 300000u
#define MSS 1460u

static uint8_t stream[BYTES];
static uint64_t rng;
static struct peer p;
static ix_handle_t h;
static uint32_t sent, lent, seen;

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
	world_begin(0);
	rng = 88172645463325252ull;
	for (unsigned i = 0; i < BYTES; i++)
		stream[i] = (uint8_t)(i * 31 + (i >> 8));
	sent = lent = seen = 0;
	world_listen(7, 1);
	p = (struct peer){ .window = 500000 };
	h = peer_open(&p, 7, 5);
	world_turn();
	world.sent_count = world.taken = 0;
	return 0;
}

static int end(void **state)
{
	(void)state;
	world_end();
	return 0;
}

static void send(unsigned flags, uint32_t bytes)
{
	peer_send(&p, flags, stream + sent, bytes);
	sent += bytes;
}

/* Return: bytes told to ring 3, which go back at once. */
static uint32_t turn(void)
{
	uint32_t told = 0;
	uint64_t taken;

	world.now_us += 500;
	world_turn();
	for (unsigned i = 0; world_event(IX_EV_RECV, i); i++)
		told += world_event(IX_EV_RECV, i)->len;
	lent += told;
	if (told) {
		assert_int_equal(net_send_back(h, told, 0, &taken), IX_OK);
		assert_int_equal(taken, told);
	}
	return told;
}

static void take_back(void)
{
	const struct sent *s;

	for (unsigned i = 0; i < 200 && seen < lent; i++) {
		world.now_us += 500;
		world_turn();
		while ((s = peer_take(&p)) != NULL) {
			assert_memory_equal(seg_data(s), stream + seen, seg_bytes(s));
			seen += seg_bytes(s);
		}
		world.sent_count = world.taken = 0;
		peer_send(&p, ACK, NULL, 0);
	}
	assert_int_equal(seen, lent);
}

static void test_as_one(void **state)
{
	struct net_stats before, after;
	const struct sent *s;

	(void)state;
	net_stats(&before);
	for (unsigned i = 0; i < 10; i++)
		send(ACK, MSS);
	world.now_us += 500;
	world_turn();
	net_stats(&after);
	assert_int_equal(after.segments_in - before.segments_in, 10);
	assert_int_equal(after.frames_in - before.frames_in, 10);
	s = peer_take(&p);
	assert_non_null(s); /* one acknowledgement for all of them, at once */
	assert_int_equal(seg_ack(s), p.seq);
	assert_null(peer_take(&p));
	assert_int_equal(conn_find(h)->rx_held, 10);
	for (const struct buf *b = conn_find(h)->rx_head; b; b = rx_of((struct buf *)(uintptr_t)b)->next) {
		const struct rx_buf *x = rx_of((struct buf *)(uintptr_t)b);

		assert_int_equal(x->sum, port_chksum(b->data + x->start, x->len));
	}
}

/* Whatever differs, the data is what was sent, in order and once. */
static void test_what_keeps_them_apart(void **state)
{
	(void)state;
	while (sent + 12 * MSS < BYTES) {
		for (unsigned n = 1 + rnd(12); n; n--) {
			p.window = rnd(4) ? p.window : 400000 + rnd(100000) / 8 * 8;
			p.tos = rnd(6) ? p.tos : (uint8_t)(rnd(2) * 16);
			send(ACK | (rnd(5) ? 0 : PSH), rnd(4) ? MSS : 1 + rnd(MSS));
		}
		turn();
		take_back();
	}
	assert_int_equal(lent, sent);
}

static void test_a_gap(void **state)
{
	uint32_t first = p.seq;

	(void)state;
	send(ACK, MSS);
	peer_send_at(&p, first + 2 * MSS, ACK, stream + 2 * MSS, MSS);
	peer_send_at(&p, first + 3 * MSS, ACK, stream + 3 * MSS, MSS);
	assert_int_equal(turn(), MSS);
	peer_send_at(&p, first + MSS, ACK, stream + MSS, MSS);
	p.seq = first + 4 * MSS;
	sent = 4 * MSS;
	assert_int_equal(turn(), 3 * MSS);
	take_back();
}

/* The @nth of six in a batch has a bit turned; it comes again. */
static void test_a_damaged_one(void **state)
{
	static struct buf *bufs[WAITING_MAX];
	static struct net_stats before, after;

	(void)state;
	for (unsigned nth = 0; nth < 6; nth++) {
		uint32_t begin_at = sent, begin_seq = p.seq;

		world_turn(); /* what take_back() left */
		net_stats(&before);
		for (unsigned i = 0; i < 6; i++)
			send(ACK, MSS);
		assert_int_equal(world_take_waiting(bufs), 6);
		bufs[nth]->data[bufs[nth]->off + 54 + rnd(MSS)] ^= (uint8_t)(1u << rnd(8));
		for (unsigned i = 0; i < 6; i++)
			world_receive_buf(bufs[i]);
		assert_int_equal(turn(), nth * MSS);
		net_stats(&after);
		assert_int_equal(after.bad_csum - before.bad_csum, 1);
		peer_send_at(&p, begin_seq + nth * MSS, ACK, stream + begin_at + nth * MSS, MSS);
		assert_int_equal(turn(), (6 - nth) * MSS);
		take_back();
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_as_one),
		TEST(test_what_keeps_them_apart),
		TEST(test_a_gap),
		TEST(test_a_damaged_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
