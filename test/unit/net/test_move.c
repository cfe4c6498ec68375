/* SPDX-License-Identifier: MIT */
/*
 * Flow groups and connections change cores while everything goes on: four cores, streams of known bytes,
 * every order of the cores' turns, losses, a ring 3 that takes its time, memory that runs out, a partition
 * that ends in the middle.
 */
#include <stdlib.h>
#include "kernel/base/err.h"
#include "kernel/order/order.h"
#include "test/fake/slab.h"
#include "test/unit/net/streams.h"

#ifndef MODE
#define MODE CORES_HASH
#endif
#define STEPS 2000u

static struct {
	unsigned done, failed, connections, forced, under_way;
} orders;

static void on_answer(const struct order_answer *a)
{
	orders.under_way--;
	orders.connections += a->connections;
	orders.forced += a->forced;
	if (a->status)
		orders.failed++;
	else
		orders.done++;
	if (!a->status)
		assert_int_equal(flow_owner((uint8_t)a->order.group), a->order.to);
}

static void order(uint32_t group, uint32_t to)
{
	struct order o = { .op = ORDER_MOVE, .group = group, .to = to };

	cores_switch(0);
	assert_int_equal(order_submit(&o), 0);
	orders.under_way++;
}

static uint8_t group_of(const struct peer *p)
{
	struct ip6 remote, local;

	if (world.is_ip6) {
		world_ip6((uint8_t *)&remote, p->address);
		world_ip6((uint8_t *)&local, WORLD_ADDRESS);
		return flow_group_of_tuple6(&remote, &local, be16(p->port), be16(p->our_port));
	}
	return flow_group_of_tuple(be32(p->address), be32(WORLD_ADDRESS), be16(p->port), be16(p->our_port));
}

/* One turn of some core, in no order. */
static void step(void)
{
	uint32_t core = (uint32_t)rand() % CORES_IN_TEST;

	world.now_us += (uint64_t)(rand() % 300);
	if (world.sent_count > SENT_MAX / 2 || rand() % 3 == 0)
		streams_peers();
	cores_turn(core);
	streams_ring3(core);
}

static void random_order(void)
{
	unsigned i = (unsigned)rand() % STREAMS;
	uint32_t group = MODE == CORES_QUEUE ? (uint32_t)rand() % flow_groups() : group_of(&streams.all[i].peer);

	if (orders.under_way < 8)
		order(group, (uint32_t)rand() % CORES_IN_TEST);
}

static void run(unsigned steps, unsigned order_every)
{
	for (unsigned n = 0; n < steps; n++) {
		if (order_every && n % order_every == 0)
			random_order();
		step();
	}
}

static bool is_busy(void)
{
	for (unsigned i = 0; i < STREAMS; i++)
		if (streams.all[i].state != PEER_NONE || streams.all[i].app != APP_NONE)
			return true;
	return orders.under_way > 0;
}

/* Everything comes to its end, with no byte missing. */
static void finish(void)
{
	unsigned steps = 0;

	streams.is_closing = true;
	streams.loss = 0;
	for (; is_busy(); steps++) {
		assert_true(steps < 100000);
		step();
	}
	streams.is_closing = false;
}

static void begin(unsigned seed)
{
	static bool is_up;

	srand(seed);
	if (!is_up) {
		cores_begin(MODE, WORLD_OFFLOADS);
		streams_begin();
		cores_switch(0);
		order_on_answer(on_answer);
		is_up = true;
	}
	memset(&orders, 0, sizeof(orders));
	streams.loss = streams.slow = 0;
	streams.may_reset = false;
	streams.moved = streams.closed = streams.opened = 0;
}

static unsigned steering; /* by the back end */

static uint8_t queue_of(uint16_t port)
{
	return (uint8_t)((port + steering * (port >> 2 & 3)) % CORES_IN_TEST);
}

/* ---- cases ---- */
static void test_quiet(void **state)
{
	(void)state;
	begin(1);
	run(STEPS, 7);
	finish();
	assert_true(orders.done > STEPS / 30 && !orders.failed);
	assert_int_equal(orders.forced, 0);
	assert_true(streams.moved > 40);
	assert_true(streams.closed > 5);
	assert_int_equal(streams.closed, streams.opened);
}

static void test_losses(void **state)
{
	(void)state;
	for (unsigned seed = 10; seed < 12; seed++) {
		begin(seed);
		streams.loss = 20;
		run(STEPS, 11);
		finish();
		assert_true(streams.moved > 20 && !orders.failed);
		assert_int_equal(streams.closed, streams.opened);
	}
}

/* The back end changes its mind all the time, also about groups that are just moving. */
static void test_steering(void **state)
{
	unsigned followed = 0;
	struct net_stats s;

	(void)state;
	if (MODE != CORES_QUEUE)
		return;
	for (unsigned seed = 70; seed < 76; seed++) {
		begin(seed);
		streams.loss = seed % 2 ? 50 : 0;
		streams.slow = seed % 3 ? 0 : 40;
		for (unsigned n = 0; n < 40; n++) {
			steering = (unsigned)rand();
			run(60, n % 3 ? 13 : 0);
		}
		finish();
		assert_int_equal(streams.closed, streams.opened);
	}
	for (uint32_t core = 0; core < CORES_IN_TEST; core++) {
		cores_switch(core);
		net_stats(&s);
		followed += (unsigned)s.conns_followed;
	}
	assert_true(followed > 50);
	steering = 0;
}

