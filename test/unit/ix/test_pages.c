/* SPDX-License-Identifier: MIT */
/*
 * The heap's pages: what is taken is zero and nobody else's, the break and the ranges never meet.
 */
#include "lib/libc/pages.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define PAGES 1000

static struct pages heap;
static unsigned char *memory;

static int begin(void **state)
{
	(void)state;
	memory = aligned_alloc(PAGE_BYTES, PAGES * PAGE_BYTES);
	assert_non_null(memory);
	memset(memory, 0, PAGES * PAGE_BYTES);
	pages_init(&heap, memory, PAGES * PAGE_BYTES);
	return 0;
}

static int end(void **state)
{
	(void)state;
	free(memory);
	return 0;
}

static int is_all(const unsigned char *at, size_t bytes, unsigned char value)
{
	for (size_t i = 0; i < bytes; i++)
		if (at[i] != value)
			return 0;
	return 1;
}

static void ranges_are_disjoint_and_zero(void **state)
{
	static struct {
		unsigned char *at;
		size_t n;
	} have[64];

	(void)state;
	srandom(2);
	for (unsigned turn = 0; turn < 3000; turn++) {
		unsigned i = (unsigned)random() % 64;

		if (have[i].at) {
			assert_true(is_all(have[i].at, have[i].n * PAGE_BYTES, (unsigned char)(i + 1)));
			assert_int_equal(pages_give(&heap, have[i].at, have[i].n), 0);
			have[i].at = NULL;
			continue;
		}
		have[i].n = 1 + (size_t)random() % (random() % 8 ? 4 : 150);
		have[i].at = pages_take(&heap, have[i].n);
		if (!have[i].at)
			continue;
		assert_true(is_all(have[i].at, have[i].n * PAGE_BYTES, 0));
		memset(have[i].at, (int)i + 1, have[i].n * PAGE_BYTES);
	}
}

static void all_of_it_can_be_taken_and_no_more(void **state)
{
	unsigned n = 0;

	(void)state;
	while (pages_take(&heap, 1))
		n++;
	assert_int_equal(n, PAGES - 1); /* the bits take one page */
	assert_null(pages_take(&heap, 1));
	assert_int_equal(pages_give(&heap, memory + PAGE_BYTES, PAGES - 1), 0);
	assert_non_null(pages_take(&heap, PAGES - 1));
}

static void what_is_not_a_range_is_refused(void **state)
{
	unsigned char *at = pages_take(&heap, 2);

	(void)state;
	assert_null(pages_take(&heap, 0));
	assert_null(pages_take(&heap, SIZE_MAX));
	assert_int_equal(pages_give(&heap, memory, 1), -1);
	assert_int_equal(pages_give(&heap, at + 1, 1), -1);
	assert_int_equal(pages_give(&heap, at, 0), -1);
	assert_int_equal(pages_give(&heap, at, SIZE_MAX), -1);
	assert_int_equal(pages_give(&heap, memory + PAGES * PAGE_BYTES, 1), -1);
	assert_int_equal(pages_resize(&heap, at, 2, SIZE_MAX), -1);
	pages_init(&heap, memory, PAGE_BYTES);
	assert_null(pages_take(&heap, 1));
}

static void resizing_stays_in_place(void **state)
{
	unsigned char *high = pages_take(&heap, 3), *low = pages_take(&heap, 3);

	(void)state;
	memset(high, 1, 3 * PAGE_BYTES);
	memset(low, 2, 3 * PAGE_BYTES);
	assert_int_equal(pages_resize(&heap, low, 3, 4), -1); /* `high` is in the way */
	assert_int_equal(pages_give(&heap, high, 3), 0);
	assert_int_equal(pages_resize(&heap, low, 3, 5), 0);
	assert_true(is_all(low + 3 * PAGE_BYTES, 2 * PAGE_BYTES, 0));
	assert_int_equal(pages_resize(&heap, low, 5, 1), 0);
	assert_ptr_equal(pages_take(&heap, 5), low + PAGE_BYTES);
}

static void the_break_grows_zeroed_and_stops_at_a_range(void **state)
{
	uintptr_t begin_brk = pages_brk(&heap, 0);
	unsigned char *at;

	(void)state;
	assert_int_equal(pages_brk(&heap, begin_brk + 5000), begin_brk + 5000);
	memset((void *)begin_brk, 7, 5000);
	assert_int_equal(pages_brk(&heap, begin_brk + 100), begin_brk + 100);
	assert_int_equal(pages_brk(&heap, begin_brk + 9000), begin_brk + 9000);
	assert_true(is_all((unsigned char *)begin_brk, 100, 7));
	assert_true(is_all((unsigned char *)begin_brk + 100, 8900, 0));
	assert_int_equal(pages_brk(&heap, begin_brk - 1), begin_brk + 9000);
	at = pages_take(&heap, PAGES - 1 - 3 - 2);
	assert_non_null(at);
	assert_int_equal(pages_brk(&heap, begin_brk + 6 * PAGE_BYTES), begin_brk + 9000);
	assert_int_equal(pages_brk(&heap, begin_brk + 5 * PAGE_BYTES), begin_brk + 5 * PAGE_BYTES);
	assert_int_equal(pages_give(&heap, (void *)begin_brk, 1), -1);
	/* Pages move from the ranges to the break and back, and are zero each time. */
	memset(at, 9, PAGE_BYTES);
	assert_int_equal(pages_give(&heap, at, 1), 0);
	assert_int_equal(pages_brk(&heap, begin_brk + 6 * PAGE_BYTES), begin_brk + 6 * PAGE_BYTES);
	assert_true(is_all(at, PAGE_BYTES, 0));
	memset(at, 9, PAGE_BYTES);
	assert_int_equal(pages_brk(&heap, begin_brk), begin_brk);
	assert_true(is_all(pages_take(&heap, 6), 6 * PAGE_BYTES, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ranges_are_disjoint_and_zero, begin, end),
		cmocka_unit_test_setup_teardown(all_of_it_can_be_taken_and_no_more, begin, end),
		cmocka_unit_test_setup_teardown(what_is_not_a_range_is_refused, begin, end),
		cmocka_unit_test_setup_teardown(resizing_stays_in_place, begin, end),
		cmocka_unit_test_setup_teardown(the_break_grows_zeroed_and_stops_at_a_range, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
