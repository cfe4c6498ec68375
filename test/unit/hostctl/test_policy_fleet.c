/* SPDX-License-Identifier: MIT */
/* The policy in a loop with what it decides about: it holds still, follows, is fair, and keeps p99 with fewer cores. `bench/run policy`
 * does the same for 1,000 hosts. */
#include "bench/policy/fleet.h"
#include "bench/policy/queue.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define HOSTS 3u
#define GUESTS 50u

static struct fleet_result run(enum fleet_mix mix, double load, unsigned seconds)
{
	struct fleet_plan p = { .hosts = HOSTS,
				.guests = GUESTS,
				.seconds = seconds,
				.host_cores = 100,
				.cores_max = 8,
				.load = load,
				.mix = mix,
				.seed = 11 };
	struct fleet_result r;

	fleet_run(&p, &r);
	/* At any time, in every case. */
	assert_int_equal(r.over_ticks, 0);
	assert_int_equal(r.floor_ticks, 0);
	assert_true(r.unfair_ms_max <= 3000);
	assert_true(r.uneven_ms_max <= 4000);
	return r;
}

static void test_noise(void **state)
{
	struct fleet_result r = run(FLEET_STEADY, 0.5, 160);

	(void)state;
	/* In two minutes one guest of ten at most, and none all the time. */
	assert_true(r.reversals <= HOSTS * GUESTS / 10);
	assert_true(r.busiest_guest_reversals <= 3);
	assert_true((double)r.served >= 0.99 * (double)r.offered);
}

static void test_noise_with_too_little(void **state)
{
	struct fleet_result r = run(FLEET_STEADY, 1.2, 100);

	(void)state;
	assert_true(r.reversals <= HOSTS * GUESTS / 10);
}

static void test_steps(void **state)
{
	struct fleet_result r = run(FLEET_STEPS, 0.25, 200);

	(void)state;
	assert_true(r.steps > HOSTS * GUESTS * 3);
	assert_int_equal(r.steps_late, 0);
	assert_true(r.up_s_max <= 3);
	assert_true(r.down_s_max <= 10);
}

static void test_all_shapes(void **state)
{
	struct fleet_result r = run(FLEET_MIXED, 0.4, 100);

	(void)state;
	assert_true((double)r.served >= 0.99 * (double)r.offered);
	run(FLEET_MIXED, 1.3, 100);
}

static struct queue_result queue_result;

static const struct queue_result *shape(enum queue_policy policy, enum shape shape)
{
	struct queue_plan p = { .policy = policy,
				.shape = shape,
				.seconds = 240,
				.cores = 8,
				.groups = 128,
				.service_ns = 50000,
				.peak = 0.8,
				.bound_us = 2500,
				.seed = 3 };

	queue_run(&p, &queue_result);
	return &queue_result;
}

static void test_saved(void **state)
{
	const struct queue_result *r;

	(void)state;
	for (unsigned i = 0; i < SHAPE_FLAT; i++) {
		r = shape(QUEUE_FIXED, (enum shape)i);
		assert_true(r->core_s > 1919.9 && r->core_s < 1920.1);
		assert_true(r->p99_us <= 2500);
		assert_int_equal(r->seconds_beyond, 0);
		r = shape(QUEUE_OURS, (enum shape)i);
		assert_true(r->core_s < 0.75 * 1920);
		assert_true(r->p99_us <= 2500);
		assert_true(r->beyond <= r->requests / 50);
		assert_int_equal(r->lost, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_noise), cmocka_unit_test(test_noise_with_too_little),
		cmocka_unit_test(test_steps), cmocka_unit_test(test_all_shapes),
		cmocka_unit_test(test_saved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
