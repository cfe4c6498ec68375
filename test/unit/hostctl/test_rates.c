/* SPDX-License-Identifier: MIT */
/* What `top` makes of two looks at a core's page. */
#include "hostctl/ixd/rates.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static struct ix_page_core core(uint64_t at_us)
{
	struct ix_page_core c = { .state = IX_PAGE_CORE_RUNS, .at_us = at_us };

	return c;
}

static double real(const json_t *row, const char *key)
{
	const json_t *value = json_object_get(row, key);

	assert_true(json_is_number(value));
	return json_number_value(value);
}

static void test_rates(void **state)
{
	static struct ix_page_core before, after;
	json_t *row;

	(void)state;
	before = core(1000000);
	after = core(3000000); /* 2 s */
	before.value[IX_VALUE_FRAMES_IN] = 100;
	after.value[IX_VALUE_FRAMES_IN] = 5100;
	before.value[IX_VALUE_BUSY_NS] = 7;
	after.value[IX_VALUE_BUSY_NS] = 7 + 500000000;
	after.value[IX_VALUE_POLL_NS] = 500000000;
	after.value[IX_VALUE_HALT_NS] = 1000000000;
	before.value[IX_VALUE_DROPPED_BUFFER] = 3;
	after.value[IX_VALUE_DROPPED_BUFFER] = 5;
	after.value[IX_VALUE_DROPPED_WALK] = 2;
	after.value[IX_VALUE_CONNECTIONS] = 64;
	after.value[IX_VALUE_DELAY_SLOW] = 12500;
	after.value[IX_VALUE_BATCH_SLOW] = 640;
	row = rates_row(3, &before, &after);
	assert_int_equal(json_integer_value(json_object_get(row, "core")), 3);
	assert_string_equal(json_string_value(json_object_get(row, "state")), "runs");
	assert_true(real(row, "frames_in_s") == 2500);
	assert_true(real(row, "load") == 0.25);
	assert_true(real(row, "dropped_s") == 2);
	assert_int_equal(json_integer_value(json_object_get(row, "dropped")), 7);
	assert_int_equal(json_integer_value(json_object_get(row, "connections")), 64);
	assert_true(real(row, "delay_us") == 12.5);
	assert_true(real(row, "batch") == 2.5);
	assert_true(real(row, "retransmits_s") == 0);
	json_decref(row);
}

/* No rate is better than one that cannot be. */
static void check_none(const struct ix_page_core *before, const struct ix_page_core *after)
{
	static const char *const keys[] = { "load", "frames_in_s", "segments_out_s", "dropped_s" };
	json_t *row = rates_row(0, before, after);

	for (unsigned i = 0; i < 4; i++)
		assert_true(json_is_null(json_object_get(row, keys[i])));
	assert_true(json_is_integer(json_object_get(row, "connections")));
	json_decref(row);
}

static void test_none(void **state)
{
	static struct ix_page_core absent, before, after;
	json_t *row;

	(void)state;
	before = core(1000);
	after = core(1000);
	check_none(&absent, &after); /* nothing to compare with */
	check_none(&before, &after); /* the core slept */
	after = core(500);
	check_none(&before, &after); /* the guest began anew */
	after = core(2000);
	before.value[IX_VALUE_MOVED] = 1;
	check_none(&before, &after); /* the same, and it has run longer than before by now */
	before.value[IX_VALUE_MOVED] = 0;
	before.value[IX_VALUE_CONNECTIONS] = 9; /* a gauge may get smaller */
	row = rates_row(0, &before, &after);
	assert_true(json_is_null(json_object_get(row, "load"))); /* time of no kind has passed */
	assert_true(real(row, "frames_in_s") == 0);
	json_decref(row);
}

static void test_huge(void **state)
{
	static struct ix_page_core before, after;
	json_t *row;

	(void)state;
	before = core(1);
	after = core(UINT64_MAX);
	for (unsigned i = 0; i < IX_VALUE_NR; i++)
		after.value[i] = UINT64_MAX; /* the page's check lets a stranger count as far as it likes */
	row = rates_row(63, &before, &after);
	assert_true(real(row, "load") <= 1);
	assert_true(json_integer_value(json_object_get(row, "connections")) >= 0);
	assert_true(json_integer_value(json_object_get(row, "dropped")) >= 0);
	json_decref(row);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_huge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
