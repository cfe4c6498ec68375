/* SPDX-License-Identifier: MIT */
/* Page tables against an independent walk: who may do what at an address is what was asked for, and no more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "kernel/abi/entry.h"
#include "kernel/base/err.h"
#include "kernel/mem/frame.h"
#include "kernel/mem/map.h"
#include "kernel/mem/mem.h"
#include "kernel/mem/pt.h"
#include "test/fake/ram.h"

/* What the processor makes of an address [SDM 3A 4.5, 4.6]. */
struct translation {
	bool present, write, user, exec, uncached;
	pa_t pa;
	uint64_t page_bytes;
};

static struct translation walk(const uint64_t *table, uint64_t va)
{
	struct translation t = { .write = true, .user = true, .exec = true };

	for (unsigned level = 4; level >= 1; level--) {
		uint64_t e = table[va >> (12 + 9 * (level - 1)) & 511];
		uint64_t page = 1ull << (12 + 9 * (level - 1));

		if (!(e & 1))
			return (struct translation){ 0 };
		t.write = t.write && (e & 2);
		t.user = t.user && (e & 4);
		t.exec = t.exec && !(e >> 63);
		if (level == 1 || (e & 0x80)) {
			t.present = true;
			t.uncached = (e & 0x18) == 0x18;
			t.page_bytes = page;
			t.pa = (e & 0x000ffffffffff000ull & ~(page - 1)) + va % page;
			return t;
		}
		table = mem_va(e & 0x000ffffffffff000ull);
	}
	return t;
}

static uint64_t *new_root(void)
{
	uint64_t *root;

	fake_ram_new(8 * HUGE_BYTES);
	pt_use_early(false);
	root = pt_new();
	assert_non_null(root);
	for (unsigned i = 0; i < PT_ENTRIES; i++)
		assert_int_equal(root[i], 0);
	return root;
}

static void test_rights(void **state)
{
	static const uint64_t bases[] = { IX_PARTITION_VA, IX_RX_VA, IX_STACK_VA, MEM_DIRECT_VA, MEM_KERNEL_VA };

	(void)state;
	for (unsigned b = 0; b < ARRAY_COUNT(bases); b++) {
		uint64_t *root = new_root();

		for (unsigned rights = 0; rights < 16; rights++) {
			uint64_t va = bases[b] + rights * HUGE_BYTES;
			int err = pt_map(root, va, 0x40000000 + rights * HUGE_BYTES, 3 * PAGE_BYTES, rights);
			struct translation t = walk(root, va + PAGE_BYTES + 5);

			if ((rights & MAP_WRITE) && (rights & MAP_EXEC)) {
				assert_int_equal(err, KERR_INVALID);
				assert_false(t.present);
				continue;
			}
			assert_int_equal(err, 0);
			assert_true(t.present);
			assert_int_equal(t.pa, 0x40000000 + rights * HUGE_BYTES + PAGE_BYTES + 5);
			assert_int_equal(t.write, !!(rights & MAP_WRITE));
			assert_int_equal(t.exec, !!(rights & MAP_EXEC));
			assert_int_equal(t.user, !!(rights & MAP_USER));
			assert_int_equal(t.uncached, !!(rights & MAP_DEVICE));
			assert_false(walk(root, va + 3 * PAGE_BYTES).present);
			assert_false(walk(root, va - 1).present);
		}
	}
}

/* Ring 0's page beside ring 3's, below the same tables. */
static void test_neighbours(void **state)
{
	uint64_t *root = new_root(), va = IX_CALL_ARRAY_VA;

	(void)state;
	assert_int_equal(pt_map(root, va, 0x1000, PAGE_BYTES, MAP_WRITE), 0);
	assert_int_equal(pt_map(root, va + PAGE_BYTES, 0x2000, PAGE_BYTES, MAP_USER), 0);
	assert_false(walk(root, va).user);
	assert_true(walk(root, va + PAGE_BYTES).user && !walk(root, va + PAGE_BYTES).write);
}

static void test_page_sizes(void **state)
{
	uint64_t *root = new_root(), va = IX_PARTITION_VA, bytes = 2 * HUGE_BYTES + 2 * PAGE_BYTES;

	(void)state;
	assert_int_equal(pt_map(root, va - PAGE_BYTES, HUGE_BYTES - PAGE_BYTES, bytes, MAP_USER), 0);
	for (uint64_t off = 0; off < bytes; off += PAGE_BYTES) {
		struct translation t = walk(root, va - PAGE_BYTES + off);
		bool huge = off >= PAGE_BYTES && off < bytes - PAGE_BYTES;

		assert_true(t.present);
		assert_int_equal(t.pa, HUGE_BYTES - PAGE_BYTES + off);
		assert_int_equal(t.page_bytes, huge ? HUGE_BYTES : PAGE_BYTES);
	}
	/* Not aligned with each other: small pages only. */
	assert_int_equal(pt_map(root, 4 * va, PAGE_BYTES, HUGE_BYTES, 0), 0);
	assert_int_equal(walk(root, 4 * va).page_bytes, PAGE_BYTES);
	assert_int_equal(walk(root, 4 * va + HUGE_BYTES - 1).pa, HUGE_BYTES + PAGE_BYTES - 1);
}

static void test_refused(void **state)
{
	uint64_t *root = new_root(), va = IX_PARTITION_VA;

	(void)state;
	assert_int_equal(pt_map(root, va + 1, 0, PAGE_BYTES, 0), KERR_INVALID);
	assert_int_equal(pt_map(root, va, 0x800, PAGE_BYTES, 0), KERR_INVALID);
	assert_int_equal(pt_map(root, va, 0, 1, 0), KERR_INVALID);
	assert_int_equal(pt_map(root, va, 0, 0, 0), 0);
	assert_false(walk(root, va).present);
	assert_int_equal(pt_map(root, va, 0x1000, PAGE_BYTES, 0), 0);
	assert_int_equal(pt_map(root, va, 0x2000, PAGE_BYTES, 0), KERR_IN_USE);
	assert_int_equal(walk(root, va).pa, 0x1000);
	/* A large page over small ones, and a small one into a large one. */
	assert_int_not_equal(pt_map(root, va, 0, HUGE_BYTES, 0), 0);
	assert_int_equal(pt_map(root, va + HUGE_BYTES, 0, HUGE_BYTES, 0), 0);
	assert_int_not_equal(pt_map(root, va + HUGE_BYTES + PAGE_BYTES, 0x3000, PAGE_BYTES, 0), 0);
	assert_int_equal(walk(root, va + HUGE_BYTES + PAGE_BYTES).pa, PAGE_BYTES);
}

static void test_no_memory(void **state)
{
	uint64_t *root = new_root();
	unsigned mapped = 0;

	(void)state;
	while (frame_take(HUGE_BYTES / 4, HUGE_BYTES / 4))
		;
	while (pt_map(root, IX_PARTITION_VA + mapped * (1ull << 30), 0, PAGE_BYTES, 0) == 0)
		mapped++;
	assert_in_range(mapped, 1, 128);
	assert_int_equal(pt_map(root, IX_STACK_VA, 0, PAGE_BYTES, 0), KERR_NO_MEMORY);
	for (unsigned i = 0; i < mapped; i++)
		assert_true(walk(root, IX_PARTITION_VA + i * (1ull << 30)).present);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rights),  cmocka_unit_test(test_neighbours), cmocka_unit_test(test_page_sizes),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
