/* SPDX-License-Identifier: MIT */
/* Ranges to send: single and listed, from partition, stack and receive buffers, good and hostile; and whole batches. */
#include <string.h>
#include "test/unit/sys/world.h"

#define AT (IX_PARTITION_VA + 0x2000)
#define H 0x0000000700000003ull

static struct ix_iov *list;

static int setup(void **state)
{
	list = world_at(AT);
	for (unsigned i = 0; i < IX_IOV_MAX + 1; i++)
		list[i] = (struct ix_iov){ AT + 0x1000 + i * 0x100, 10 + i };
	return world_reset(state);
}

static int send_list(uint64_t count, uint16_t flags)
{
	struct ix_call call = { .op = IX_OP_SENDV, .flags = flags, .handle = H, .arg = AT, .len = count };

	fake_net_reset();
	return world_call(&call);
}

static int send_one(ix_uaddr_t va, uint64_t len)
{
	struct ix_call call = { .op = IX_OP_SENDV, .handle = H, .arg = va, .len = len };

	fake_net_reset();
	return world_call(&call);
}

static void test_one(void **state)
{
	uint32_t off;

	(void)state;
	assert_int_equal(send_one(AT, 64), IX_OK);
	assert_int_equal(fake_net.range_count, 1);
	assert_ptr_equal(fake_net.ranges[0].data, world_at(AT));
	assert_int_equal(fake_net.ranges[0].bytes, 64);
	assert_null(fake_net.ranges[0].lent);
	assert_int_equal(fake_net.flags, 0);
	assert_int_equal(send_one(IX_RX_VA + BUF_BYTES + 66, 64), IX_OK);
	assert_ptr_equal(fake_net.ranges[0].lent, buf_of_user(IX_RX_VA + BUF_BYTES, 1, &off));
	assert_ptr_equal(fake_net.ranges[0].data, fake_net.ranges[0].lent->data + 66);
	assert_int_equal(send_one(IX_STACK_VA + IX_STACK_BYTES - 64, 64), IX_OK);
	assert_int_equal(send_one(AT, 0), IX_BAD_LENGTH);
	assert_int_equal(send_one(AT, 1ull << 32), IX_BAD_LENGTH);
	assert_int_equal(send_one(AT, UINT64_MAX), IX_BAD_LENGTH);
	assert_int_equal(send_one(AT, UINT32_MAX), IX_BAD_ADDRESS);
	assert_int_equal(fake_net.calls, 0);
}

static void test_done(void **state)
{
	struct ix_call call = { .op = IX_OP_SENDV, .flags = IX_SENDV_DONE, .handle = H, .arg = AT, .len = 64 };

	(void)state;
	fake_net_reset();
	fake_net.result = 60;
	assert_int_equal(world_call(&call), IX_OK);
	assert_int_equal(call.len, 60);
	assert_int_equal(fake_net.calls, 1);
	assert_int_equal(fake_net.flags, IX_SENDV_DONE); /* net gives back what it takes */
}

static void test_list(void **state)
{
	(void)state;
	for (unsigned count = 1; count <= IX_IOV_MAX; count++) {
		assert_int_equal(send_list(count, IX_SENDV_LIST), IX_OK);
		assert_int_equal(fake_net.range_count, count);
		for (unsigned i = 0; i < count; i++) {
			assert_ptr_equal(fake_net.ranges[i].data, world_at(AT + 0x1000 + i * 0x100));
			assert_int_equal(fake_net.ranges[i].bytes, 10 + i);
		}
	}
	assert_int_equal(send_list(1, IX_SENDV_LIST | IX_SENDV_MORE), IX_OK);
	assert_int_equal(fake_net.flags, IX_SENDV_MORE);
	list[1].addr = IX_RX_VA + 5;
	assert_int_equal(send_list(2, IX_SENDV_LIST), IX_OK);
	assert_null(fake_net.ranges[0].lent);
	assert_non_null(fake_net.ranges[1].lent);
}

