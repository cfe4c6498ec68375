/* SPDX-License-Identifier: MIT */
/* Application timers: never early, one event each, handles that die with it, and a bound. */
#include "kernel/time/time.h"
#include "test/unit/sys/world.h"

#define TICK_NS 16000u

static int arm(ix_handle_t *handle, uint64_t delay_ns, uint64_t cookie)
{
	struct ix_call call = { .op = IX_OP_TIMER_ARM, .handle = *handle, .arg = delay_ns, .len = cookie };
	int status = world_call(&call);

	*handle = call.handle;
	return status;
}

static int cancel(ix_handle_t handle)
{
	struct ix_call call = { .op = IX_OP_TIMER_CANCEL, .handle = handle };

	return world_call(&call);
}

/* Run the clock to @tick and take the events. */
static unsigned run_to(uint64_t tick)
{
	world.now = tick;
	time_run(tick);
	event_begin();
	sys_timer_events();
	return event_count();
}

static void test_fires_once(void **state)
{
	uint64_t start = world.now;
	ix_handle_t h = 0;

	(void)state;
	assert_int_equal(arm(&h, 10 * TICK_NS, 42), IX_OK);
	assert_true(h & IX_HANDLE_TIMER);
	assert_int_equal(run_to(start + 10), 0); /* the present tick may be nearly over */
	assert_int_equal(run_to(start + 11), 1);
	assert_int_equal(world.events->events[0].kind, IX_EV_TIMER);
	assert_int_equal(world.events->events[0].cookie, 42);
	assert_int_equal(world.events->events[0].handle, h);
	assert_int_equal(world.events->events[0].detail, 0);
	assert_int_equal(world.events->events[0].len, 0);
	assert_int_equal(run_to(start + 1000), 0);
	assert_int_equal(cancel(h), IX_BAD_HANDLE); /* gone with its event */
	assert_int_equal(arm(&h, 1, 1), IX_BAD_HANDLE);
	assert_int_equal(h, 0);
}

static void test_delays(void **state)
{
	static const struct {
		uint64_t ns, ticks;
	} rows[] = { { 0, 0 }, { 1, 2 }, { TICK_NS, 2 }, { TICK_NS + 1, 3 }, { 1000000000, 62501 } };
	ix_handle_t h;

	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		uint64_t start = world.now;

		h = 0;
		assert_int_equal(arm(&h, rows[i].ns, i), IX_OK);
		if (rows[i].ticks)
			assert_int_equal(run_to(start + rows[i].ticks - 1), 0);
		assert_int_equal(run_to(start + rows[i].ticks), 1);
	}
	h = 0;
	assert_int_equal(arm(&h, IX_TIMER_NS_MAX, 0), IX_OK);
	assert_int_equal(cancel(h), IX_OK);
	h = 0;
	assert_int_equal(arm(&h, IX_TIMER_NS_MAX + 1, 0), IX_BAD_LENGTH);
	h = 0;
	assert_int_equal(arm(&h, UINT64_MAX, 0), IX_BAD_LENGTH);
}

static void test_arm_again(void **state)
{
	uint64_t start = world.now;
	ix_handle_t h = 0, same;

	(void)state;
	assert_int_equal(arm(&h, 10 * TICK_NS, 1), IX_OK);
	same = h;
	assert_int_equal(arm(&same, 50 * TICK_NS, 2), IX_OK);
	assert_int_equal(same, h);
	assert_int_equal(run_to(start + 40), 0);
	/* Fired but not yet told: armed again it is as if it had not. */
	world.now = start + 60;
	time_run(world.now);
	assert_true(sys_has_events());
	assert_int_equal(arm(&same, 10 * TICK_NS, 3), IX_OK);
	assert_false(sys_has_events());
	assert_int_equal(run_to(start + 65), 0);
	assert_int_equal(run_to(start + 80), 1);
	assert_int_equal(world.events->events[0].cookie, 3);
}

