/* SPDX-License-Identifier: MIT */
/* Blocks: none is lent twice, none is lost, all come back when the arena was used up. One arena for all tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "kernel/base/err.h"
#include "kernel/mem/mem.h"
#include "test/fake/ram.h"

#define CHUNKS 32u
#define BLOCKS_MAX 70000u

struct held {
	uint8_t *at;
	size_t bytes;
};

static struct held held[BLOCKS_MAX];

static bool take(unsigned i, size_t bytes)
{
	uint8_t *b = mem_alloc(bytes);

	if (!b)
		return false;
	assert_int_equal((uintptr_t)b % ((bytes >= 64 && bytes <= 512) || bytes % 64 == 0 ? 64 : 32), 0);
	held[i] = (struct held){ b, bytes };
	memset(b, (int)(i % 251), bytes);
	return true;
}

/* What was written at take() is still there: nobody else was given these bytes. */
static void give(unsigned i)
{
	for (size_t k = 0; k < held[i].bytes; k++)
		if (held[i].at[k] != i % 251)
			fail_msg("block %u of %zu bytes was overwritten at %zu", i, held[i].bytes, k);
	mem_free(held[i].at);
	held[i].at = NULL;
}

static void test_refused(void **state)
{
	(void)state;
	assert_null(mem_alloc(0));
	assert_null(mem_alloc(MEM_BLOCK_MAX + 1));
	assert_null(mem_alloc(SIZE_MAX));
	mem_free(NULL);
}

static void test_every_size(void **state)
{
	unsigned n = 0;

	(void)state;
	for (size_t bytes = 1; bytes <= MEM_BLOCK_MAX; bytes++)
		assert_true(take(n++, bytes));
	while (n)
		give(--n);
}

static void test_random(void **state)
{
	(void)state;
	srand(7);
	for (unsigned round = 0; round < 300000; round++) {
		unsigned i = (unsigned)rand() % 3000;

		if (held[i].at)
			give(i);
		else
			assert_true(take(i, 1 + (size_t)rand() % MEM_BLOCK_MAX));
	}
	for (unsigned i = 0; i < 3000; i++)
		if (held[i].at)
			give(i);
}

/* Last, because the classes keep what they once got. */
static void test_used_up(void **state)
{
	unsigned first = 0, again = 0;
	size_t used;

	(void)state;
	while (take(first, 1024))
		first++;
	used = mem_slab_used();
	assert_int_equal(used, CHUNKS * HUGE_BYTES);
	assert_null(mem_alloc(1024));
	for (unsigned i = 0; i < first; i++)
		give(i);
	while (take(again, 1024))
		again++;
	assert_int_equal(again, first);
	assert_int_equal(mem_slab_used(), used);
	/* One back, one out, at the very end of the magazines. */
	for (unsigned i = 0; i < 1000; i++) {
		give(i);
		assert_true(take(i, 900));
		assert_null(mem_alloc(1000));
	}
	while (again)
		give(--again);
}

static int start(void **state)
{
	(void)state;
	fake_ram_new((CHUNKS + 2) * HUGE_BYTES);
	assert_int_equal(mem_slab_init(HUGE_BYTES + 1), KERR_INVALID);
	assert_int_equal(mem_slab_init(1ull << 40), KERR_INVALID);
	assert_int_equal(mem_slab_init(4 * CHUNKS * HUGE_BYTES), KERR_NO_MEMORY);
	return mem_slab_init(CHUNKS * HUGE_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_every_size),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_used_up),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
