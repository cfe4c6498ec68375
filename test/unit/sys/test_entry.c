/* SPDX-License-Identifier: MIT */
/* Entries by number: what reaches user and cpu, what the console lets through, and what is refused. */
#include <string.h>
#include "test/unit/sys/world.h"

#define AT (IX_PARTITION_VA + 0x3000)

static void check_console(const char *in, size_t bytes, const char *out)
{
	memcpy(world_at(AT), in, bytes);
	world.console_bytes = 0;
	assert_int_equal(world_entry(IX_CONSOLE, AT, bytes, 0), bytes);
	assert_int_equal(world.console_bytes, bytes);
	assert_memory_equal(world.console, out, bytes);
}

static void test_console(void **state)
{
	(void)state;
	check_console("hello\tworld\n", 12, "hello\tworld\n");
	check_console("\x1b[31mred", 8, "?[31mred");
	check_console("a\rb\bc\x07\x00\x7f", 9, "a?b?c????");
	check_console("caf\xc3\xa9 \xe2\x82\xac", 9, "caf\xc3\xa9 \xe2\x82\xac");
	check_console("\x9b[31m", 5, "?[31m");         /* CSI as one byte */
	check_console("\xc2\x9b[31m", 6, "\xc2?[31m"); /* CSI as UTF-8 */
	check_console("\x9b", 1, "?");                 /* its second half in a call of its own */
	check_console("\xc2\xa0", 2, "\xc2\xa0");
}

static void test_console_lengths(void **state)
{
	(void)state;
	memset(world_at(AT), 'x', 0x3000);
	assert_int_equal(world_entry(IX_CONSOLE, AT, 0, 0), 0);
	assert_int_equal(world.console_bytes, 0);
	for (unsigned bytes = 510; bytes < 515; bytes++)
		assert_int_equal(world_entry(IX_CONSOLE, AT, bytes, 0), bytes);
	world.console_bytes = 0;
	assert_int_equal(world_entry(IX_CONSOLE, AT, 4097, 0), 4096);
	assert_int_equal(world.console_bytes, 4096);
	world.console_bytes = 0;
	assert_int_equal(world_entry(IX_CONSOLE, AT, UINT64_MAX, 0), 4096);
	assert_int_equal(world_entry(IX_CONSOLE, IX_RX_VA, 100, 0), 100); /* what ring 3 may read it may show */
}

static void test_console_bad_addresses(void **state)
{
	static const uint64_t bad[] = { 0,
					IX_PARTITION_VA - 1,
					WORLD_END - 4,
					WORLD_END,
					UINT64_MAX,
					IX_CALL_ARRAY_VA,
					IX_INFO_VA,
					IX_STACK_VA + IX_STACK_BYTES - 4,
					0xffff800000000000ull,
					0xffffffff80200000ull };

	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(bad); i++)
		assert_int_equal(world_entry(IX_CONSOLE, bad[i], 8, 0), IX_BAD_ADDRESS);
	assert_int_equal(world.console_bytes, 0);
	assert_int_equal(world_entry(IX_CONSOLE, WORLD_END - 8, 8, 0), 8);
}

static void test_numbers(void **state)
{
	const struct user_call run_io = { .number = IX_RUN_IO }, leave = { .number = IX_EXIT, .arg = { 77 } };
	uint64_t result = 1;

	(void)state;
	assert_false(sys_entry(&run_io, &result));
	assert_int_equal(world.exits, 0);
	assert_false(sys_entry(&leave, &result));
	assert_int_equal(world.exits, 1);
	assert_int_equal(world.exit_status, 77);
	assert_int_equal(world_entry(IX_UPCALL, 1, 2, 3), IX_UNSUPPORTED);
	assert_int_equal(world_entry(IX_ENTRY_NR, 1, 2, 3), IX_BAD_CALL);
	assert_int_equal(world_entry(UINT64_MAX, 1, 2, 3), IX_BAD_CALL);
	assert_int_equal(world_entry(1ull << 32 | IX_EXIT, 1, 2, 3), IX_BAD_CALL); /* no number is cut to 32 bits */
	assert_int_equal(world.exits, 1);
}

static void test_call(void **state)
{
	(void)state;
	world.calls->calls[0] = (struct ix_call){ .op = IX_OP_CLOSE, .handle = 5 };
	world.calls->calls[1] = (struct ix_call){ .op = 999 };
	world.calls->count = 2;
	assert_int_equal(world_entry(IX_CALL, 0, 0, 0), 2);
	assert_int_equal(fake_net.calls, 1);
	assert_int_equal(world_entry(IX_CALL, 0, 0, 0), 0);
}

