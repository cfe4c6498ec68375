/* SPDX-License-Identifier: MIT */
/*
 * The I/O APIC behind its two registers. The fake is plain memory, so it cannot answer by index: what was written last, and
 * where, is all that it knows; its version register reads whatever a test has put into the window.
 */
#include "kernel/base/err.h"
#include "kernel/cpu/start.h"
#include "test/fake/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define PA 0xfec00000u
#define VERSION_24_INPUTS 0x00170020u

static uint32_t registers[8];

static int begin(void **state)
{
	(void)state;
	memset(registers, 0, sizeof(registers));
	fake_mem_reset(SIZE_MAX);
	fake_mem_device(PA, sizeof(registers), registers);
	return 0;
}

static void start(uint32_t first_gsi)
{
	registers[4] = VERSION_24_INPUTS;
	assert_int_equal(ioapic_init(PA, first_gsi), 0);
}

static void test_all_masked(void **state)
{
	(void)state;
	start(0);
	assert_int_equal(registers[0], 0x10 + 2 * 23); /* the last input */
	assert_int_equal(registers[4], 1u << 16);
}

static void test_route(void **state)
{
	(void)state;
	start(0);
	assert_int_equal(ioapic_route(9, 0x23, 5, 0), 0);
	assert_int_equal(registers[0], 0x10 + 2 * 9); /* low half, and with it the mask, last */
	assert_int_equal(registers[4], 0x23);         /* edge, high, fixed, physical, not masked */
	start(16);
	assert_int_equal(ioapic_route(16, 0x22, 0, 0), 0);
	assert_int_equal(registers[0], 0x10);
}

/* Held when it comes, released when somebody has looked; all else about it stays. */
static void test_level(void **state)
{
	(void)state;
	start(0);
	registers[4] = 0xabcd;
	ioapic_hold(); /* nothing is a level yet */
	assert_false(ioapic_is_held());
	ioapic_release();
	assert_int_equal(registers[4], 0xabcd);
	assert_int_equal(ioapic_route(9, 0x23, 0, IOAPIC_LEVEL | IOAPIC_LOW), 0);
	assert_int_equal(registers[4], 0xa023);
	assert_int_equal(ioapic_route(3, 0x22, 0, 0), 0);
	ioapic_hold();
	assert_true(ioapic_is_held());
	assert_int_equal(registers[0], 0x10 + 2 * 9);
	assert_int_equal(registers[4], 0x1a023);
	ioapic_release();
	assert_false(ioapic_is_held());
	assert_int_equal(registers[0], 0x10 + 2 * 9);
	assert_int_equal(registers[4], 0xa023);
	registers[4] = 0xabcd;
	ioapic_release(); /* once is enough */
	assert_int_equal(registers[4], 0xabcd);
	start(0); /* as after a start anew */
	registers[4] = 0xabcd;
	ioapic_hold();
	assert_int_equal(registers[4], 0xabcd);
}

static void test_out_of_range(void **state)
{
	(void)state;
	start(16);
	registers[4] = 0xabcd;
	assert_int_equal(ioapic_route(15, 0x22, 0, 0), KERR_NOT_FOUND);
	assert_int_equal(ioapic_route(40, 0x22, 0, 0), KERR_NOT_FOUND);
	assert_int_equal(ioapic_route(UINT32_MAX, 0x22, 0, 0), KERR_NOT_FOUND);
	assert_int_equal(ioapic_route(16, 0x22, 256, 0), KERR_NOT_FOUND); /* an x2APIC id that does not fit */
	assert_int_equal(registers[4], 0xabcd);
}

static void test_absent(void **state)
{
	(void)state;
	assert_int_equal(ioapic_init(0, 0), KERR_NOT_FOUND);
	assert_int_equal(ioapic_init(0xfed00000, 0), KERR_NOT_FOUND); /* cannot be mapped */
	registers[4] = UINT32_MAX;                                    /* nobody answers */
	assert_int_equal(ioapic_init(PA, 0), KERR_NOT_FOUND);
	assert_int_equal(ioapic_route(3, 0x22, 0, 0), KERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_all_masked, begin), cmocka_unit_test_setup(test_route, begin),
		cmocka_unit_test_setup(test_level, begin),      cmocka_unit_test_setup(test_out_of_range, begin),
		cmocka_unit_test_setup(test_absent, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
