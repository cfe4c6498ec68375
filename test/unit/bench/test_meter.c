/* SPDX-License-Identifier: MIT */
/* The meter of the native port: to which sum a turn of the loop goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "bench/native/meter.h"

#define LONG_TURN 1000000000ull /* ticks: more than this test takes, were it not set back */

struct meter meter;

static int reset(void **state)
{
	(void)state;
	memset(&meter, 0, sizeof(meter));
	meter.disturbed = LONG_TURN;
	meter.begin = cpu_tsc();
	return 0;
}

static void test_turns_that_find_nothing(void **state)
{
	tsc_t from = meter.begin;

	(void)state;
	meter_turn();
	meter_turn();
	assert_int_equal(meter.idle_turns, 2);
	assert_int_equal(meter.idle_tsc, meter.begin - from);
	assert_int_equal(meter.busy_turns + meter.disturbed_turns, 0);
}

static void test_turns_with_work(void **state)
{
	(void)state;
	meter_worked(3);
	meter_worked(0); /* and sent */
	meter_turn();
	meter_crossing();
	meter_turn();
	meter_turn(); /* what the last one did is not this one's */
	assert_int_equal(meter.busy_turns, 2);
	assert_int_equal(meter.busy_frames, 3);
	assert_int_equal(meter.crossings, 1);
	assert_int_equal(meter.idle_turns, 1);
}

static void test_interrupted_turn_takes_its_frames_with_it(void **state)
{
	(void)state;
	meter_worked(5);
	meter.begin -= LONG_TURN + 1;
	meter_turn();
	assert_int_equal(meter.disturbed_turns, 1);
	assert_int_equal(meter.disturbed_frames, 5);
	assert_true(meter.disturbed_tsc > LONG_TURN);
	assert_int_equal(meter.busy_turns + meter.idle_turns, 0);
	meter_worked(2);
	meter_turn();
	assert_int_equal(meter.busy_frames, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_turns_that_find_nothing, reset),
		cmocka_unit_test_setup(test_turns_with_work, reset),
		cmocka_unit_test_setup(test_interrupted_turn_takes_its_frames_with_it, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
