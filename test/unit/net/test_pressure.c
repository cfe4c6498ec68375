/* SPDX-License-Identifier: MIT */
/* Memory that is short: who holds little is served, who holds it for no use is reset, most first. */
#include "kernel/base/types.h"
#include "kernel/net/core.h"
#include "kernel/net/pressure.h"
#include "test/unit/net/world.h"

#define MANY 320u
#define FULL 1400u
#define FRESH 30u /* peers who hold nothing until memory is short */
#define LARGE 10u /* peers who send most, where a test says so */

static uint8_t data[FULL];
static struct peer peers[MANY], honest;
static ix_handle_t handles[MANY], honest_handle;
static unsigned dead, dead_small, honest_rounds;

static int begin(void **state)
{
	(void)state;
	world_begin(WORLD_OFFLOADS);
	world_listen(7, 1);
	memset(peers, 0, sizeof(peers));
	memset(&honest, 0, sizeof(honest));
	honest_handle = peer_open(&honest, 7, 999);
	dead = dead_small = honest_rounds = 0;
	return 0;
}

static int end(void **state)
{
	(void)state;
	world_end();
	return 0;
}

/* A turn, and what the program makes of it: it reads only what the honest one sends. */
static void turn(void)
{
	const struct ix_event *e;
	const struct sent *s;

	world.now_us += 1000;
	world_turn();
	for (unsigned n = 0; (e = world_event(IX_EV_RECV, n)) != NULL; n++) {
		struct net_range r = { .data = data, .bytes = 64 };
		uint64_t taken;

		if (e->handle != honest_handle)
			continue;
		assert_int_equal(net_recv_done(honest_handle, e->len), IX_OK);
		assert_int_equal(net_send(honest_handle, &r, 0, &taken), IX_OK);
		assert_int_equal(taken, 64);
	}
	for (unsigned n = 0; (e = world_event(IX_EV_DEAD, n)) != NULL; n++) {
		assert_int_equal(e->detail, IX_DEAD_NO_MEMORY);
		assert_true(e->handle != honest_handle);
		dead++;
		dead_small += e->cookie >= LARGE;
	}
	while ((s = peer_take(&honest)) != NULL)
		honest_rounds += seg_bytes(s) == 64;
	world.sent_count = world.taken = 0;
}

/* One request, and its answer after so many tries of its peer, 200 ms apart; 1: at once. */
static void expect_served(unsigned tries)
{
	unsigned before = honest_rounds;

	for (; tries && honest_rounds == before; tries--) {
		peer_send_at(&honest, honest.seq, ACK | PSH, data, FULL);
		for (unsigned ms = 0; ms < 200 && honest_rounds == before; ms++)
			turn();
	}
	honest.seq += FULL;
	assert_int_equal(honest_rounds, before + 1);
}

static void open_many(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		handles[i] = peer_open(&peers[i], 7, i);
		world.sent_count = world.taken = 0;
	}
}

/* @segments from each of them, in no order that matters. */
static void send_many(unsigned count, unsigned segments)
{
	for (unsigned k = 0; k < segments; k++)
		for (unsigned i = 0; i < count; i++) {
			peer_send_at(&peers[i], peers[i].seq, ACK, data, FULL);
			peers[i].seq += FULL;
			if (i % 32 == 31 || i == count - 1)
				turn();
		}
	turn();
}

static void test_who_holds_little_is_served(void **state)
{
	(void)state;
	open_many(20);
	send_many(20, 60); /* 1,200 buffers of 1,024 */
	assert_in_range(buf_available(), buf_total() / 5, buf_total() / 3);
	for (unsigned i = 0; i < 50; i++) {
		peer_send_at(&peers[i % 20], peers[i % 20].seq, ACK, data, FULL);
		expect_served(1);
	}
	assert_in_range(buf_available(), buf_total() / 5, buf_total() / 3);
	assert_int_equal(dead, 0); /* nobody had to go for it */
}