static void test_cancel(void **state)
{
	uint64_t start = world.now;
	ix_handle_t h = 0, fired = 0;

	(void)state;
	assert_int_equal(arm(&h, TICK_NS, 1), IX_OK);
	assert_int_equal(cancel(h), IX_OK);
	assert_int_equal(cancel(h), IX_BAD_HANDLE);
	assert_int_equal(arm(&fired, TICK_NS, 2), IX_OK);
	world.now = start + 10;
	time_run(world.now);
	assert_int_equal(cancel(fired), IX_OK); /* no event follows, though it was due */
	assert_int_equal(run_to(start + 20), 0);
}

static void test_forged(void **state)
{
	ix_handle_t h = 0;

	(void)state;
	assert_int_equal(arm(&h, TICK_NS, 1), IX_OK);
	for (unsigned bit = 0; bit < 64; bit++) {
		assert_int_equal(cancel(h ^ 1ull << bit), IX_BAD_HANDLE);
		ix_handle_t forged = h ^ 1ull << bit;
		assert_int_equal(arm(&forged, 1, 1), IX_BAD_HANDLE);
	}
	assert_int_equal(cancel(0), IX_BAD_HANDLE);
	assert_int_equal(cancel(UINT64_MAX), IX_BAD_HANDLE);
	percore_id = 1; /* another core with the same memory: still not its handle */
	assert_int_equal(cancel(h), IX_BAD_HANDLE);
	percore_id = 0;
	assert_int_equal(cancel(h), IX_OK);
}

static void test_bound(void **state)
{
	static ix_handle_t handles[5000];
	unsigned count = 0;
	ix_handle_t h;

	(void)state;
	while (count < ARRAY_COUNT(handles)) {
		h = 0;
		if (arm(&h, TICK_NS, count) != IX_OK)
			break;
		handles[count++] = h;
	}
	assert_int_equal(count, 4096);
	assert_int_equal(world.calls->calls[0].status, IX_NO_MEMORY);
	assert_int_equal(cancel(handles[1234]), IX_OK);
	h = 0;
	assert_int_equal(arm(&h, TICK_NS, 9), IX_OK);
	assert_int_equal(h >> 32, (handles[1234] >> 32) + 1);
	/* More are due than an event array holds: the rest comes with the next ones, none is lost. */
	world.now += 10;
	time_run(world.now);
	for (unsigned told = 0; told < 4096;) {
		event_begin();
		sys_timer_events();
		assert_int_equal(event_count(), told + IX_EVENTS_MAX <= 4096 ? IX_EVENTS_MAX : 4096 - told);
		told += event_count();
		assert_int_equal(sys_has_events(), told < 4096);
	}
}

static void test_no_memory(void **state)
{
	ix_handle_t h;
	unsigned count = 0;

	(void)state;
	world.no_memory = 1;
	do {
		h = 0;
	} while (arm(&h, TICK_NS, 1) == IX_OK && ++count < 5000);
	assert_int_equal(world.calls->calls[0].status, IX_NO_MEMORY);
	assert_int_equal(count % 64, 0); /* what earlier tests had is used first */
}

static void test_partition_end(void **state)
{
	ix_handle_t h = 0, due = 0;

	(void)state;
	assert_int_equal(arm(&h, 5 * TICK_NS, 1), IX_OK);
	assert_int_equal(arm(&due, 0, 1), IX_OK);
	time_run(world.now);
	world.calls->count = 7;
	sys_partition_end();
	assert_int_equal(world.calls->count, 0);
	assert_false(sys_has_events());
	assert_int_equal(run_to(world.now + 1000), 0);
	assert_int_equal(cancel(h), IX_BAD_HANDLE);
	assert_int_equal(cancel(due), IX_BAD_HANDLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_fires_once, world_reset),
		cmocka_unit_test_setup(test_delays, world_reset),
		cmocka_unit_test_setup(test_arm_again, world_reset),
		cmocka_unit_test_setup(test_cancel, world_reset),
		cmocka_unit_test_setup(test_forged, world_reset),
		cmocka_unit_test_setup(test_no_memory, world_reset),
		cmocka_unit_test_setup(test_bound, world_reset),
		cmocka_unit_test_setup(test_partition_end, world_reset),
	};

	return cmocka_run_group_tests(tests, world_init, NULL);
}
