/* SPDX-License-Identifier: MIT */
/*
 * bytes.c against a byte-by-byte model, for every length up to a few words beyond the bulk limit and
 * every alignment, with guard bytes on both sides.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "kernel/base/bytes.h"

#define LENGTH_MAX 200u
#define AREA 512u

static uint8_t area[AREA], model[AREA];

static void fill(uint8_t *to, unsigned seed)
{
	for (unsigned i = 0; i < AREA; i++)
		to[i] = (uint8_t)(seed + i * 37 + i / 7);
}

static void check_same(void)
{
	for (unsigned i = 0; i < AREA; i++)
		assert_int_equal(area[i], model[i]);
}

static void test_memcpy(void **state)
{
	static uint8_t source[AREA];

	(void)state;
	fill(source, 99);
	for (unsigned bytes = 0; bytes <= LENGTH_MAX; bytes++)
		for (unsigned align = 0; align < 64; align++) {
			unsigned to = 16 + align % 8, from = 16 + align / 8;

			fill(area, 1);
			fill(model, 1);
			for (unsigned i = 0; i < bytes; i++)
				model[to + i] = source[from + i];
			assert_ptr_equal(memcpy(area + to, source + from, bytes), area + to);
			check_same();
		}
}

static void test_memmove_overlapping(void **state)
{
	(void)state;
	for (unsigned bytes = 0; bytes <= LENGTH_MAX; bytes += bytes < 40 ? 1 : 13)
		for (int shift = -100; shift <= 100; shift++) {
			unsigned from = 128, to = (unsigned)(128 + shift);

			fill(area, 3);
			fill(model, 3);
			for (unsigned i = 0; i < bytes; i++)
				model[to + i] = area[from + i];
			assert_ptr_equal(memmove(area + to, area + from, bytes), area + to);
			check_same();
		}
}

static void test_memset(void **state)
{
	(void)state;
	for (unsigned bytes = 0; bytes <= LENGTH_MAX; bytes++)
		for (unsigned to = 8; to < 16; to++) {
			fill(area, 5);
			fill(model, 5);
			for (unsigned i = 0; i < bytes; i++)
				model[to + i] = 0xa7;
			assert_ptr_equal(memset(area + to, 0x1a7, bytes), area + to);
			check_same();
		}
}

static void test_memcmp(void **state)
{
	(void)state;
	for (unsigned bytes = 0; bytes <= 40; bytes++) {
		fill(area, 7);
		fill(model, 7);
		assert_int_equal(memcmp(area + 3, model + 3, bytes), 0);
		for (unsigned at = 0; at < bytes; at++) {
			area[3 + at] = 0x80;
			model[3 + at] = 0x7f;
			assert_true(memcmp(area + 3, model + 3, bytes) > 0);
			assert_true(memcmp(model + 3, area + 3, bytes) < 0);
			assert_int_equal(memcmp(area + 3, model + 3, at), 0);
			area[3 + at] = model[3 + at];
		}
	}
}

static void test_strings(void **state)
{
	(void)state;
	assert_int_equal(strlen(""), 0);
	assert_int_equal(strlen("abc"), 3);
	assert_int_equal(strnlen("abc", 2), 2);
	assert_int_equal(strnlen("abc", 9), 3);
	assert_int_equal(strcmp("abc", "abc"), 0);
	assert_true(strcmp("abc", "abd") < 0);
	assert_true(strcmp("abc", "ab") > 0);
	assert_true(strcmp("\xff", "a") > 0);
	assert_int_equal(strncmp("abc", "abd", 2), 0);
	assert_true(strncmp("abc", "abd", 3) < 0);
	assert_int_equal(strncmp("a", "b", 0), 0);
	assert_int_equal(strncmp("a\0x", "a\0y", 3), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memcpy),  cmocka_unit_test(test_memmove_overlapping),
		cmocka_unit_test(test_memset),  cmocka_unit_test(test_memcmp),
		cmocka_unit_test(test_strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
