/* SPDX-License-Identifier: MIT */
/* From what one guest measures to how many cores it gets, and when. */
#include "test/unit/hostctl/policed.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void test_grow_by_queue(void **state)
{
	struct policy_guest *g = add(1, 1, 16, 50);
	int64_t from;

	(void)state;
	say(g, 0, 50);
	until_change(500);
	say(g, 33, 100);
	assert_int_equal(until_change(1000), 200); /* a look to see it, and one to see that it stays */
	assert_int_equal(g->cores, 2);
	assert_int_equal(g->choice.signal, POLICY_DEPTH);
	assert_int_equal(g->choice.value, FRAMES(33));
	assert_int_equal(g->choice.threshold, FRAMES(32));
	assert_int_equal(g->choice.held_ms, 100);
	from = now;
	while (g->cores < 16)
		assert_true(until_change(300) > 0);
	assert_true(now - from <= 800); /* IXCP takes 3 s */
	assert_int_equal(until_change(10000), -1);
	assert_int_equal(g->choice.held, POLICY_HELD_CEILING);
	assert_int_equal(g->choice.signal, POLICY_DEPTH);
}

static void test_threshold_is_more_than(void **state)
{
	struct policy_guest *g = add(1, 1, 16, 50);

	(void)state;
	say(g, 32, 84);
	assert_int_equal(until_change(20000), -1);
	assert_int_equal(g->choice.signal, POLICY_NONE);
}

static void test_no_growth_without_reason(void **state)
{
	struct policy_guest *g = add(2, 1, 16, 50);

	(void)state;
	/* One look alone. */
	for (unsigned i = 0; i < 100; i++) {
		say(g, i % 2 ? 1000 : 0, 82);
		assert_false(look());
	}
	/* A burst on a core that has time for it. */
	say(g, 500, 70);
	cores[0][0].idle_fast = cores[0][1].idle_fast = 210000;
	assert_int_equal(until_change(3000), -1);
	/* Nothing new is said. */
	say(g, 500, 100);
	cores[0][0].is_fresh = cores[0][1].is_fresh = false;
	assert_int_equal(until_change(3000), -1);
	/* A group that no other core could share. */
	say(g, 500, 70);
	cores[0][0].groups = cores[0][1].groups = 1;
	cores[0][0].idle_fast = 0;
	assert_int_equal(until_change(3000), -1);
	/* No more groups than cores. */
	say(g, 500, 100);
	g->groups = 2;
	assert_int_equal(until_change(3000), -1);
	assert_int_equal(g->choice.held, POLICY_HELD_CEILING);
	g->groups = 3;
	assert_int_equal(until_change(3000), 100);
}

/* The batch of a slow service: it says something at the end of each turn, and looks in between hear nothing. */
static void test_long_turns(void **state)
{
	struct policy_guest *g = add(1, 1, 4, 50);
	int64_t grown = -1;

	(void)state;
	until_change(500);
	for (unsigned i = 0; i < 20 && grown < 0; i++) {
		say(g, 200, 100);
		cores[0][0].is_fresh = i % 2 == 0;
		if (look())
			grown = i;
	}
	assert_int_equal(grown, 2); /* the end of its second turn */
	/* What it said before it fell asleep is forgotten by the time at which it wakes. */
	policed_setup(NULL);
	g = add(1, 1, 4, 50);
	until_change(500);
	for (unsigned i = 0; i < 30; i++) {
		say(g, 200, 100);
		cores[0][0].is_fresh = i % 3 == 0; /* every 300 ms */
		assert_false(look());
	}
}

static void test_grow_by_delay(void **state)
{
	struct policy_guest *g = add(1, 1, 4, 50);

	(void)state;
	say(g, 3, 84);
	until_change(500);
	cores[0][0].idle_fast = 100000;
	cores[0][0].delay_fast = 500001;
	assert_int_equal(until_change(1000), 200);
	assert_int_equal(g->cores, 2);
	assert_int_equal(g->choice.signal, POLICY_DELAY);
	/* One long request in a second of sleep. */
	say(g, 3, 84);
	cores[0][0].delay_fast = cores[0][1].delay_fast = 5000000;
	cores[0][0].idle_slow = cores[0][1].idle_slow = 410000;
	cores[0][0].idle_fast = cores[0][1].idle_fast = 0;
	assert_int_equal(until_change(3000), -1);
	/* Under emulation ten times as long is usual. */
	policy_defaults(&limits, true);
	say(g, 3, 84);
	cores[0][0].delay_fast = cores[0][1].delay_fast = 4999999;
	assert_int_equal(until_change(3000), -1);
}

