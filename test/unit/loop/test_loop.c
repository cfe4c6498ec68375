/* SPDX-License-Identifier: MIT */
/*
 * How soon the boot core looks at what the host and the card say while it is never idle: by time, whether a turn takes a
 * microsecond or an application makes it a tenth of a second. All stages are the test's; the clock stands still but for them.
 */
#include "kernel/loop.h"
#include "kernel/conf/conf.h"
#include "kernel/cores/cores.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/start.h"
#include "kernel/ctl/ctl.h"
#include "kernel/event/event.h"
#include "kernel/flow/flow.h"
#include "kernel/net/net.h"
#include "kernel/order/order.h"
#include "kernel/partition.h"
#include "kernel/sys/sys.h"
#include "kernel/time/time.h"
#include "kernel/user/user.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#define MS 1000000ull
#define LOOK_MS 10u

tsc_t fake_now;
PERCORE bool cores_park_is_due;
PERCORE struct ctl_core ctl_core;

static struct {
	uint64_t turn_ns; /* that the application takes */
	unsigned turns, turns_max, looks, checks;
	bool has_frames;
	tsc_t last_look, longest;
	jmp_buf end;
} test;

/* ---- what the loop asks ---- */
unsigned flow_rx(struct buf **out, unsigned max)
{
	(void)out;
	if (test.turns++ == test.turns_max)
		longjmp(test.end, 1);
	return test.has_frames ? max : 0;
}

void net_input(struct buf **frames, unsigned count, bool is_all)
{
	(void)frames;
	(void)is_all;
	if (count)
		fake_now += test.turn_ns;
}

void ctl_look(void)
{
	if (fake_now - test.last_look > test.longest)
		test.longest = fake_now - test.last_look;
	test.last_look = fake_now;
	test.looks++;
}

void nic_check(void)
{
	test.checks++;
}

tsc_t cpu_us_to_tsc(uint64_t us)
{
	return us * 1000;
}

void cpu_halt_until(tsc_t deadline)
{
	fake_now = deadline;
}

/* ---- nothing to do there ---- */
#define NOTHING(name)   \
	void name(void) \
	{               \
	}
#define SAYS(type, name, value) \
	type name(void)         \
	{                       \
		return value;   \
	}
NOTHING(cores_come)
NOTHING(cores_interrupted)
NOTHING(event_begin)
NOTHING(flow_sleep_end)
NOTHING(flow_tx_flush)
NOTHING(net_events)
NOTHING(net_output)
NOTHING(net_tx_reclaim)
NOTHING(order_poll)
NOTHING(partition_come)
NOTHING(partition_poll)
NOTHING(sys_signal_events)
NOTHING(sys_timer_events)
NOTHING(user_round)
SAYS(bool, cores_park, true)
SAYS(tsc_t, cores_parked_at, 0)
SAYS(bool, cpu_is_kvm, false)
SAYS(unsigned, event_count, 0)
SAYS(unsigned, flow_rx_waiting, 0)
SAYS(bool, flow_sleep_begin, false)
SAYS(bool, partition_is_new, false)
SAYS(bool, partition_is_running, true)
SAYS(unsigned, sys_batch, 0)
SAYS(bool, sys_wake_take, false)
SAYS(uint64_t, time_next, UINT64_MAX)
SAYS(bool, user_is_ending, false)
SAYS(bool, user_is_started, true)
SAYS(tsc_t, user_watchdog_tsc, UINT64_MAX)

void ctl_after_halt(tsc_t from)
{
	(void)from;
}

bool ctl_before_halt(tsc_t now)
{
	(void)now;
	return false;
}

void ctl_before_park(tsc_t now)
{
	(void)now;
}

void ctl_core_again(tsc_t from)
{
	(void)from;
}

void ctl_publish(tsc_t now)
{
	(void)now;
}

bool sys_entry(const struct user_call *call, uint64_t *result)
{
	(void)call;
	(void)result;
	return false;
}

unsigned time_run(uint64_t now)
{
	(void)now;
	return 0;
}

uint64_t time_tick_of(tsc_t now)
{
	return now;
}

tsc_t time_tick_to_tsc(uint64_t tick)
{
	return tick;
}

enum user_exit user_run(uint64_t result, struct user_call *call)
{
	(void)result;
	(void)call;
	return USER_FAULT;
}

/* ---- tests ---- */
static void run(uint32_t core, bool has_frames, uint64_t turn_ns, unsigned turns)
{
	static const struct conf conf = { .batch = 64, .poll_us = 0 };

	test.turn_ns = turn_ns;
	test.turns = test.looks = test.checks = 0;
	test.turns_max = turns;
	test.has_frames = has_frames;
	test.longest = 0;
	percore_id = core;
	fake_now += 1000 * MS;
	test.last_look = fake_now;
	loop_init(&conf);
	if (!setjmp(test.end))
		loop_run();
}

static void test_long_turns(void **state)
{
	(void)state;
	run(0, true, 64 * MS, 20);
	assert_in_range(test.looks, 20, 21); /* one each */
	assert_in_range(test.checks, 20, 21);
	assert_true(test.longest <= 64 * MS);
}

static void test_short_turns(void **state)
{
	(void)state;
	run(0, true, MS / 1000, 100000);
	assert_in_range(test.looks, 9, 11); /* and not one each: a look costs exits */
	assert_true(test.longest <= (LOOK_MS + 1) * MS);
}

static void test_idle(void **state)
{
	(void)state;
	run(0, false, 0, 5);
	assert_in_range(test.looks, 5, 6); /* whenever it wakes, once a second at least */
	assert_true(test.longest <= 1000 * MS);
}

static void test_other_cores(void **state)
{
	(void)state;
	run(1, true, 64 * MS, 20);
	run(1, true, MS / 1000, 100000);
	run(1, true, 64 * MS, 20);
	assert_int_equal(test.looks + test.checks, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_long_turns),
		cmocka_unit_test(test_short_turns),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_other_cores),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
