/* SPDX-License-Identifier: MIT */
/*
 * A core that runs late: acknowledgements that came in time lie in its receive queue, behind other frames maybe, when its
 * timers are due. What has arrived is not sent again; what has not is, however much there is to receive.
 */
#include "kernel/net/core.h"
#include "test/unit/net/world.h"

#define LONG 30000u
#define A_TURN 128u
#define TURNS_MAX 20u

static uint8_t data[LONG];
static struct peer p;
static ix_handle_t h;

static int begin(void **state)
{
	(void)state;
	world_begin(WORLD_OFFLOADS);
	world_listen(7, 1);
	p = (struct peer){ .window = 100000, .has_ts = true, .ts = 5 };
	h = peer_open(&p, 7, 5);
	pcb_of(conn_find(h))->cwnd = 2 * LONG;
	pcb_of(conn_find(h))->sa = 8 * 10; /* ms: a probe comes after 20 */
	return 0;
}

static int end(void **state)
{
	(void)state;
	world_end();
	return 0;
}

static unsigned again(void)
{
	struct net_stats s;

	net_stats(&s);
	return (unsigned)s.retransmits;
}

/* @bytes go out; the peer has got them. Return: what had been sent again before. */
static unsigned send_bytes(uint32_t bytes)
{
	struct net_range r = { .data = data, .bytes = bytes };
	uint64_t taken;

	assert_int_equal(net_send(h, &r, 0, &taken), IX_OK);
	assert_int_equal(taken, bytes);
	world_turn();
	while (peer_take(&p))
		;
	return again();
}

static void expect_quiet(unsigned before)
{
	world_pass(500);
	assert_int_equal(again(), before);
	assert_null(pcb_of(conn_find(h))->unacked);
}

static void test_the_queue_comes_before_the_timer(void **state)
{
	unsigned before = send_bytes(64);

	(void)state;
	world.now_us += 5000000;
	peer_send(&p, ACK, NULL, 0);
	world_turn();
	expect_quiet(before);
}

static void test_the_queue_comes_before_the_probe(void **state)
{
	unsigned before = send_bytes(LONG);

	(void)state;
	world.now_us += 50000;
	peer_send(&p, ACK, NULL, 0);
	world_turn();
	expect_quiet(before);
}

/* As many as a turn takes; nothing is made of them. */
static void receive_others(void)
{
	static const uint8_t other[60];

	for (unsigned i = 0; i < A_TURN; i++)
		world_receive(other, sizeof(other));
}

static void test_an_acknowledgement_behind_other_frames(void **state)
{
	unsigned before = send_bytes(LONG);

	(void)state;
	world.now_us += 1000000;
	world.has_more = true;
	for (unsigned i = 0; i < 4; i++) {
		receive_others();
		world_turn();
		assert_int_equal(again(), before);
		world.now_us += 1000;
	}
	world.has_more = false;
	peer_send(&p, ACK, NULL, 0);
	world_turn();
	expect_quiet(before);
}

static void test_a_queue_that_never_ends(void **state)
{
	unsigned before = send_bytes(64), turns;

	(void)state;
	world.now_us += 1000000;
	world.has_more = true;
	for (turns = 0; turns < TURNS_MAX && again() == before; turns++) {
		receive_others();
		world_turn();
		world.now_us += 1000;
	}
	assert_in_range(turns, 1024 / A_TURN, TURNS_MAX - 1);
	world.has_more = false;
	world_pass(1);
	assert_int_equal(again(), before + 1);
	peer_send(&p, ACK, NULL, 0);
	world_turn();
}

/* What arrived twice says nothing of what is under way, which stays in one piece. */
static void test_a_duplicate_reported_cuts_nothing(void **state)
{
	uint32_t first = p.ack, blocks[1][2];
	const struct tcp_pcb *pcb = pcb_of(conn_find(h));

	(void)state;
	send_bytes(LONG);
	assert_non_null(pcb->unacked);
	assert_null(pcb->unacked->next);
	assert_int_equal(pcb->unacked->len, LONG);
	blocks[0][0] = first - 100;
	blocks[0][1] = first;
	p.ack = first;
	p.sacks = (const uint32_t(*)[2])blocks;
	p.sack_count = 1;
	for (unsigned i = 0; i < 4; i++)
		peer_send(&p, ACK, NULL, 0);
	world_turn();
	assert_non_null(pcb->unacked);
	assert_int_equal(pcb->unacked->len, LONG);
	/* One that names something does: the rest may be missing. */
	blocks[0][0] = first + 10 * 1448;
	blocks[0][1] = first + 11 * 1448;
	peer_send(&p, ACK, NULL, 0);
	world_turn();
	assert_int_equal(pcb->unacked->len, 1448);
	p.sack_count = 0;
	p.ack = first + LONG;
	peer_send(&p, ACK, NULL, 0);
	world_turn();
	assert_null(pcb->unacked);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_the_queue_comes_before_the_timer),       TEST(test_the_queue_comes_before_the_probe),
		TEST(test_an_acknowledgement_behind_other_frames), TEST(test_a_queue_that_never_ends),
		TEST(test_a_duplicate_reported_cuts_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