static void test_grow_by_work(void **state)
{
	struct policy_guest *g = add(4, 1, 16, 50);

	(void)state;
	until_change(3000);
	g->cores = 4; /* what it did meanwhile is not of interest */
	states[0] = (struct policy_state){ 0 };
	say(g, 2, 89);
	assert_int_equal(until_change(5000), 2100); /* never seen before: nobody knows how old the averages are */
	assert_int_equal(g->choice.signal, POLICY_BUSY);
	assert_int_equal(g->cores, 5);
	/* Of 8 groups 5 cores are worth no more than 4. */
	policed_setup(NULL);
	g = add(4, 1, 16, 50);
	g->groups = 8;
	say(g, 2, 89);
	assert_int_equal(until_change(5000), 2100);
	assert_int_equal(g->cores, 8);
}

static void test_shrink(void **state)
{
	struct policy_guest *g = add(8, 2, 8, 50);

	(void)state;
	say(g, 0, 5);
	assert_int_equal(until_change(10000), 4100);
	assert_int_equal(g->cores, 4); /* by halves */
	assert_int_equal(g->choice.signal, POLICY_IDLE);
	assert_int_equal(g->choice.value, 400000);
	assert_int_equal(g->choice.present, 8);
	assert_int_equal(until_change(10000), 4100);
	assert_int_equal(g->cores, 2);
	assert_int_equal(until_change(20000), -1); /* its floor */
}

static void test_shrink_to_the_peak(void **state)
{
	struct policy_guest *g = add(8, 1, 8, 50);

	(void)state;
	say(g, 0, 20);
	for (unsigned i = 0; i < 40; i++) {
		say(g, 0, i == 20 ? 65 : 20); /* 5.2 cores' worth, once */
		assert_false(look());
	}
	say(g, 0, 20);
	assert_true(look());
	assert_int_equal(g->cores, 7);
	/* Work that does not fit into fewer begins the hold-down anew. */
	policed_setup(NULL);
	g = add(2, 1, 8, 50);
	for (unsigned i = 0; i < 200; i++) {
		say(g, 0, i % 30 == 0 ? 60 : 20);
		assert_false(look());
	}
	/* So does a queue. */
	policed_setup(NULL);
	g = add(2, 1, 8, 50);
	say(g, 8, 30);
	assert_int_equal(until_change(10000), -1);
	say(g, 7, 30);
	assert_true(until_change(10000) > 0);
	/* But not one that comes at once and is gone. */
	policed_setup(NULL);
	g = add(2, 1, 8, 50);
	say(g, 20, 20);
	assert_true(until_change(10000) > 0);
}

static void test_skewed_groups(void **state)
{
	struct policy_guest *g = add(4, 1, 8, 50);

	(void)state;
	g->groups = 8;
	say(g, 0, 20);
	cores[0][2].idle_slow =
		200000; /* one core does half of all work: 3 cores would leave it with more than it can do */
	assert_int_equal(until_change(10000), -1);
	cores[0][2].idle_slow = 800000;
	assert_int_equal(until_change(10000), 4100);
	assert_int_equal(g->cores, 2);
}

