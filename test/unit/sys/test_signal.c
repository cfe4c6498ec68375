/* SPDX-License-Identifier: MIT */
/* The signal waits for room among the events, and is told once. */
#include "kernel/event/event.h"
#include "kernel/sys/sys.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct ix_event_array events;

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
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_room) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
