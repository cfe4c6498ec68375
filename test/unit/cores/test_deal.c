/* SPDX-License-Identifier: MIT */
/* The deal of flow groups: even, to nobody else, and by no more moves than there must be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "kernel/cores/deal.h"

static uint8_t owner[FLOW_GROUPS_MAX];

static void count(unsigned groups, unsigned has[CORES_MAX])
{
	memset(has, 0, CORES_MAX * sizeof(*has));
	for (unsigned g = 0; g < groups; g++)
		has[owner[g]]++;
}

static int descending(const void *a, const void *b)
{
	return *(const int *)b - *(const int *)a;
}

/* As many as can stay where they are, found another way than the code does: the fullest cores get the larger shares. */
static unsigned fewest(unsigned groups, uint64_t cores)
{
	unsigned has[CORES_MAX], n = 0, stay = 0;
	static int sorted[CORES_MAX];

	count(groups, has);
	for (unsigned c = 0; c < CORES_MAX; c++)
		if (cores >> c & 1)
			sorted[n++] = (int)has[c];
	qsort(sorted, n, sizeof(*sorted), descending);
	for (unsigned i = 0; i < n; i++)
		stay += MIN((unsigned)sorted[i], groups / n + (i < groups % n));
	return groups - stay;
}

static unsigned check(unsigned groups, uint64_t cores)
{
	unsigned n = (unsigned)__builtin_popcountll(cores), least = fewest(groups, cores), has[CORES_MAX], moves;
	static struct deal_move out[FLOW_GROUPS_MAX];

	moves = deal(owner, groups, cores, out);
	assert_int_equal(moves, least);
	for (unsigned i = 0; i < moves; i++) {
		assert_true(out[i].group < groups);
		assert_int_not_equal(owner[out[i].group], out[i].to);
		owner[out[i].group] = out[i].to;
	}
	count(groups, has);
	for (unsigned c = 0; c < CORES_MAX; c++)
		if (cores >> c & 1)
			assert_in_range(has[c], groups / n, (groups + n - 1) / n);
		else
			assert_int_equal(has[c], 0);
	assert_int_equal(deal(owner, groups, cores, out), 0);
	return moves;
}

static void test_up_and_down(void **state)
{
	(void)state;
	memset(owner, 0, sizeof(owner));
	assert_int_equal(check(128, 0x3), 64);
	assert_int_equal(check(128, 0xf), 64);
	assert_int_equal(check(128, 0x3), 64);
	assert_int_equal(check(128, 0x1), 64);
	assert_int_equal(check(128, 0x7), 85);
}

/* Where a queue is a group there may be fewer of them than cores. */
static void test_few_groups(void **state)
{
	(void)state;
	memset(owner, 0, sizeof(owner));
	assert_int_equal(check(4, 0x1), 0);
	assert_int_equal(check(4, 0x9), 2);
	assert_int_equal(check(4, 0xff), 2);
	assert_int_equal(check(1, 0x6), 1);
	check(4, 1ull << 63);
	assert_int_equal(owner[0], 63);
}

static void test_at_random(void **state)
{
	uint64_t seed = 88172645463325252ull;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		unsigned groups;

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		groups = 1 + (unsigned)(seed >> 32) % FLOW_GROUPS_MAX;
		if (round % 16 == 0)
			for (unsigned g = 0; g < FLOW_GROUPS_MAX; g++)
				owner[g] = (uint8_t)((seed * (g + 1)) >> 40) % CORES_MAX;
		check(groups, seed % 3 ? (seed & seed >> 7) | 1 : 1ull << seed % 64 | 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_up_and_down),
		cmocka_unit_test(test_few_groups),
		cmocka_unit_test(test_at_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