/* Of a crowd that comes for the first time, each with a little, nobody gets what is left for who was there before. */
static void test_a_crowd_leaves_something(void **state)
{
	(void)state;
	expect_served(1);
	open_many(MANY);
	send_many(213, 4);
	assert_in_range(buf_available(), buf_total() / 8, buf_total() / 4);
	for (unsigned i = 213; i < 2 * MANY; i++) { /* who holds nothing yet, then all once more, and the honest one */
		peer_send_at(&peers[i % MANY], peers[i % MANY].seq, ACK, data, FULL);
		if (i == MANY + MANY / 2)
			peer_send_at(&honest, honest.seq, ACK | PSH, data, FULL);
		if (i % 8 == 7)
			turn();
		if (i == MANY)
			assert_in_range(buf_available(), buf_total() / 16 - 8, buf_total() / 16 + 8);
	}
	assert_int_equal(honest_rounds, 2);
	assert_int_equal(dead, 0);
	honest.seq += FULL;
	expect_served(1);
	assert_in_range(buf_available(), buf_total() / 32, buf_total() / 8);
}

/* With less than an eighth left, who holds one buffer gets no second; who holds nothing gets one. */
static void test_who_holds_nothing_comes_first(void **state)
{
	(void)state;
	open_many(MANY);
	send_many(215, 4);
	for (unsigned i = 215; i < MANY - 1 && buf_available() >= buf_total() / 8; i++) {
		peer_send_at(&peers[i], peers[i].seq, ACK, data, FULL);
		turn();
	}
	assert_in_range(buf_available(), buf_total() / 16, buf_total() / 8 - 1);
	for (unsigned i = 0; i < 2; i++) {
		unsigned before = buf_available();

		peer_send_at(&peers[MANY - 1], peers[MANY - 1].seq + i * FULL, ACK, data, FULL);
		turn();
		assert_int_equal(before - buf_available(), i ? 0 : 1);
	}
}

static void test_datagrams_too(void **state)
{
	ix_handle_t udp;

	(void)state;
	assert_int_equal(net_udp_bind(&(struct ix_endpoint){ .port = 53 }, 7, &udp), IX_OK);
	open_many(20);
	send_many(20, 60);
	peer_send_at(&peers[0], peers[0].seq, ACK, data, FULL); /* so that memory is short in this batch, too */
	for (unsigned i = 0; i < 40; i++)
		peer_udp(&(struct peer){ .address = PEER_ADDRESS, .port = 9, .our_port = 53 }, data, 100);
	world_turn();
	assert_int_equal(world_event_count(IX_EV_UDP_RECV), 16); /* not read: the rest is dropped */
	assert_int_equal(net_udp_recv_done(udp, 16), IX_OK);
	peer_udp(&(struct peer){ .address = PEER_ADDRESS, .port = 9, .our_port = 53 }, data, 100);
	world_turn();
	assert_int_equal(world_event_count(IX_EV_UDP_RECV), 1);
	assert_int_equal(net_udp_recv_done(udp, 1), IX_OK);
}

static void test_who_holds_it_for_no_use_is_reset(void **state)
{
	(void)state;
	open_many(MANY);
	send_many(MANY, 3); /* each holds little */
	for (unsigned i = 0; i < 3000; i++) {
		unsigned k = i % MANY;

		peer_send_at(&peers[k], peers[k].seq - FULL, ACK, data, FULL);
		turn();
		if (i % 100 == 99)
			expect_served(12);
	}
	assert_true(dead > 0);
	assert_true(dead < MANY / 2); /* and no more than had to */
	assert_in_range(buf_available(), buf_total() / 8, buf_total());
	assert_int_equal(net_self.stats.evicted, dead);
}

static void test_who_holds_most_goes_first(void **state)
{
	(void)state;
	open_many(170);
	send_many(LARGE, 64);
	for (unsigned k = 0; k < 4; k++)
		for (unsigned i = LARGE; i < 140; i++) {
			peer_send_at(&peers[i], peers[i].seq + k * FULL, ACK, data, FULL);
			if (i % 8 == 7)
				turn();
		}
	for (unsigned i = 140; i < 170; i++) { /* they hold nothing yet */
		peer_send_at(&peers[i], peers[i].seq, ACK, data, FULL);
		turn();
	}
	assert_in_range(buf_available(), buf_total() / 16, buf_total() / 8 - 1);
	for (unsigned s = 0; s < 6; s++) {
		for (unsigned ms = 0; ms < 600; ms++)
			turn();
		expect_served(6);
	}
	assert_in_range(dead, 1, LARGE);
	assert_int_equal(dead_small, 0);
}

/* To @h, whose peer takes none of it. */
static void send_for_nothing(ix_handle_t h, unsigned segments)
{
	struct net_range r = { .data = data, .bytes = FULL };
	uint64_t taken;

	while (segments--) {
		assert_int_equal(net_send(h, &r, 0, &taken), IX_OK);
		assert_int_equal(taken, FULL);
	}
}

