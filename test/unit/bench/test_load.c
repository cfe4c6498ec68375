/* SPDX-License-Identifier: MIT */
/* Quantiles of latencies, functions by address, and a cache that forgets what it should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "bench/load/histogram.h"
#include "bench/plugin/cache.h"
#include "bench/plugin/symbols.h"

static void quantiles_are_within_a_step(void **state)
{
	static struct histogram h;

	(void)state;
	assert_true(histogram_quantile_us(&h, 0.5) == 0);
	for (uint64_t us = 1; us <= 1000; us++)
		histogram_add(&h, us * 1000);
	assert_true(histogram_quantile_us(&h, 0.5) > 485 && histogram_quantile_us(&h, 0.5) <= 502);
	assert_true(histogram_quantile_us(&h, 0.99) > 960 && histogram_quantile_us(&h, 0.99) <= 992);
	assert_true(histogram_quantile_us(&h, 1) > 968 && histogram_quantile_us(&h, 1) <= 1000);
}

static void extremes_have_a_slot(void **state)
{
	static struct histogram h;

	(void)state;
	histogram_add(&h, 0);
	histogram_add(&h, UINT64_MAX);
	assert_int_equal(h.count, 2);
	assert_true(histogram_quantile_us(&h, 0.1) < 1);
	assert_true(histogram_quantile_us(&h, 0.9) > 1e15);
}

static void a_function_reaches_to_the_next(void **state)
{
	static const char text[] = "ffffffff80200010 T second\n"
				   "0000000000400000 t first\n"
				   "ffffffff80600000 D data\n"
				   "no line at all\n"
				   "ffffffff80200040 T third\t[module]\n";
	char path[] = "/tmp/ix-symbols.XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), (int)sizeof(text) - 1);
	close(fd);
	assert_int_equal(symbols_load("/nonexistent"), -1);
	assert_int_equal(symbols_load(path), 3);
	unlink(path);
	assert_string_equal(symbols_name(symbols_find(0x3fffff)), "[other]");
	assert_string_equal(symbols_name(symbols_find(0x400000)), "first");
	assert_string_equal(symbols_name(symbols_find(0xffffffff80200010)), "second");
	assert_string_equal(symbols_name(symbols_find(0xffffffff8020003f)), "second");
	assert_string_equal(symbols_name(symbols_find(UINT64_MAX)), "third");
}

static void merged_samples_count_as_their_own(void **state)
{
	static struct histogram a, b;

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		histogram_add(&a, 1000);
		histogram_add(&b, 1000000);
	}
	histogram_merge(&a, &b);
	assert_int_equal(a.count, 20);
	assert_true(histogram_quantile_us(&a, 0.45) < 2);
	assert_true(histogram_quantile_us(&a, 0.55) > 900);
}

static void a_cache_keeps_what_was_used_last(void **state)
{
	struct cache *c = cache_new();
	const uint64_t way = 64 * 1024; /* between lines of one set */

	(void)state;
	assert_false(cache_touch(c, 0));
	assert_true(cache_touch(c, 63));
	for (uint64_t i = 1; i < 16; i++)
		assert_false(cache_touch(c, i * way));
	assert_true(cache_touch(c, 0));
	assert_false(cache_touch(c, 16 * way)); /* in the place of line 1 */
	assert_true(cache_touch(c, 0));
	assert_true(cache_touch(c, 2 * way));
	assert_false(cache_touch(c, way));
	assert_false(cache_touch(c, 64)); /* another set */
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantiles_are_within_a_step),      cmocka_unit_test(extremes_have_a_slot),
		cmocka_unit_test(a_function_reaches_to_the_next),   cmocka_unit_test(merged_samples_count_as_their_own),
		cmocka_unit_test(a_cache_keeps_what_was_used_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
