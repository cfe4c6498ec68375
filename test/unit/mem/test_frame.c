/* SPDX-License-Identifier: MIT */
/* Boot-time memory against a map of its bytes: nothing is handed out twice, nothing reserved is handed out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "kernel/mem/frame.h"

#define MIB 0x100000ull
#define PAGES 16384u /* model of 64 MiB, a byte a page */

enum page { PAGE_NONE, PAGE_FREE, PAGE_RESERVED, PAGE_TAKEN };

static uint8_t model[PAGES];

static void model_set(pa_t pa, uint64_t bytes, enum page what)
{
	for (uint64_t p = pa / PAGE_BYTES; p < (pa + bytes) / PAGE_BYTES && p < PAGES; p++)
		model[p] = (uint8_t)what;
}

static void start(const struct boot_info *boot)
{
	frame_init(boot);
	memset(model, PAGE_NONE, sizeof(model));
	for (unsigned i = 0; i < boot->ram_count; i++)
		model_set(boot->ram[i].pa, boot->ram[i].bytes, PAGE_FREE);
	model_set(0, boot->kernel_end_pa, PAGE_RESERVED);
}

static void reserve(pa_t pa, uint64_t bytes)
{
	frame_reserve(pa, bytes);
	model_set(pa, bytes, PAGE_RESERVED);
}

/* Takes a piece and checks it against the model. */
static pa_t take(uint64_t bytes, uint64_t align)
{
	pa_t pa = frame_take(bytes, align);

	if (!pa)
		return 0;
	assert_int_equal(pa % align, 0);
	for (uint64_t p = pa / PAGE_BYTES; p < (pa + bytes) / PAGE_BYTES; p++) {
		assert_true(p < PAGES);
		assert_int_equal(model[p], PAGE_FREE);
		model[p] = PAGE_TAKEN;
	}
	return pa;
}

static const struct boot_info three = { .ram_count = 3,
					.ram = { { 0, 0x9f000 }, { MIB, 23 * MIB }, { 32 * MIB, 32 * MIB } },
					.kernel_end_pa = 10 * MIB };

static void test_borders(void **state)
{
	(void)state;
	start(&three);
	assert_int_equal(frame_end(), 64 * MIB);
	assert_true(frame_is_ram(MIB, 23 * MIB));
	assert_true(frame_is_ram(0x9e000, 0x1000));
	assert_false(frame_is_ram(MIB, 23 * MIB + 1));
	assert_false(frame_is_ram(23 * MIB, 10 * MIB)); /* over a hole */
	assert_false(frame_is_ram(64 * MIB, 1));
	assert_false(frame_is_ram(63 * MIB, UINT64_MAX));
	assert_false(frame_is_ram(UINT64_MAX, 2));
	assert_int_equal(frame_largest(), 32 * MIB);
	assert_int_equal(frame_take(32 * MIB + 1, 1), 0);
	assert_int_equal(frame_take(UINT64_MAX, 1), 0);
	assert_int_equal(frame_take(1, 1ull << 63), 0);
}

/* Never below the kernel's end: page 0, the start page of other cores and the kernel itself lie there. */
static void test_kernel_is_safe(void **state)
{
	(void)state;
	start(&three);
	while (take(PAGE_BYTES, PAGE_BYTES))
		;
	assert_int_equal(frame_largest(), 0);
	for (unsigned p = 0; p < PAGES; p++)
		assert_int_not_equal(model[p], PAGE_FREE);
}

static void test_reserve_shapes(void **state)
{
	static const struct boot_range pieces[] = {
		{ 12 * MIB, MIB }, /* middle */
		{ 10 * MIB, MIB }, /* low end */
		{ 23 * MIB, MIB }, /* high end */
		{ 20 * MIB, 20 * MIB } /* over a hole, part of two ranges */,
		{ 12 * MIB, 2 * MIB }, /* again, and more */
		{ 70 * MIB, MIB },     /* no RAM at all */
		{ 50 * MIB, 0 },       /* nothing */
	};

	(void)state;
	start(&three);
	for (unsigned i = 0; i < ARRAY_COUNT(pieces); i++)
		reserve(pieces[i].pa, pieces[i].bytes);
	while (take(MIB, MIB))
		;
	while (take(PAGE_BYTES, PAGE_BYTES))
		;
	for (unsigned p = 0; p < PAGES; p++)
		assert_int_not_equal(model[p], PAGE_FREE);
}

static void test_random(void **state)
{
	(void)state;
	srand(6);
	for (unsigned round = 0; round < 300; round++) {
		uint64_t total = 0;

		start(&three);
		for (int n = rand() % 9; n > 0; n--) /* the parts of an image */
			reserve((uint64_t)(rand() % PAGES) * PAGE_BYTES, (uint64_t)(rand() % 300) * PAGE_BYTES);
		for (unsigned n = 0; n < 300; n++)
			take((uint64_t)(1 + rand() % 16) * PAGE_BYTES, rand() % 8 ? PAGE_BYTES : HUGE_BYTES);
		while (take(PAGE_BYTES, PAGE_BYTES))
			;
		for (unsigned p = 0; p < PAGES; p++)
			total += model[p] == PAGE_FREE;
		/* The table of pieces is bounded; what is given up when it is full is little. */
		assert_in_range(total, 0, PAGES / 20);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_borders),
		cmocka_unit_test(test_kernel_is_safe),
		cmocka_unit_test(test_reserve_shapes),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