static void send_one(unsigned i)
{
	peer_send_at(&peers[i], peers[i].seq, ACK, data, FULL);
	peers[i].seq += FULL;
	turn();
}

/* Peers from LARGE on send until memory is short, then some that held nothing. */
static void make_short(void)
{
	for (unsigned i = LARGE; buf_available() >= buf_total() / 8; i = i + 1 < MANY - FRESH ? i + 1 : LARGE)
		send_one(i);
	for (unsigned i = MANY - FRESH; i < MANY; i++)
		send_one(i);
	assert_in_range(buf_available(), buf_total() / 16, buf_total() / 8 - FRESH / 2);
}

/* Frames come that nothing is made of, until somebody has been reset. Return: milliseconds. */
static unsigned wait_dead(void)
{
	unsigned ms = 0;

	for (; !dead && ms < 4000; ms++) {
		peer_send_at(&peers[MANY - 1], peers[MANY - 1].seq - FULL, ACK, data, FULL);
		turn();
	}
	return ms;
}

static void test_who_sends_much_for_nothing_gets_no_more(void **state)
{
	(void)state;
	send_for_nothing(honest_handle, 16384 / FULL);
	assert_false(pressure_refuses(conn_find(honest_handle)));
	send_for_nothing(honest_handle, 1);
	assert_true(pressure_refuses(conn_find(honest_handle)));
}

static void test_who_takes_nothing_is_reset(void **state)
{
	(void)state;
	open_many(MANY);
	for (unsigned i = 0; i < LARGE; i++)
		send_for_nothing(handles[i], 30);
	for (unsigned ms = 0; ms < 2100; ms++)
		turn();
	make_short();
	assert_in_range(dead, 1, LARGE); /* at the first look */
	assert_int_equal(dead_small, 0);
}

static void test_what_lies_for_a_second_is_idle(void **state)
{
	(void)state;
	open_many(MANY);
	make_short();
	assert_in_range(wait_dead(), 900, 1100);
}

/* On its way to another core: nothing happens to it, however much it holds. */
static void test_who_moves_is_not_reset(void **state)
{
	struct conn *c;

	(void)state;
	open_many(MANY);
	send_many(1, 64);
	c = conn_find(handles[0]);
	make_short();
	c->flags |= CONN_MOVING;
	assert_true(wait_dead() < 4000);
	c->flags &= ~(unsigned)CONN_MOVING;
	assert_ptr_equal(conn_find(handles[0]), c);
	assert_int_equal(c->flags & CONN_DEAD, 0);
	assert_int_equal(dead, dead_small);
}

/* What is read in time is not for no use, however much it is. */
static void test_who_reads_is_not_reset(void **state)
{
	static unsigned lent[MANY];

	(void)state;
	memset(lent, 0, sizeof(lent));
	open_many(MANY);
	for (unsigned ms = 0; ms < 4000; ms++) {
		const struct ix_event *e;

		if (ms % 500 == 0)
			for (unsigned i = 0; i < MANY; i++)
				if (lent[i] && net_recv_done(handles[i], lent[i]) == IX_OK)
					lent[i] = 0;
		for (unsigned i = ms % 8; i < MANY; i += 8) {
			if (lent[i] > 3 * FULL)
				continue;
			peer_send(&peers[i], ACK, data, FULL);
		}
		world.now_us += 1000;
		world_turn();
		for (unsigned n = 0; (e = world_event(IX_EV_RECV, n)) != NULL; n++)
			if (e->cookie < MANY)
				lent[e->cookie] += e->len;
		assert_null(world_event(IX_EV_DEAD, 0));
		world.sent_count = world.taken = 0;
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_who_holds_little_is_served),       TEST(test_a_crowd_leaves_something),
		TEST(test_who_holds_nothing_comes_first),    TEST(test_datagrams_too),
		TEST(test_who_holds_it_for_no_use_is_reset), TEST(test_who_holds_most_goes_first),
		TEST(test_who_reads_is_not_reset),           TEST(test_who_sends_much_for_nothing_gets_no_more),
		TEST(test_who_takes_nothing_is_reset),       TEST(test_what_lies_for_a_second_is_idle),
		TEST(test_who_moves_is_not_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
