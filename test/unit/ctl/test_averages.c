/* SPDX-License-Identifier: MIT */
/* Moving averages: where they go, how fast, and that no length of time upsets them. */
#include "kernel/ctl/page.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define HZ 3000000000ull
#define MS (HZ / 1000)

static struct averages a;
static struct ctl_core now;
static tsc_t at;

static int setup(void **state)
{
	(void)state;
	a = (struct averages){ 0 };
	now = (struct ctl_core){ 0 };
	at = 0;
	return 0;
}

/* One millisecond of a core that is busy for @busy_us, in @batches of @frames, which waited @wait_ticks each. */
static void live(uint64_t busy_us, uint64_t batches, uint64_t frames, uint64_t wait_ticks)
{
	now.busy += busy_us * MS / 1000;
	now.poll += (1000 - busy_us) * MS / 1000;
	now.busy_turns += batches;
	now.batches += batches;
	now.frames += batches * frames;
	now.waited += batches * frames * wait_ticks;
	at += MS;
	averages_add(&a, &now, at, HZ);
}

static void test_they_arrive(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8000; i++)
		live(250, 10, 3, 6000);
	for (unsigned k = 0; k < 2; k++) {
		assert_int_equal(a.batch[k], 3 * 256);
		assert_in_range(a.delay[k], 1999, 2001);
		assert_in_range(a.idle[k], 749999, 750001);
		assert_in_range(a.loop[k], 24998, 25001);
	}
}

/* The first second is the mean of what there was, not of that and of nothing. */
static void test_young(void **state)
{
	(void)state;
	live(100, 1, 5, 6000);
	for (unsigned k = 0; k < 2; k++) {
		assert_int_equal(a.idle[k], 900000);
		assert_int_equal(a.batch[k], 5 * 256);
		assert_in_range(a.delay[k], 1999, 2001);
	}
	for (unsigned i = 0; i < 100; i++)
		live(i % 2 ? 200 : 0, 1, 5, 6000);
	assert_in_range(a.idle[1], 895000, 905000);
}

/* A queue that grows faster than it is emptied, and one that nothing comes to any more. */
static void test_depth(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8000; i++) {
		now.left += 10 * 436;
		live(1000, 10, 64, 0);
	}
	for (unsigned k = 0; k < 2; k++)
		assert_int_equal(a.depth[k], 500 * 256);
	for (unsigned i = 0; i < 50; i++)
		live(0, 0, 0, 0);
	assert_in_range(a.depth[0], 0, 4 * 256);
	assert_in_range(a.depth[1], 450 * 256, 500 * 256);
	for (unsigned i = 0; i < 8000; i++)
		live(10, 1, 1, 0);
	for (unsigned k = 0; k < 2; k++)
		assert_int_equal(a.depth[k], 256);
}

/* After 10 ms of something new the fast one has come most of the way, the slow one hardly any. */
static void test_fast_and_slow(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 5000; i++)
		live(100, 1, 1, 0);
	for (unsigned i = 0; i < 20; i++)
		live(1000, 10, 64, 30000);
	assert_in_range(a.idle[0], 0, 200000);
	assert_in_range(a.idle[1], 800000, 900000);
	assert_true(a.delay[0] > 8000 && a.delay[1] < 1000);
}

/* A long sleep counts as what it was, whole; nothing overflows in a year of it. */
static void test_long_sleep(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		live(1000, 10, 64, 30000);
	/* However long it is. */
	for (unsigned bit = 0; bit < 58; bit++) {
		struct averages later = a;
		struct ctl_core then = now;

		then.halt += 1ull << bit;
		averages_add(&later, &then, at + (1ull << bit), HZ);
		assert_in_range(later.idle[0], a.idle[0], 1000000);
		assert_true(bit < 25 || later.idle[0] == 1000000);
		assert_true(bit < 32 || later.idle[1] == 1000000);
	}
	now.halt += 365ull * 86400 * HZ;
	at += 365ull * 86400 * HZ;
	averages_add(&a, &now, at, HZ);
	assert_int_equal(a.idle[0], 1000000);
	assert_int_equal(a.idle[1], 1000000);
	assert_int_equal(a.delay[0], 0);
	assert_int_equal(a.batch[0], 64 * 256); /* what a batch was when there was one */
}

static void test_nothing_and_backwards(void **state)
{
	(void)state;
	averages_add(&a, &now, 0, HZ);
	assert_int_equal(a.idle[0], 0);
	/* More idle time than time: as when a counter was read a moment later. */
	now.poll = 2 * MS;
	averages_add(&a, &now, MS, HZ);
	assert_in_range(a.idle[0], 1, 1000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_they_arrive, setup),
		cmocka_unit_test_setup(test_young, setup),
		cmocka_unit_test_setup(test_depth, setup),
		cmocka_unit_test_setup(test_fast_and_slow, setup),
		cmocka_unit_test_setup(test_long_sleep, setup),
		cmocka_unit_test_setup(test_nothing_and_backwards, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