/* Work for 0.6 cores makes queues on one core, though none on two: one shrink after the other is regretted. */
static void test_regret(void **state)
{
	struct policy_guest *g = add(2, 1, 2, 50);
	int64_t hold = 4000;

	(void)state;
	for (unsigned i = 0; i < 7; i++) {
		say(g, 0, 30);
		assert_in_range(until_change(200000), hold, hold + 300);
		assert_int_equal(g->cores, 1);
		say(g, 100, 60);
		cores[0][0].idle_fast = 100000;
		assert_true(until_change(1000) > 0);
		hold = hold * 2 < limits.shrink_hold_max_ms ? hold * 2 : limits.shrink_hold_max_ms;
	}
	assert_int_equal(states[0].shrink_hold_ms, limits.shrink_hold_max_ms);
	/* With more work than before it is none, and forgiven by halves. */
	for (unsigned i = 0; i < 2; i++) {
		say(g, 0, 30);
		assert_true(until_change(200000) >= hold);
		if (i == 0)
			say(g, 100, 100); /* nobody knows how much */
		else
			say(g, 0, 89);
		assert_true(until_change(3000) > 0);
		hold /= 2;
		assert_int_equal(states[0].shrink_hold_ms, hold);
	}
}

static void test_by_others(void **state)
{
	struct policy_guest *g = add(4, 1, 8, 50);

	(void)state;
	say(g, 0, 5);
	for (unsigned i = 0; i < 35; i++)
		assert_false(look());
	g->cores = g->present = 8; /* by hand, and auto all the same */
	assert_int_equal(until_change(10000), 4100);
	/* While a change is under way nothing is decided, and what is decided is counted. */
	g->is_settled = false;
	say(g, 500, 100);
	assert_int_equal(until_change(10000), -1);
	g->is_settled = true;
	g->is_auto = false;
	assert_int_equal(until_change(10000), -1);
}

static void test_failures(void **state)
{
	struct policy_guest *g = add(1, 1, 8, 50);

	(void)state;
	say(g, 500, 100);
	assert_true(until_change(1000) > 0);
	g->cores = 1;
	policy_failed(&states[0], now);
	assert_true(until_change(10000) > 4900);
	g->cores = 1;
	policy_failed(&states[0], now);
	for (unsigned i = 0; i < 95; i++) {
		assert_false(look());
		assert_true(g->choice.held == POLICY_HELD_FAILED || i < 2);
	}
	assert_true(until_change(1000) > 0);
	policy_done(&states[0]);
	assert_true(until_change(1000) > 0);
}

static void test_bounds(void **state)
{
	struct policy_guest *g = add(1, 3, 8, 50);

	(void)state;
	say(g, 0, 50);
	assert_true(look());
	assert_int_equal(g->cores, 3);
	assert_int_equal(g->choice.signal, POLICY_BOUNDS);
	g->max = 2;
	g->min = 1;
	assert_true(look());
	assert_int_equal(g->cores, 2);
}

static void test_unplug(void **state)
{
	struct policy_guest *g = add(4, 2, 8, 50);

	(void)state;
	say(g, 0, 5);
	assert_int_equal(until_change(5000), 4100);
	assert_int_equal(g->present, 4);
	for (unsigned i = 0; i < 98; i++) {
		look();
		assert_int_equal(g->present, 4);
	}
	for (unsigned i = 0; i < 3; i++)
		look();
	assert_int_equal(g->present, 2);
	/* Under emulation a vCPU costs one of a few: six times as long. */
	policed_setup(NULL);
	policy_defaults(&limits, true);
	g = add(4, 2, 8, 50);
	say(g, 0, 5);
	until_change(5000);
	for (unsigned i = 0; i < 590; i++) {
		look();
		assert_int_equal(g->present, 4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_grow_by_queue, policed_setup),
		cmocka_unit_test_setup(test_threshold_is_more_than, policed_setup),
		cmocka_unit_test_setup(test_no_growth_without_reason, policed_setup),
		cmocka_unit_test_setup(test_long_turns, policed_setup),
		cmocka_unit_test_setup(test_grow_by_delay, policed_setup),
		cmocka_unit_test_setup(test_grow_by_work, policed_setup),
		cmocka_unit_test_setup(test_shrink, policed_setup),
		cmocka_unit_test_setup(test_shrink_to_the_peak, policed_setup),
		cmocka_unit_test_setup(test_skewed_groups, policed_setup),
		cmocka_unit_test_setup(test_regret, policed_setup),
		cmocka_unit_test_setup(test_by_others, policed_setup),
		cmocka_unit_test_setup(test_failures, policed_setup),
		cmocka_unit_test_setup(test_bounds, policed_setup),
		cmocka_unit_test_setup(test_unplug, policed_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
