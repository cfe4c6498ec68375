/* SPDX-License-Identifier: MIT */
/* A fault of ring 3 as the host finds it, and how long the memory stays: until the host has it, a second at most. */
#include "kernel/abi/exit.h"
#include "kernel/base/log.h"
#include "kernel/cpu/trap.h"
#include "test/fake/cpu.h"
#include "test/fake/machine.h"
#include "test/unit/ctl/world.h"

#define PARTITION_BYTES 0x10000u
#define WRITABLE_OFF 0x3000u

static uint8_t partition[PARTITION_BYTES], stacks[64 * IX_STACK_BYTES];
static const struct trap_frame frame = { .r15 = 1,
					 .r14 = 2,
					 .r13 = 3,
					 .r12 = 4,
					 .r11 = 5,
					 .r10 = 6,
					 .r9 = 7,
					 .r8 = 8,
					 .rdi = 9,
					 .rsi = 10,
					 .rbp = 11,
					 .rbx = 12,
					 .rdx = 13,
					 .rcx = 14,
					 .rax = 15,
					 .vector = TRAP_PF,
					 .error = 6,
					 .rip = 0x400123,
					 .cs = SEL_USER_CODE,
					 .rflags = 0x202,
					 .rsp = 0x7000,
					 .ss = SEL_USER_DATA };

static void sink(const char *text, size_t bytes)
{
	(void)text;
	(void)bytes;
}

static int begin(void **state)
{
	(void)state;
	world_begin();
	log_init(sink);
	user_partition = (struct user_partition){
		.data = partition, .bytes = PARTITION_BYTES, .writable_off = WRITABLE_OFF, .stacks = stacks, .cores = 2
	};
	fake_msr[0] = 0xf5f5;
	world_start();
	return 0;
}

static int end(void **state)
{
	(void)state;
	fake_now += 2000 * (tsc_t)WORLD_MS;
	assert_false(ctl_is_holding()); /* of the next test */
	world_end();
	return 0;
}

static void fault(uint32_t how)
{
	world.is_ending = true;
	world.on_fault(&frame, how, false);
	assert_int_equal(world_crash()->sequence % 2, 1); /* not yet to be read */
	log_line("page fault at %x", 0x123u);
	world.on_fault(&frame, how, true);
	log_line("of no interest to it");
}

static void test_what_is_kept(void **state)
{
	const struct ix_page_crash *c = world_crash();
	const struct ix_page_registers *r = &c->registers;

	(void)state;
	fake_core_count = 4;
	percore_id = 3;
	fault(USER_END_FAULT);
	percore_id = 0;
	assert_int_equal(c->sequence % 2, 0);
	assert_int_equal(c->count, 1);
	assert_int_equal(c->is_held, 1);
	assert_int_equal(c->core, 3);
	assert_int_equal(c->how, IX_EXIT_FAULT);
	assert_int_equal(c->vector, TRAP_PF);
	assert_int_equal(c->error, 6);
	assert_int_equal(c->address, 0xdead000);
	assert_int_equal(r->r15, 1);
	assert_int_equal(r->r8, 8);
	assert_int_equal(r->rdi, 9);
	assert_int_equal(r->rax, 15);
	assert_int_equal(r->rip, 0x400123);
	assert_int_equal(r->rsp, 0x7000);
	assert_int_equal(r->eflags, 0x202);
	assert_int_equal(r->fs_base, 0xf5f5);
	assert_int_equal(r->cs & 3, 3);
	assert_int_equal(c->text_bytes, strlen("page fault at 123\n"));
	assert_memory_equal(c->text, "page fault at 123\n", c->text_bytes);
}

static void test_ranges(void **state)
{
	const struct ix_page_range *r = world_crash()->range;

	(void)state;
	fault(USER_END_FAULT);
	assert_int_equal(world_crash()->range_count, 4);
	assert_int_equal(r[0].va, IX_PARTITION_VA);
	assert_int_equal(r[0].pa, (uintptr_t)partition);
	assert_int_equal(r[0].bytes, WRITABLE_OFF);
	assert_int_equal(r[0].flags, 5);
	assert_int_equal(r[1].va, IX_PARTITION_VA + WRITABLE_OFF);
	assert_int_equal(r[1].bytes, PARTITION_BYTES - WRITABLE_OFF);
	assert_int_equal(r[1].flags, 6);
	assert_int_equal(r[3].va, IX_STACK_VA + IX_STACK_STRIDE);
	assert_int_equal(r[3].pa, (uintptr_t)stacks + IX_STACK_BYTES);
	user_partition.cores = 64; /* more than there is room for: as many as fit */
	fault(USER_END_FAULT);
	assert_int_equal(world_crash()->range_count, IX_PAGE_CRASH_RANGES);
}

static void test_seen(void **state)
{
	(void)state;
	assert_false(ctl_is_holding());
	fault(USER_END_FAULT);
	assert_true(ctl_is_holding());
	fake_now += 10 * WORLD_MS;
	assert_true(ctl_is_holding());
	world_say(IX_PAGE_CRASH_SEEN, 0, 0); /* heard even by a core whose loop does not turn */
	assert_false(ctl_is_holding());
	assert_int_equal(world_crash()->is_held, 0);
	assert_int_equal(world_crash()->count, 1); /* the report stays */
	assert_int_equal(world_crash()->sequence % 2, 0);
}

static void test_time_out(void **state)
{
	(void)state;
	fault(USER_END_WATCHDOG);
	assert_int_equal(world_crash()->how, IX_EXIT_WATCHDOG);
	fake_now += 999 * (tsc_t)WORLD_MS;
	assert_true(ctl_is_holding());
	fake_now += 2 * WORLD_MS;
	assert_false(ctl_is_holding());
	assert_false(ctl_is_holding());
	assert_int_equal(world_crash()->is_held, 0);
}

/* What was seen of the first is not said of the second. */
static void test_again(void **state)
{
	(void)state;
	fault(USER_END_FAULT);
	world_say(IX_PAGE_CRASH_SEEN, 0, 0);
	assert_false(ctl_is_holding());
	fault(USER_END_FAULT);
	assert_int_equal(world_crash()->count, 2);
	assert_true(ctl_is_holding());
}

/* A report longer than there is room for. */
static void test_long_report(void **state)
{
	(void)state;
	world.on_fault(&frame, USER_END_FAULT, false);
	for (unsigned i = 0; i < 1000; i++)
		log_line("%u a line of some length, as a backtrace has them", i);
	world.on_fault(&frame, USER_END_FAULT, true);
	assert_in_range(world_crash()->text_bytes, IX_PAGE_CRASH_TEXT - 100, IX_PAGE_CRASH_TEXT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_kept), TEST(test_ranges), TEST(test_seen),
		TEST(test_time_out),     TEST(test_again),  TEST(test_long_report),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
