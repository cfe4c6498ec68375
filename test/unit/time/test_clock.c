/* SPDX-License-Identifier: MIT */
/* Ticks and milliseconds agree with the TSC and with each other; a tick's TSC is not before the tick. */
#include "kernel/cpu/cpu.h"
#include "kernel/time/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

uint64_t cpu_tsc_hz;

static void test_clock_agrees_with_tsc(void **state)
{
	uint64_t tick, ms, seconds;

	(void)state;
	cpu_tsc_hz = 2099998000;
	tick = time_now();
	ms = time_now_ms();
	seconds = cpu_tsc() / cpu_tsc_hz;
	assert_in_range(tick / 62500, seconds ? seconds - 1 : 0, seconds + 1);
	assert_in_range(ms, tick * 16 / 1000, tick * 16 / 1000 + 100);
}

static void test_deadline_is_not_early(void **state)
{
	(void)state;
	for (uint64_t tick = 4; tick < 1ull << 40; tick += tick / 3 + 1) {
		tsc_t at = time_tick_to_tsc(tick);

		assert_true((unsigned __int128)at * 62500 >= (unsigned __int128)tick * cpu_tsc_hz);
		assert_true((unsigned __int128)(at - 2 * cpu_tsc_hz / 62500) * 62500 <
			    (unsigned __int128)tick * cpu_tsc_hz);
	}
	assert_true(time_tick_to_tsc(UINT64_MAX) == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clock_agrees_with_tsc),
		cmocka_unit_test(test_deadline_is_not_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
