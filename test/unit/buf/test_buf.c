/* SPDX-License-Identifier: MIT */
/* Receive buffers: none is ever lost or given out twice, on several cores, to the last one; ring 3's ranges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "kernel/buf/buf.c"
#include "test/fake/mem.h"

#define COUNT 2048u
#define CORES 4u

static struct buf_core cores[CORES];
static uint8_t owned[COUNT];

/* The window of core @to instead of @from's. */
static void switch_core(unsigned from, unsigned to)
{
	cores[from] = mine;
	mine = cores[to];
}

static int setup(void **state)
{
	(void)state;
	fake_mem_reset(SIZE_MAX);
	memset(&depot, 0, sizeof(depot));
	mine = (struct buf_core){ &none, &none, 0 };
	for (unsigned c = 0; c < CORES; c++)
		cores[c] = mine;
	memset(owned, 0, sizeof(owned));
	return buf_init(COUNT);
}

static struct buf *take(void)
{
	struct buf *b = buf_alloc();

	if (b)
		assert_int_equal(owned[b->index]++, 0);
	return b;
}

static void give(struct buf *b)
{
	assert_int_equal(owned[b->index]--, 1);
	buf_free(b);
}

static void test_init(void **state)
{
	struct buf *b;

	(void)state;
	assert_int_equal(buf_total(), COUNT);
	assert_int_equal(buf_available(), COUNT);
	assert_true(fake_mapping.va == IX_RX_VA && fake_mapping.bytes == COUNT * 2048ull);
	assert_int_equal(fake_mapping.rights, MAP_USER);
	assert_int_equal(fake_mapping.pa % HUGE_BYTES, 0);
	b = take();
	assert_true(b->pa == mem_pa(b->data) && b->pa == fake_mapping.pa + b->index * 2048ull);
	assert_int_equal(b->off | b->len, 0);
	assert_null(b->next);
	give(b);
	assert_int_equal(buf_init(0), KERR_INVALID);
	assert_int_equal(buf_init(1000), KERR_INVALID);
	fake_mem_reset(1 << 20);
	assert_int_equal(buf_init(1024), KERR_NO_MEMORY);
}

static void test_to_the_last(void **state)
{
	static struct buf *all[COUNT];

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < COUNT; i++) {
			all[i] = take();
			assert_non_null(all[i]);
		}
		assert_null(take());
		assert_int_equal(buf_available(), 0);
		for (unsigned i = 0; i < COUNT; i++)
			give(all[i]);
		assert_int_equal(buf_available(), COUNT);
	}
}

static void test_frame(void **state)
{
	struct buf *first = take(), *second = take();

	(void)state;
	first->next = second;
	buf_free_frame(first);
	buf_free_frame(NULL);
	buf_free(NULL);
	assert_int_equal(buf_available(), COUNT);
}

/* Allocated on any core, freed on any other, with a seeded mix; what idle cores hoard is bounded. */
static void test_cores(void **state)
{
	static struct buf *held[COUNT];
	unsigned count = 0, core = 0, total_free = 0;

	(void)state;
	srand(7);
	for (unsigned i = 0; i < 200000; i++) {
		unsigned next = (unsigned)rand() % CORES;

		switch_core(core, next);
		core = next;
		if (rand() % 100 < (i / 20000 % 2 ? 40 : 60)) {
			struct buf *b = take();

			if (b)
				held[count++] = b;
			else
				assert_true(count >= COUNT - (CORES - 1) * COUNT / 32);
		} else if (count) {
			unsigned which = (unsigned)rand() % count;

			give(held[which]);
			held[which] = held[--count];
		}
	}
	while (count)
		give(held[--count]);
	cores[core] = mine;
	for (unsigned c = 0; c < CORES; c++)
		total_free += cores[c].loaded->count + cores[c].spare->count;
	assert_int_equal(total_free + depot.full_count * magazine_bufs, COUNT);
	assert_true(buf_available() >= COUNT - (CORES - 1) * COUNT / 32);
}

/* Cores sleep with their magazines as they happen to be, and come again: others can have every single buffer meanwhile. */
static void test_parked(void **state)
{
	static struct buf *all[COUNT], *some[COUNT];

	(void)state;
	srand(8);
	for (unsigned round = 0; round < 200; round++) {
		for (unsigned c = 1; c < CORES; c++) {
			unsigned count = 1 + (unsigned)rand() % 200;

			switch_core(0, c);
			for (unsigned i = 0; i < count; i++)
				some[i] = take();
			while (count)
				give(some[--count]);
			buf_park();
			buf_park(); /* it has nothing left */
			switch_core(c, 0);
		}
		assert_int_equal(buf_available(), COUNT);
		for (unsigned i = 0; i < COUNT; i++) {
			all[i] = take();
			assert_non_null(all[i]);
		}
		assert_null(take());
		for (unsigned i = 0; i < COUNT; i++)
			give(all[i]);
	}
}

static void test_ring3_ranges(void **state)
{
	uint32_t off = 0;

	(void)state;
	assert_ptr_equal(buf_of_user(IX_RX_VA, 2048, &off), &bufs[0]);
	assert_int_equal(off, 0);
	assert_ptr_equal(buf_of_user(IX_RX_VA + 5 * 2048 + 100, 1948, &off), &bufs[5]);
	assert_int_equal(off, 100);
	assert_ptr_equal(buf_of_user(buf_user_va(&bufs[COUNT - 1], 2047), 1, &off), &bufs[COUNT - 1]);
	assert_null(buf_of_user(IX_RX_VA + 100, 1949, &off));
	assert_null(buf_of_user(IX_RX_VA, 2049, &off));
	assert_null(buf_of_user(IX_RX_VA, UINT64_MAX, &off));
	assert_null(buf_of_user(IX_RX_VA + 2047, UINT64_MAX - 1, &off));
	assert_null(buf_of_user(IX_RX_VA - 1, 1, &off));
	assert_null(buf_of_user(IX_RX_VA + COUNT * 2048ull, 1, &off));
	assert_null(buf_of_user(0, 1, &off));
	assert_null(buf_of_user(UINT64_MAX, 1, &off));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_init, setup),   cmocka_unit_test_setup(test_to_the_last, setup),
		cmocka_unit_test_setup(test_frame, setup),  cmocka_unit_test_setup(test_cores, setup),
		cmocka_unit_test_setup(test_parked, setup), cmocka_unit_test_setup(test_ring3_ranges, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
