/* SPDX-License-Identifier: MIT */
/* What is said of the guest as a whole: each state at its time, the last word, who owns which group. */
#include "kernel/abi/exit.h"
#include "kernel/base/types.h"
#include "test/fake/cpu.h"
#include "test/fake/machine.h"
#include "test/unit/ctl/world.h"

static int begin(void **state)
{
	(void)state;
	world_begin();
	world_start();
	return 0;
}

static int end(void **state)
{
	(void)state;
	world_end();
	return 0;
}

static void expect_state(unsigned state)
{
	world_turn();
	assert_int_equal(world_guest()->state, state);
	assert_int_equal(world_guest()->sequence % 2, 0);
}

static void test_facts(void **state)
{
	const struct ix_page_guest *g = world_guest();

	(void)state;
	world.who = (struct net_who){ .address = be32(0x0a4d0005),
				      .prefix = 16,
				      .prefix6 = 64,
				      .address6 = { { be32(0xfd000000), 0, 0, be32(5) } } };
	world_turn();
	assert_memory_equal(g->address, "\x0a\x4d\x00\x05", 4);
	assert_int_equal(g->prefix, 16);
	assert_int_equal(g->address6[0], 0xfd);
	assert_int_equal(g->address6[15], 5);
	assert_int_equal(g->prefix6, 64);
	assert_memory_equal(g->mac, "\x02\x01\x02\x03\x04\x05", 6);
	assert_int_equal(g->cores_min, 1);
	assert_int_equal(g->cores_max, 4);
	assert_int_equal(g->groups, 4);
	assert_int_equal(g->queue_pairs, 2);
	assert_int_equal(g->connections_max, 1000);
	assert_int_equal(g->buffers_total, 22);
	assert_int_equal(g->tsc_khz, 1000000);
	assert_int_equal(g->up_us, fake_now / 1000);
}

static void test_beat(void **state)
{
	uint64_t beat = world_guest()->beat;

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		world_turn();
		assert_true(world_guest()->beat > beat);
		beat = world_guest()->beat;
	}
}

static void test_one_life(void **state)
{
	(void)state;
	expect_state(IX_PAGE_BOOTING);
	world.who.is_ready = true;
	expect_state(IX_PAGE_READY);
	world.is_draining = true;
	expect_state(IX_PAGE_DRAINING);
	world.is_ending = true;
	world.end.how = USER_END_EXIT;
	expect_state(IX_PAGE_STOPPING);
	world.on_exit(3);
	assert_int_equal(world_guest()->state, IX_PAGE_ENDED);
	assert_int_equal(world_guest()->exit_how, 3);
	assert_int_equal(world_guest()->sequence % 2, 0);
}

/* A fault, a restart however quick, ports not yet served, and all is well again. */
static void test_restart(void **state)
{
	(void)state;
	world.who.is_ready = true;
	expect_state(IX_PAGE_READY);
	world.is_ending = true;
	expect_state(IX_PAGE_FAULTED);
	assert_int_equal(world_guest()->restarts, 0);
	world.is_ending = false;
	world.who.is_ready = false;
	ctl_note_restart();
	expect_state(IX_PAGE_FAULTED);
	assert_int_equal(world_guest()->restarts, 1);
	world.who.is_ready = true;
	expect_state(IX_PAGE_READY);
	ctl_note_restart(); /* between two looks */
	expect_state(IX_PAGE_READY);
	assert_int_equal(world_guest()->restarts, 2);
}

/* A panic in the middle of a write: the host must be able to read the last word. */
static void test_last_word_while_writing(void **state)
{
	(void)state;
	world_guest()->sequence |= 1;
	world.on_exit(IX_EXIT_PANIC);
	assert_int_equal(world_guest()->sequence % 2, 0);
	assert_int_equal(world_guest()->state, IX_PAGE_ENDED);
	assert_int_equal(world_guest()->exit_how, IX_EXIT_PANIC);
}

static void test_groups(void **state)
{
	uint32_t sequence;

	(void)state;
	world.groups = IX_PAGE_GROUPS_MAX;
	for (unsigned i = 0; i < IX_PAGE_GROUPS_MAX; i++)
		world.owner[i] = (uint8_t)(i % 3);
	world_turn();
	fake_now += 10 * WORLD_MS;
	world_turn();
	assert_int_equal(world_groups()->count, IX_PAGE_GROUPS_MAX);
	assert_memory_equal(world_groups()->owner, world.owner, sizeof(world.owner));
	sequence = world_groups()->sequence;
	world_turn();
	assert_int_equal(world_groups()->sequence, sequence); /* not in each turn */
	assert_int_equal(sequence % 2, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_facts),
		TEST(test_beat),
		TEST(test_one_life),
		TEST(test_restart),
		TEST(test_last_word_while_writing),
		TEST(test_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
