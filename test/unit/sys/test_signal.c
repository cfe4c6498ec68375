/* SPDX-License-Identifier: MIT */
/* The signal waits for room among the events, and is told once; that the core leaves comes behind all else. */
#include "kernel/event/event.h"
#include "kernel/net/net.h"
#include "kernel/sys/sys.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct ix_event_array events;

static bool has_net_events, has_timers;

bool net_has_events(void)
{
	return has_net_events;
}

bool sys_has_events(void)
{
	return has_timers;
}

static unsigned told(void)
{
	event_begin();
	sys_signal_events();
	return event_count();
}

static void test_core(void **state)
{
	(void)state;
	event_core_init(&events);
	assert_true(sys_core_is_told());
	has_net_events = true;
	sys_core(true);
	assert_int_equal(told(), 0);
	has_net_events = false;
	has_timers = true;
	assert_int_equal(told(), 0);
	assert_false(sys_core_is_told());
	has_timers = false;
	sys_signal();
	assert_int_equal(told(), 2);
	assert_int_equal(events.events[0].kind, IX_EV_SIGNAL);
	assert_int_equal(events.events[1].kind, IX_EV_CORE);
	assert_int_equal(events.events[1].detail, 1);
	assert_true(sys_core_is_told());
	has_timers = true; /* that it is back comes first */
	sys_core(false);
	assert_int_equal(told(), 1);
	assert_int_equal(events.events[0].kind, IX_EV_CORE);
	assert_int_equal(events.events[0].detail, 0);
	assert_int_equal(told(), 0);
}

/* The program is loaded anew meanwhile: it hears nothing of what the one before was told, and all of what comes. */
static void test_core_of_another_life(void **state)
{
	(void)state;
	event_core_init(&events);
	has_net_events = has_timers = false;
	for (unsigned is_late = 0; is_late < 2; is_late++) {
		sys_core(true);
		assert_true(sys_core_is_leaving());
		if (is_late)
			assert_int_equal(told(), 1);
		sys_core_forget();
		assert_false(sys_core_is_leaving());
		assert_true(sys_core_is_told());
		assert_int_equal(told(), 0);
	}
	sys_core(true);
	assert_int_equal(told(), 1);
	assert_int_equal(events.events[0].detail, 1);
	assert_true(sys_core_is_leaving());
	sys_core(false);
	assert_false(sys_core_is_leaving());
	assert_int_equal(told(), 1);
	sys_signal(); /* that it is to finish holds for the next program, too */
	sys_core_forget();
	assert_int_equal(told(), 1);
	assert_int_equal(events.events[0].kind, IX_EV_SIGNAL);
}

static void test_room(void **state)
{
	(void)state;
	event_core_init(&events);
	event_begin();
	sys_signal_events();
	assert_int_equal(event_count(), 0);
	sys_signal();
	sys_signal(); /* twice is once */
	while (event_room())
		event_put(IX_EV_SENT, 0, 1, 2, 0);
	sys_signal_events();
	event_begin();
	sys_signal_events();
	assert_int_equal(event_count(), 1);
	assert_int_equal(events.events[0].kind, IX_EV_SIGNAL);
	event_begin();
	sys_signal_events();
	assert_int_equal(event_count(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_room), cmocka_unit_test(test_core),
					    cmocka_unit_test(test_core_of_another_life) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
