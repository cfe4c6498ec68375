/* SPDX-License-Identifier: MIT */
/* Trains that the core cuts, on their way to a device that does not: the frames, and how long their memory lives. */
#include "kernel/net/core.h"
#include "test/unit/net/world.h"

#define MSS (world.is_ip6 ? 1440u : 1460u)
#define UNITS 16u /* segments of a train */
#define BYTES 50100u

static uint8_t stream[BYTES];
static struct peer p;
static ix_handle_t h;

static int begin(void **state)
{
	(void)state;
	world_begin(WORLD_OFFLOADS);
	for (unsigned i = 0; i < BYTES; i++)
		stream[i] = (uint8_t)(i * 31 + (i >> 8));
	world_listen(7, 1);
	p = (struct peer){ .window = 500000 };
	h = peer_open(&p, 7, 5);
	pcb_of(conn_find(h))->cwnd = 500000;
	return 0;
}

static int end(void **state)
{
	(void)state;
	world_end();
	return 0;
}

static unsigned queued(const struct tcp_seg *seg)
{
	unsigned n = 0;

	for (; seg; seg = seg->next)
		n++;
	return n;
}

static void write_all(void)
{
	struct net_range r[3] = { { .data = stream, .bytes = 30000 },
				  { .data = stream + 30000, .bytes = 101 },
				  { .data = stream + 30101, .bytes = BYTES - 30101 } };
	uint64_t taken;

	assert_int_equal(net_sendv(h, r, 3, 0, &taken), IX_OK);
	assert_int_equal(taken, BYTES);
	assert_int_equal(queued(pcb_of(conn_find(h))->unsent), (BYTES - 1) / (UNITS * MSS) + 1);
}

/* Sums are world.c's to check. */
static void test_frames_follow_each_other(void **state)
{
	uint32_t first = p.ack, at = 0;
	unsigned before = world.sent_count;

	(void)state;
	write_all();
	world_turn();
	assert_int_equal(world.sent_count - before, (BYTES - 1) / MSS + 1);
	for (unsigned i = before; i < world.sent_count; i++) {
		const struct sent *s = &world.sent[i];

		assert_int_equal(seg_seq(s), first + at);
		assert_int_equal(seg_bytes(s), MIN(MSS, BYTES - at));
		assert_memory_equal(seg_data(s), stream + at, seg_bytes(s));
		at += seg_bytes(s);
		assert_int_equal(seg_flags(s), at == BYTES ? ACK | PSH : ACK);
	}
}

/* Acknowledged or not, ring 3 has its memory back when the device has given back the last frame of a train. */
static void test_memory_until_the_last_is_back(void **state)
{
	(void)state;
	world_turn();
	world.is_holding = true;
	write_all();
	world_turn();
	p.ack += BYTES;
	peer_send(&p, ACK, NULL, 0);
	world_turn();
	while (world_held() > 1) {
		world_give_back(1);
		world_turn();
		assert_true(net_partition_pending_tx() > 0);
		assert_int_equal(world_event_count(IX_EV_SENT), 0);
	}
	world_give_back(1);
	world_turn();
	assert_int_equal(net_partition_pending_tx(), 0);
	assert_int_equal(world_event_count(IX_EV_SENT), 1);
}

/* No room: nothing of it goes; later all of it, once. */
static void test_all_or_nothing(void **state)
{
	unsigned before = world.sent_count;

	(void)state;
	write_all();
	world.is_full = true;
	world_turn();
	assert_int_equal(world.sent_count, before);
	world.is_full = false;
	world_pass(2);
	assert_int_equal(world.sent_count - before, (BYTES - 1) / MSS + 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_frames_follow_each_other),
		TEST(test_memory_until_the_last_is_back),
		TEST(test_all_or_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
