/* SPDX-License-Identifier: MIT */
/* The wheel against a plain list of deadlines: nothing fires early, late, twice or never, at any distance. */
#include "kernel/time/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define NODES 200u

struct probe {
	struct time_node node;
	uint64_t due; /* 0: not armed */
	unsigned fired;
};

static struct probe probes[NODES];
static uint64_t run_to; /* of the run that is going on */
static uint64_t last_due;
static uint64_t seed = 1;

static uint64_t random_bits(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static void on_fire(struct time_node *node)
{
	struct probe *p = CONTAINER_OF(node, struct probe, node);

	assert_true(p->due != 0);
	assert_true(p->due <= run_to);
	assert_true(p->due >= last_due); /* oldest first */
	assert_false(time_is_armed(node));
	last_due = p->due;
	p->due = 0;
	p->fired++;
}

static void setup_probes(uint64_t now)
{
	time_core_init(now);
	memset(probes, 0, sizeof(probes));
	for (unsigned i = 0; i < NODES; i++)
		time_node_init(&probes[i].node, on_fire);
}

static void arm(struct probe *p, uint64_t tick)
{
	time_arm(&p->node, tick);
	p->due = tick;
}

static uint64_t earliest(void)
{
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < NODES; i++)
		if (probes[i].due)
			least = MIN(least, probes[i].due);
	return least;
}

static unsigned run(uint64_t now)
{
	run_to = now;
	last_due = 0;
	return time_run(now);
}

/* Every distance up to two levels and a bit, from every position of the lowest digits. */
static void test_every_small_distance(void **state)
{
	(void)state;
	for (uint64_t base = 4000; base < 4000 + 130; base++) {
		for (uint64_t distance = 0; distance < 4300; distance += distance < 140 ? 1 : 61) {
			setup_probes(base);
			arm(&probes[0], base + distance);
			if (distance) {
				assert_int_equal(run(base + distance - 1), 0);
				assert_true(time_next() <= base + distance);
			}
			assert_int_equal(run(base + distance), 1);
			assert_int_equal(probes[0].fired, 1);
			assert_true(time_next() == UINT64_MAX);
		}
	}
}

static void test_far_deadlines(void **state)
{
	static const uint64_t far[] = { 1ull << 30, (1ull << 36) - 1, 1ull << 36, (1ull << 36) + 12345, 1ull << 40 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(far); i++) {
		setup_probes(777);
		arm(&probes[0], 777 + far[i]);
		assert_int_equal(run(777 + far[i] - 1), 0);
		assert_int_equal(run(777 + far[i]), 1);
	}
}

static uint64_t random_distance(void)
{
	return random_bits() >> (20 + random_bits() % 44);
}

/* Arms, re-arms, cancels and runs at random; the list of deadlines says what must have fired. */
static void test_against_reference(void **state)
{
	uint64_t now = 123456789;

	(void)state;
	setup_probes(now);
	for (unsigned step = 0; step < 200000; step++) {
		struct probe *p = &probes[random_bits() % NODES];
		uint64_t op = random_bits() % 16;

		if (op < 9) {
			arm(p, now + 1 + random_distance() % (1ull << 38));
		} else if (op < 11) {
			time_cancel(&p->node);
			p->due = 0;
			assert_false(time_is_armed(&p->node));
		} else {
			uint64_t next = earliest();

			assert_true(time_next() <= next);
			if (op == 11 && next != UINT64_MAX)
				now = next;
			else
				now += random_distance() % 100000;
			run(now);
			assert_true(earliest() > now);
		}
		if (step % 1000 == 0)
			for (unsigned i = 0; i < NODES; i++)
				assert_int_equal(time_is_armed(&probes[i].node), probes[i].due != 0);
	}
}

/* ---- what a callback may do ---- */
static unsigned again_count;

static void on_again(struct time_node *node)
{
	again_count++;
	time_arm(node, 0); /* in the past: the next run, not this one */
}

static void test_rearm_in_the_past_waits_for_the_next_run(void **state)
{
	struct time_node node;

	(void)state;
	time_core_init(100);
	time_node_init(&node, on_again);
	time_arm(&node, 50);
	assert_int_equal(time_run(5000), 1);
	assert_int_equal(again_count, 1);
	assert_true(time_next() <= 5001);
	assert_int_equal(time_run(5000), 0);
	assert_int_equal(time_run(5001), 1);
	time_cancel(&node);
	assert_true(time_next() == UINT64_MAX);
}

static struct time_node victim;

static void on_cancel_other(struct time_node *node)
{
	(void)node;
	time_cancel(&victim);
}

static void on_never(struct time_node *node)
{
	(void)node;
	fail();
}

static void test_callback_cancels_a_neighbour_of_the_same_slot(void **state)
{
	struct time_node first;

	(void)state;
	time_core_init(0);
	time_node_init(&first, on_cancel_other);
	time_node_init(&victim, on_never);
	time_arm(&first, 10);
	time_arm(&victim, 10);
	assert_int_equal(time_run(20), 1);
	assert_false(time_is_armed(&victim));
	time_arm(&victim, 40);
	time_cancel(&victim);
	time_cancel(&victim);
	assert_int_equal(time_run(100), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_small_distance),
		cmocka_unit_test(test_far_deadlines),
		cmocka_unit_test(test_against_reference),
		cmocka_unit_test(test_rearm_in_the_past_waits_for_the_next_run),
		cmocka_unit_test(test_callback_cancels_a_neighbour_of_the_same_slot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