/* Ring 3 does not answer: after ten milliseconds it goes without. */
static void test_slow(void **state)
{
	(void)state;
	begin(20);
	streams.slow = 3;
	run(STEPS, 25);
	streams.slow = 0;
	finish();
	assert_true(orders.forced > 3 && !orders.failed);
	assert_int_equal(streams.closed, streams.opened);
}

/* The device keeps what it was given: nothing goes before it is back. */
static void test_device(void **state)
{
	unsigned moved;

	(void)state;
	begin(30);
	run(2000, 0);
	world.is_holding = true;
	run(300, 0); /* what has something to send has a frame there */
	moved = streams.moved;
	for (unsigned g = 0; g < flow_groups(); g += 2)
		order(g, (uint32_t)rand() % CORES_IN_TEST);
	run(400, 0);
	assert_true(orders.under_way > 0);
	assert_int_equal(world.resets_wanted, 0);
	for (unsigned n = 0; n < 1100; n++) { /* more than a second */
		world.now_us += 1000;
		run(1, 0);
	}
	assert_true(world.resets_wanted > 0);
	world.is_holding = false;
	finish();
	assert_true(streams.moved >= moved && !orders.failed);
	assert_int_equal(streams.closed, streams.opened);
}

/* No memory on the other core: nothing moves, nothing is lost, and the order says so. */
static void test_no_memory(void **state)
{
	unsigned failed = 0;

	(void)state;
	begin(40);
	run(2000, 0);
	for (unsigned n = 0; n < 20; n++) {
		unsigned before = orders.failed + orders.done;

		random_order();
		while (orders.under_way) {
			fake_slab_fail_from = 0;
			for (uint32_t core = 0; core < CORES_IN_TEST; core++) {
				cores_switch(core);
				order_poll();
			}
			fake_slab_fail_from = SIZE_MAX;
			run(20, 0);
		}
		assert_int_equal(orders.failed + orders.done, before + 1);
	}
	failed = orders.failed;
	finish();
	assert_true(failed > 0);
	assert_int_equal(streams.closed, streams.opened);
}

/* The partition ends while groups are on their way, and begins again; nothing of before is left or comes back. */
static void test_partition(void **state)
{
	(void)state;
	for (unsigned seed = 50; seed < 58; seed++) {
		begin(seed);
		streams.slow = seed % 3;
		run(600 + (unsigned)rand() % 400, 5);
		streams.may_reset = true;
		for (uint32_t core = 0; core < CORES_IN_TEST; core++) {
			cores_switch(core);
			net_partition_end();
			for (unsigned n = 0; n < (unsigned)rand() % 8; n++) /* others have not noticed yet */
				cores_turn((uint32_t)rand() % (core + 1));
		}
		streams_forget();
		for (uint32_t core = 0; core < CORES_IN_TEST; core++) {
			cores_switch(core);
			order_poll();
			net_partition_start();
		}
		for (unsigned n = 0; n < 150; n++) {
			cores_all(1);
			for (uint32_t core = 0; core < CORES_IN_TEST; core++)
				assert_int_equal(cores.events[core].count, 0);
		}
		world.sent_count = world.taken = 0;
		assert_int_equal(orders.under_way, 0);
		cores_check_empty();
		streams_begin();
		run(400, 0);
		finish();
		assert_int_equal(streams.closed, streams.opened);
	}
}

/* Calls that have no right to anything. */
static void test_calls(void **state)
{
	unsigned i = 0;
	uint32_t other;

	(void)state;
	begin(90);
	while (streams.all[i].app != APP_OPEN) {
		step();
		i = (i + 1) % STREAMS;
	}
	cores_switch(streams.all[i].core);
	assert_int_equal(net_release(streams.all[i].handle), IX_BAD_CALL); /* it does not move */
	assert_int_equal(net_release(0), IX_BAD_HANDLE);
	assert_int_equal(net_release(streams.all[i].handle + (1ull << 32)), IX_BAD_HANDLE);
	other = (streams.all[i].core + 1) % CORES_IN_TEST;
	cores_switch(other);
	assert_int_equal(net_release(streams.all[i].handle), IX_BAD_HANDLE); /* another core's, as ever */
	assert_int_equal(net_close(streams.all[i].handle), IX_BAD_HANDLE);
	order(MODE == CORES_QUEUE ? streams.all[i].core : group_of(&streams.all[i].peer), other);
	while (orders.under_way)
		step();
	cores_switch((other + 1) % CORES_IN_TEST);
	assert_int_equal(order_submit(&(struct order){ .op = ORDER_MOVE, .group = flow_groups() }), KERR_INVALID);
	assert_int_equal(order_submit(&(struct order){ .op = ORDER_MOVE, .to = CORES_IN_TEST }), KERR_INVALID);
	assert_int_equal(order_submit(&(struct order){ .op = 0 }), KERR_INVALID);
	finish();
}

static void test_empty(void **state)
{
	(void)state;
	begin(99);
	finish();
	streams.may_reset = true;
	cores_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quiet),     cmocka_unit_test(test_losses),    cmocka_unit_test(test_steering),
		cmocka_unit_test(test_slow),      cmocka_unit_test(test_device),    cmocka_unit_test(test_calls),
		cmocka_unit_test(test_no_memory), cmocka_unit_test(test_partition), cmocka_unit_test(test_empty),
	};

	cores.queue_of = queue_of;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
