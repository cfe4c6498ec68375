/* SPDX-License-Identifier: MIT */
/* Which ranges ring 3 may name: everything inside, nothing that touches, straddles, wraps or is ring 0's. */
#include "kernel/mem/layout.h"
#include "kernel/sys/fetch.h"
#include "test/unit/sys/world.h"

#define STACK1 (IX_STACK_VA + IX_STACK_STRIDE)
#define RX_END (IX_RX_VA + WORLD_BUFS * BUF_BYTES)

static void check_good(ix_uaddr_t va, uint64_t bytes, const uint8_t *data, const struct buf *lent)
{
	struct net_range r;

	if (!fetch_range(va, bytes, &r))
		fail_msg("[%lx, +%lx) was refused", va, bytes);
	assert_ptr_equal(r.data, data);
	assert_int_equal(r.bytes, bytes);
	assert_ptr_equal(r.lent, lent);
	(void)READ_ONCE(r.data[0]);
	(void)READ_ONCE(r.data[bytes - 1]);
}

static void test_inside(void **state)
{
	uint32_t off;

	(void)state;
	check_good(IX_PARTITION_VA, 1, user_partition.data, NULL);
	check_good(IX_PARTITION_VA, WORLD_BYTES, user_partition.data, NULL);
	check_good(WORLD_END - 1, 1, user_partition.data + WORLD_BYTES - 1, NULL);
	check_good(IX_STACK_VA, IX_STACK_BYTES, user_partition.stacks, NULL);
	check_good(STACK1, IX_STACK_BYTES, user_partition.stacks + IX_STACK_BYTES, NULL);
	check_good(STACK1 + IX_STACK_BYTES - 8, 8, user_partition.stacks + 2 * IX_STACK_BYTES - 8, NULL);
	for (uint32_t i = 0; i < WORLD_BUFS; i++) {
		ix_uaddr_t va = IX_RX_VA + i * BUF_BYTES;
		struct buf *b = buf_of_user(va, 1, &off);

		check_good(va, BUF_BYTES, b->data, b);
		check_good(va + BUF_BYTES - 1, 1, b->data + BUF_BYTES - 1, b);
		check_good(va + 66, 64, b->data + 66, b);
	}
}

static void test_outside(void **state)
{
	static const struct {
		ix_uaddr_t va;
		uint64_t bytes;
	} bad[] = {
		{ 0, 1 },
		{ IX_PARTITION_VA - 1, 1 },
		{ IX_PARTITION_VA - 1, 2 },
		{ WORLD_END, 1 },
		{ WORLD_END - 1, 2 },
		{ IX_PARTITION_VA, WORLD_BYTES + 1 },
		{ IX_PARTITION_VA, UINT32_MAX },
		{ IX_PARTITION_VA, UINT64_MAX },
		{ IX_PARTITION_VA + 16, UINT64_MAX - IX_PARTITION_VA - 8 }, /* ends at 8 after wrapping */
		{ IX_PARTITION_VA, 0x100000001ull },                        /* 1 in 32 bits */
		{ IX_PARTITION_VA, 0 },
		{ UINT64_MAX, 1 },
		{ UINT64_MAX, 2 },
		{ UINT64_MAX - 7, 8 },
		{ 0x8000000000000000ull, 8 },
		{ 0x0000800000000000ull, 8 }, /* not canonical */
		{ MEM_DIRECT_VA, 8 },
		{ MEM_KERNEL_VA, 8 },
		{ MEM_WINDOW_VA, 8 },
		{ IX_RX_VA - 1, 1 },
		{ IX_RX_VA - 1, 2 },
		{ IX_RX_VA, BUF_BYTES + 1 },
		{ IX_RX_VA + BUF_BYTES - 1, 2 }, /* two buffers */
		{ RX_END - 1, 2 },
		{ RX_END, 1 },
		{ IX_RX_VA, UINT32_MAX },
		{ IX_STACK_VA - 1, 1 },
		{ IX_STACK_VA - 8, 16 },
		{ IX_STACK_VA, IX_STACK_BYTES + 1 },
		{ IX_STACK_VA + IX_STACK_BYTES - 8, 9 },
		{ IX_STACK_VA + IX_STACK_BYTES, 1 }, /* the hole between two stacks */
		{ STACK1 - 1, 1 },
		{ STACK1 - 8, 16 },
		{ IX_STACK_VA, IX_STACK_STRIDE + 1 }, /* both stacks and the hole */
		{ STACK1 + IX_STACK_BYTES, 1 },
		{ IX_STACK_VA + WORLD_CORES * IX_STACK_STRIDE, 8 }, /* a core that is not there */
		{ IX_STACK_VA + 1000 * IX_STACK_STRIDE, 8 },
		{ IX_CALL_ARRAY_VA, 8 },
		{ IX_EVENT_ARRAY_VA, 8 },
		{ IX_CORE_VA, 8 },
		{ IX_INFO_VA, 8 },
	};
	struct net_range r;

	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(bad); i++)
		if (fetch_range(bad[i].va, bad[i].bytes, &r))
			fail_msg("row %u: [%lx, +%lx) was let through", i, bad[i].va, bad[i].bytes);
}

static void test_words(void **state)
{
	uint64_t out[4] = { 0 };

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		((struct fetch_unaligned *)world_at(IX_PARTITION_VA + 3))[i].v = 0x1111 * (i + 1);
	assert_true(fetch_words(out, IX_PARTITION_VA + 3, 4)); /* any alignment */
	assert_int_equal(out[3], 0x4444);
	assert_true(fetch_words(out, WORLD_END - 32, 4));
	assert_false(fetch_words(out, WORLD_END - 31, 4));
	assert_false(fetch_words(out, IX_CALL_ARRAY_VA, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_inside),
		cmocka_unit_test(test_outside),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, world_init, NULL);
}
