/* SPDX-License-Identifier: MIT */
/* Finding the page, whose pages are not ours, and each core's block: whole at every moment, never going back. */
#include "test/fake/cpu.h"
#include "test/fake/machine.h"
#include "test/unit/ctl/world.h"

static int begin(void **state)
{
	(void)state;
	world_begin();
	return 0;
}

static int end(void **state)
{
	(void)state;
	world_end();
	return 0;
}

static void test_found(void **state)
{
	(void)state;
	world_start();
	world_turn();
	assert_int_equal(world_guest()->state, IX_PAGE_BOOTING);
	assert_memory_equal(world_guest()->id, world_head()->id, 16);
	assert_int_equal(world_core(0)->state, IX_PAGE_CORE_RUNS);
	assert_int_equal(world_core(0)->value[IX_VALUE_TURNS], 1);
}

static void expect_unmanaged(void)
{
	static uint8_t before[IX_PAGE_BYTES];

	memcpy(before, world.page, sizeof(before));
	world_start();
	assert_null(ctl_core.block);
	world_turn();
	ctl_busy(1, 2);
	assert_false(ctl_before_halt(fake_now));
	ctl_after_halt(fake_now);
	assert_false(ctl_is_holding());
	assert_null(world.on_fault);
	assert_memory_equal(world.page, before, sizeof(before)); /* somebody else's memory */
}

static void test_other_shared_memory(void **state)
{
	(void)state;
	world_head()->magic ^= 1;
	expect_unmanaged();
	world_head()->magic ^= 1;
	world_head()->version = IX_PAGE_VERSION + 1;
	expect_unmanaged();
	world_head()->version = IX_PAGE_VERSION;
	world_head()->bytes = IX_PAGE_BYTES / 2;
	expect_unmanaged();
}

/* A device too small to be one, or without the BAR, or none at all; and the right one behind a wrong one. */
static void test_devices(void **state)
{
	struct fake_function *f;

	(void)state;
	fake_pci_reset();
	expect_unmanaged();
	f = fake_pci_add(0, 3, 0, 0x1af4, 0x1110, 0);
	expect_unmanaged();
	fake_pci_bar(f, 2, 0xfd000000, IX_PAGE_BYTES / 2, true);
	expect_unmanaged();
	f = fake_pci_add(0, 4, 0, 0x1af4, 0x1110, 0);
	fake_pci_bar(f, 2, WORLD_PAGE_PA, IX_PAGE_BYTES, true);
	world_start();
	assert_non_null(ctl_core.block);
}

/* What an earlier start left behind, in the middle of a write: counters are even again. */
static void test_after_a_reset(void **state)
{
	(void)state;
	world_guest()->sequence = 7;
	world_guest()->exit_how = 102;
	world_groups()->sequence = 9;
	world_core(0)->sequence = 11;
	world_crash()->sequence = 13;
	world_crash()->count = 3;
	world_start();
	world_turn();
	assert_int_equal(world_guest()->sequence % 2, 0);
	assert_int_equal(world_guest()->exit_how, 0);
	assert_int_equal(world_groups()->sequence % 2, 0);
	assert_int_equal(world_core(0)->sequence % 2, 0);
	assert_int_equal(world_crash()->sequence % 2, 0);
	assert_int_equal(world_crash()->count, 0);
}

static void test_counts(void **state)
{
	uint64_t *v = world_core(0)->value;

	(void)state;
	world_start();
	world.stats = (struct net_stats){ .segments_in = 5,
					  .bad_frames = 2,
					  .bad_csum = 3,
					  .misplaced_dropped = 4,
					  .moving_dropped = 5,
					  .connections = 6 };
	fake_now += WORLD_MS / 2;
	ctl_turn(fake_now, 8, 0); /* before it: half a millisecond of looking for work */
	ctl_busy(3, 4);
	fake_now += WORLD_MS;
	ctl_turn(fake_now, 0, 0);
	assert_int_equal(v[IX_VALUE_TURNS], 2);
	assert_int_equal(v[IX_VALUE_POLL_NS], WORLD_MS / 2);
	assert_int_equal(v[IX_VALUE_BUSY_NS], WORLD_MS);
	assert_int_equal(v[IX_VALUE_BATCHES], 1);
	assert_int_equal(v[IX_VALUE_FRAMES_IN], 8);
	assert_int_equal(v[IX_VALUE_CALLS], 3);
	assert_int_equal(v[IX_VALUE_EVENTS], 4);
	assert_int_equal(v[IX_VALUE_SEGMENTS_IN], 5);
	assert_int_equal(v[IX_VALUE_DROPPED_BAD], 5);
	assert_int_equal(v[IX_VALUE_DROPPED_WALK], 9);
	assert_int_equal(v[IX_VALUE_CONNECTIONS], 6);
	assert_int_equal(v[IX_VALUE_HANDED_OVER], 11);
	assert_int_equal(v[IX_VALUE_WAKES], 12);
	assert_int_equal(v[IX_VALUE_BUFFERS_FREE], 21);
	assert_int_equal(v[IX_VALUE_MEMORY_USED], 23);
	assert_int_equal(world_core(0)->at_us, fake_now / 1000);
}