static void test_list_hostile(void **state)
{
	(void)state;
	assert_int_equal(send_list(0, IX_SENDV_LIST), IX_BAD_LENGTH);
	assert_int_equal(send_list(IX_IOV_MAX + 1, IX_SENDV_LIST), IX_BAD_LENGTH);
	assert_int_equal(send_list(1ull << 60, IX_SENDV_LIST), IX_BAD_LENGTH); /* 0 bytes when multiplied by 16 */
	assert_int_equal(send_list(UINT64_MAX, IX_SENDV_LIST), IX_BAD_LENGTH);
	for (unsigned bad = 0; bad < 4; bad++) {
		list[bad].len = 0;
		assert_int_equal(send_list(4, IX_SENDV_LIST), IX_BAD_LENGTH);
		list[bad].len = UINT64_MAX;
		assert_int_equal(send_list(4, IX_SENDV_LIST), IX_BAD_LENGTH);
		list[bad].len = 1ull << 32;
		assert_int_equal(send_list(4, IX_SENDV_LIST), IX_BAD_LENGTH);
		list[bad].len = 1;
		list[bad].addr = IX_CALL_ARRAY_VA;
		assert_int_equal(send_list(4, IX_SENDV_LIST), IX_BAD_ADDRESS);
		list[bad].addr = WORLD_END;
		assert_int_equal(send_list(4, IX_SENDV_LIST), IX_BAD_ADDRESS);
		list[bad].addr = AT;
		assert_int_equal(fake_net.calls, 0);
	}
	list[0] = (struct ix_iov){ IX_PARTITION_VA, WORLD_BYTES };
	assert_int_equal(send_list(4, IX_SENDV_LIST), IX_OK);
	list[1].len = UINT32_MAX; /* with the others more than 32 bits can count */
	assert_int_equal(send_list(4, IX_SENDV_LIST), IX_BAD_LENGTH);
}

static void test_list_at_the_edge(void **state)
{
	struct ix_call call = { .op = IX_OP_SENDV, .flags = IX_SENDV_LIST, .handle = H, .len = 2 };

	(void)state;
	call.arg = WORLD_END - 32;
	memcpy(world_at(call.arg), list, 32);
	assert_int_equal(world_call(&call), IX_OK);
	call.arg = WORLD_END - 31;
	call.len = 2;
	assert_int_equal(world_call(&call), IX_BAD_ADDRESS);
	call.arg = AT + 1; /* an odd address is an address */
	call.len = 2;
	memmove(world_at(AT + 1), list, 32);
	assert_int_equal(world_call(&call), IX_OK);
}

/* A list that lies in what it sends is sent as it was read. */
static void test_list_names_itself(void **state)
{
	(void)state;
	list[0] = (struct ix_iov){ AT, 16 };
	assert_int_equal(send_list(1, IX_SENDV_LIST), IX_OK);
	assert_ptr_equal(fake_net.ranges[0].data, list);
}

static void test_batch(void **state)
{
	(void)state;
	for (unsigned i = 0; i < IX_CALLS_MAX; i++)
		world.calls->calls[i] = (struct ix_call){ .op = i % 3 == 1 ? 999 : IX_OP_CLOSE,
							  .status = IX_PENDING,
							  .handle = H + i };
	world.calls->count = IX_CALLS_MAX;
	assert_int_equal(sys_batch(), IX_CALLS_MAX);
	assert_int_equal(fake_net.calls, IX_CALLS_MAX / 3 * 2);
	assert_int_equal(fake_net.handle, H + IX_CALLS_MAX - 1);
	for (unsigned i = 0; i < IX_CALLS_MAX; i++) /* a bad one fails alone */
		assert_int_equal(world.calls->calls[i].status, i % 3 == 1 ? IX_BAD_CALL : IX_OK);
	assert_int_equal(sys_batch(), 0);
	assert_int_equal(world.calls->executed, IX_CALLS_MAX); /* an empty batch does not hide the last one */
	for (unsigned i = 0; i < 3; i++)
		world.calls->calls[i].status = IX_PENDING;
	world.calls->count = 2;
	assert_int_equal(sys_batch(), 2);
	assert_int_equal(world.calls->executed, 2);
	assert_int_equal(world.calls->calls[2].status, IX_PENDING);
}

static void test_batch_count_is_bounded(void **state)
{
	const uint32_t counts[] = { IX_CALLS_MAX + 1, 0x80000000, UINT32_MAX };

	(void)state;
	memset(world.calls->calls, 0, sizeof(world.calls->calls));
	for (unsigned i = 0; i < ARRAY_COUNT(counts); i++) {
		world.calls->count = counts[i];
		assert_int_equal(sys_batch(), IX_CALLS_MAX); /* the next page faults */
		assert_int_equal(world.calls->executed, IX_CALLS_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_one, setup),
		cmocka_unit_test_setup(test_done, setup),
		cmocka_unit_test_setup(test_list, setup),
		cmocka_unit_test_setup(test_list_hostile, setup),
		cmocka_unit_test_setup(test_list_at_the_edge, setup),
		cmocka_unit_test_setup(test_list_names_itself, setup),
		cmocka_unit_test_setup(test_batch, setup),
		cmocka_unit_test_setup(test_batch_count_is_bounded, setup),
	};

	return cmocka_run_group_tests(tests, world_init, NULL);
}