static void test_wake(void **state)
{
	(void)state;
	assert_false(sys_wake_take());
	assert_int_equal(world_entry(IX_WAKE, 1, 0, 0), IX_OK);
	assert_int_equal(world.wakes, 1);
	assert_int_equal(world.woken, 1);
	assert_int_equal(world_entry(IX_WAKE, 1, 0, 0), IX_OK);
	assert_int_equal(world.wakes, 1); /* the first is still to be taken */
	assert_false(sys_wake_take());
	percore_id = 1;
	assert_true(sys_wake_take());
	assert_false(sys_wake_take());
	assert_int_equal(world_entry(IX_WAKE, 1, 0, 0), IX_OK); /* oneself: no interrupt */
	assert_int_equal(world.wakes, 1);
	assert_true(sys_wake_take());
	percore_id = 0;
	assert_int_equal(world_entry(IX_WAKE, WORLD_CORES, 0, 0), IX_BAD_CALL);
	assert_int_equal(world_entry(IX_WAKE, UINT64_MAX, 0, 0), IX_BAD_CALL);
	assert_int_equal(world_entry(IX_WAKE, 1ull << 32, 0, 0), IX_BAD_CALL);
	assert_int_equal(world.wakes, 1);
}

/* Who wakes a core that parks is told so at once, and none is lost between. */
static void test_wake_parked(void **state)
{
	(void)state;
	assert_int_equal(world_entry(IX_WAKE, 1, 0, 0), IX_OK);
	percore_id = 1;
	assert_false(sys_wake_refuse(false));
	assert_true(sys_wake_take());
	assert_true(sys_wake_refuse(false));
	percore_id = 0;
	assert_int_equal(world_entry(IX_WAKE, 1, 0, 0), IX_UNREACHABLE); /* it still runs, and is about to sleep */
	world.absent = 2;
	assert_int_equal(world_entry(IX_WAKE, 1, 0, 0), IX_UNREACHABLE);
	assert_int_equal(world.wakes, 1);
	world.absent = 0;
	percore_id = 1;
	assert_false(sys_wake_take());
	sys_wake_accept();
	assert_false(sys_wake_take());
	percore_id = 0;
	assert_int_equal(world_entry(IX_WAKE, 1, 0, 0), IX_OK);
	assert_int_equal(world.wakes, 2);
	percore_id = 1;
	sys_wake_accept(); /* it has been waiting for somebody to take it */
	assert_true(sys_wake_refuse(true));
	sys_wake_accept();
	assert_false(sys_wake_take());
	percore_id = 0;
}

static void test_start_and_fs(void **state)
{
	(void)state;
	assert_int_equal(world_entry(IX_START, 1, AT, 9), IX_OK);
	assert_int_equal(world.starts, 1);
	assert_int_equal(world.start[0], 1);
	assert_int_equal(world.start[1], AT);
	assert_int_equal(world.start[2], 9);
	assert_int_equal(world_entry(IX_START, 1ull << 32 | 1, AT, 9), IX_BAD_CALL);
	assert_int_equal(world_entry(IX_START, UINT64_MAX, AT, 9), IX_BAD_CALL);
	assert_int_equal(world.starts, 1);
	world.status = IX_IN_USE;
	assert_int_equal(world_entry(IX_START, 1, AT, 9), IX_IN_USE);
	world.status = IX_BAD_ADDRESS;
	assert_int_equal(world_entry(IX_SET_FS, 1ull << 63, 0, 0), IX_BAD_ADDRESS);
	assert_int_equal(world.fs_base, 1ull << 63); /* judged by user, which knows ring 3's half */
	world.status = IX_OK;
	assert_int_equal(world_entry(IX_SET_FS, AT, 0, 0), IX_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_console, world_reset),
		cmocka_unit_test_setup(test_console_lengths, world_reset),
		cmocka_unit_test_setup(test_console_bad_addresses, world_reset),
		cmocka_unit_test_setup(test_numbers, world_reset),
		cmocka_unit_test_setup(test_call, world_reset),
		cmocka_unit_test_setup(test_wake, world_reset),
		cmocka_unit_test_setup(test_wake_parked, world_reset),
		cmocka_unit_test_setup(test_start_and_fs, world_reset),
	};

	return cmocka_run_group_tests(tests, world_init, NULL);
}
