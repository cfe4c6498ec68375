/* SPDX-License-Identifier: MIT */
/* Guest's half and host's half of one page: each understands what the other writes, now and after a restart. */
#include "hostctl/page/page.h"
#include "kernel/abi/status.h"
#include "kernel/base/log.h"
#include "kernel/cpu/trap.h"
#include "test/fake/cpu.h"
#include "test/fake/machine.h"
#include "test/unit/ctl/world.h"
#include <stdlib.h>
#include <unistd.h>

static struct page *page;

static int begin(void **state)
{
	struct err err = { 0 };

	(void)state;
	world_begin();
	page = page_fresh(dup(world.fd), &err);
	assert_non_null(page);
	world.who = (struct net_who){ .address = 0x0500a4d0, .prefix = 16 };
	return 0;
}

static int end(void **state)
{
	(void)state;
	page_close(page);
	world_end();
	return 0;
}

static void expect(enum page_trust trust, enum page_trust wanted)
{
	if (trust != wanted)
		fail_msg("trust %d: %s", trust, page_why(page));
}

static void test_state(void **state)
{
	struct ix_page_guest g;
	struct ix_page_core c;
	struct ix_page_groups groups;

	(void)state;
	expect(page_guest(page, &g), PAGE_SILENT);
	world_start();
	for (unsigned i = 0; i < 50; i++) {
		fake_now += 2 * WORLD_MS;
		ctl_turn(fake_now, i % 3, 0);
		world.stats.segments_in += i;
		expect(page_guest(page, &g), PAGE_GOOD);
		expect(page_core(page, 0, &c), PAGE_GOOD);
		expect(page_groups(page, &groups), PAGE_GOOD);
	}
	assert_int_equal(c.value[IX_VALUE_TURNS], 50);
	assert_int_equal(groups.count, 4);
	world.on_exit(7);
	expect(page_guest(page, &g), PAGE_GOOD);
	assert_int_equal(g.state, IX_PAGE_ENDED);
	assert_int_equal(g.exit_how, 7);
	assert_int_equal(page_bad_count(page), 0);
}

static void test_commands(void **state)
{
	const uint64_t none[4] = { 0 }, drain[4] = { 1 };
	struct ix_page_answer a;
	uint32_t sequence;

	(void)state;
	world_start();
	world_turn();
	for (unsigned i = 0; i < 5; i++) {
		sequence = page_command(page, i & 1 ? IX_PAGE_DRAIN : IX_PAGE_PING, i & 1 ? drain : none);
		assert_int_not_equal(sequence, 0);
		expect(page_answer(page, sequence, &a), PAGE_SILENT);
		world_turn();
		expect(page_answer(page, sequence, &a), PAGE_GOOD);
		assert_int_equal(a.status, IX_OK);
	}
	assert_true(world.is_draining);
}

static void test_crash(void **state)
{
	static uint8_t memory[0x4000];
	const struct trap_frame frame = { .vector = TRAP_GP, .rip = IX_PARTITION_VA, .cs = SEL_USER_CODE };
	struct ix_page_crash *c = malloc(sizeof(*c));

	(void)state;
	/* The fake's addresses are the host's own: far beyond a guest's memory, which the host's half would not believe. */
	user_partition = (struct user_partition){ .data = (uint8_t *)0x200000,
						  .bytes = sizeof(memory),
						  .writable_off = 0x1000,
						  .stacks = (uint8_t *)0x400000,
						  .cores = 1 };
	world_start();
	world.on_fault(&frame, USER_END_FAULT, false);
	log_line("general protection");
	world.on_fault(&frame, USER_END_FAULT, true);
	expect(page_crash(page, 256u << 20, c), PAGE_GOOD);
	assert_int_equal(c->range_count, 3);
	assert_int_equal(c->vector, TRAP_GP);
	assert_true(ctl_is_holding());
	assert_int_not_equal(page_command(page, IX_PAGE_CRASH_SEEN, (uint64_t[4]){ 0 }), 0);
	assert_false(ctl_is_holding());
	free(c);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = { TEST(test_state), TEST(test_commands), TEST(test_crash) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