/* A full batch with more behind it, frames that wait for longer than a turn, and the first of them all. */
static void test_queue(void **state)
{
	uint64_t *v = world_core(0)->value;

	(void)state;
	world_start();
	world_turn();
	assert_int_equal(v[IX_VALUE_FIRST_FRAME], 0);
	for (unsigned i = 0; i < 10000; i++) {
		fake_now += WORLD_MS;
		ctl_turn(fake_now, 64, 192);
	}
	assert_int_equal(v[IX_VALUE_FIRST_FRAME], 5002 * (uint64_t)WORLD_MS + 1);
	assert_int_equal(v[IX_VALUE_DEPTH_FAST], 256 * 256);
	assert_int_equal(v[IX_VALUE_DEPTH_SLOW], 256 * 256);
	/* 256 of which 64 are taken a millisecond: whoever is last waits for four, and nobody longer. */
	assert_in_range(v[IX_VALUE_DELAY_SLOW], 4 * WORLD_MS - 1, 4 * WORLD_MS + 1);
}

/* A core that was parked: the time counts as asleep, what was measured before is of another life. */
static void test_again(void **state)
{
	uint64_t *v = world_core(0)->value;
	tsc_t from;

	(void)state;
	world_start();
	for (unsigned i = 0; i < 100; i++) {
		fake_now += WORLD_MS;
		ctl_turn(fake_now, 64, 192);
	}
	from = fake_now;
	fake_now += 3000 * (tsc_t)WORLD_MS;
	ctl_core_again(from);
	world_turn();
	assert_int_equal(v[IX_VALUE_HALT_NS], 3000 * (uint64_t)WORLD_MS);
	assert_int_equal(v[IX_VALUE_FRAMES_IN], 6400);
	assert_int_equal(v[IX_VALUE_FIRST_FRAME], 0);
	assert_int_equal(v[IX_VALUE_DEPTH_FAST], 0);
	assert_int_equal(v[IX_VALUE_DEPTH_SLOW], 0);
	assert_int_equal(v[IX_VALUE_IDLE_SLOW], 1000000);
	fake_now += WORLD_MS;
	ctl_turn(fake_now, 1, 0);
	assert_int_equal(v[IX_VALUE_FIRST_FRAME], fake_now);
}

/* At most once a millisecond; before a sleep, too, and what was slept is counted as such. */
static void test_period_and_sleep(void **state)
{
	uint32_t before;

	(void)state;
	world_start();
	world_turn();
	before = world_core(0)->sequence;
	for (unsigned i = 0; i < 9; i++) {
		fake_now += WORLD_MS / 10;
		ctl_turn(fake_now, 1, 0);
	}
	assert_int_equal(world_core(0)->sequence, before);
	fake_now += WORLD_MS / 5;
	assert_false(ctl_before_halt(fake_now));
	assert_int_equal(world_core(0)->sequence, before + 2);
	fake_now += 3 * WORLD_MS;
	ctl_after_halt(fake_now - 3 * WORLD_MS);
	ctl_turn(fake_now, 0, 0);
	assert_int_equal(world_core(0)->value[IX_VALUE_HALT_NS], 3 * WORLD_MS);
	/* All time is somebody's. */
	assert_int_equal(world_core(0)->value[IX_VALUE_HALT_NS] + world_core(0)->value[IX_VALUE_BUSY_NS] +
				 world_core(0)->value[IX_VALUE_POLL_NS],
			 fake_now - 5000 * (tsc_t)WORLD_MS);
}

/* Another core writes its own block and nothing else: heartbeat, groups and commands are the boot core's. */
static void test_several_cores(void **state)
{
	static uint8_t before[IX_PAGE_AT_CORES + IX_PAGE_CORE_STRIDE];
	struct ctl_core boot;

	(void)state;
	fake_core_count = 3;
	world_start();
	world_turn();
	boot = ctl_core;
	world_say(IX_PAGE_PING, 0, 0);
	memcpy(before, world.page, sizeof(before));
	percore_id = 2;
	ctl_core = (struct ctl_core){ 0 };
	ctl_core_init();
	world_turn();
	world_turn();
	assert_memory_equal(world.page, before, sizeof(before));
	assert_int_equal(world_core(2)->state, IX_PAGE_CORE_RUNS);
	assert_int_equal(world_core(2)->value[IX_VALUE_TURNS], 2);
	assert_int_equal(world_core(1)->state, IX_PAGE_CORE_ABSENT);
	world.is_rung = true; /* that other core's; nobody looks at the bell there */
	assert_false(ctl_before_halt(fake_now));
	ctl_after_halt(fake_now);
	assert_true(world.is_rung);
	percore_id = 0;
	ctl_core = boot;
	world_turn();
	assert_int_equal(world_answer()->sequence, 1);
	assert_int_equal(world_answer()->value[0], 3);
	assert_int_equal(world_guest()->cores, 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_found),         TEST(test_other_shared_memory),
		TEST(test_devices),       TEST(test_after_a_reset),
		TEST(test_counts),        TEST(test_queue),
		TEST(test_again),         TEST(test_period_and_sleep),
		TEST(test_several_cores),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
