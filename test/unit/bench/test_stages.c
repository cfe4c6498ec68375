/* SPDX-License-Identifier: MIT */
/* To which stage the counting plugin gives what a turn of the loop cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bench/plugin/stages.h"

static struct stages s;
static uint64_t instructions;

static int setup(void **state)
{
	(void)state;
	s = (struct stages){ .now = 0 };
	instructions = 0;
	return 0;
}

/* @cost instructions, then marker @stage. */
static bool mark(unsigned cost, unsigned stage)
{
	instructions += cost;
	return stages_mark(&s, stage, instructions);
}

static void check_sum(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < STAGES; i++)
		sum += stages_read(&s, i, instructions);
	assert_int_equal(sum, instructions);
}

static void test_turn_with_work(void **state)
{
	(void)state;
	mark(5, STAGE_FIRST);
	mark(10, 4);
	mark(20, 5);
	assert_false(mark(40, STAGE_FIRST));
	assert_int_equal(stages_read(&s, 0, instructions), 5);
	assert_int_equal(stages_read(&s, STAGE_FIRST, instructions), 10);
	assert_int_equal(stages_read(&s, 4, instructions), 20);
	assert_int_equal(stages_read(&s, 5, instructions), 40);
	check_sum();
}

static void test_turn_that_found_nothing(void **state)
{
	(void)state;
	mark(0, STAGE_FIRST);
	mark(10, 4);
	mark(20, STAGE_FIRST);
	mark(100, 4);
	assert_true(mark(200, STAGE_NOTHING));
	mark(7, STAGE_FIRST); /* what the last one did belongs to the turn before */
	mark(1, 4);
	assert_int_equal(stages_read(&s, STAGE_FIRST, instructions), 11);
	assert_int_equal(stages_read(&s, 4, instructions), 20);
	assert_int_equal(stages_read(&s, STAGE_NOTHING, instructions), 307);
	check_sum();
}

static void test_busy_turn_keeps_its_stages(void **state)
{
	(void)state;
	mark(0, STAGE_FIRST);
	mark(4, STAGE_BUSY);
	mark(6, 4);
	assert_false(mark(20, STAGE_NOTHING));
	mark(3, STAGE_FIRST);
	assert_int_equal(stages_read(&s, STAGE_FIRST, instructions), 10);
	assert_int_equal(stages_read(&s, 4, instructions), 20);
	assert_int_equal(stages_read(&s, STAGE_NOTHING, instructions), 3);
	assert_int_equal(stages_read(&s, STAGE_BUSY, instructions), 0);
	assert_true(mark(1, STAGE_NOTHING)); /* of the next turn nothing is remembered */
	check_sum();
}

static void test_read_within_a_stage(void **state)
{
	(void)state;
	mark(0, STAGE_FIRST);
	instructions += 9;
	assert_int_equal(stages_read(&s, STAGE_FIRST, instructions), 9);
	assert_int_equal(stages_read(&s, 4, instructions), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_turn_with_work, setup),
		cmocka_unit_test_setup(test_turn_that_found_nothing, setup),
		cmocka_unit_test_setup(test_busy_turn_keeps_its_stages, setup),
		cmocka_unit_test_setup(test_read_within_a_stage, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
