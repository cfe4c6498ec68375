/* SPDX-License-Identifier: MIT */
/* Groups change owner in every mode, and messages between cores: all of them, in order, with one wake-up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "kernel/flow/group.h"
#include "test/fake/cpu.h"
#include "test/fake/mem.h"
#include "test/fake/nic.h"

static struct buf *out[NIC_BURST_MAX];

static void start(uint16_t pairs, uint32_t cores, bool queue_is_group, bool is_rss)
{
	fake_mem_reset(SIZE_MAX);
	fake_nic_reset(pairs);
	memset(fake_wakes, 0, sizeof(fake_wakes));
	fake_nic_info.queue_is_group = queue_is_group;
	fake_nic_info.offloads = is_rss ? NIC_RSS : 0;
	fake_buf_out = 0;
	percore_id = 0;
	fake_core_count = cores;
	assert_int_equal(flow_init(cores), 0);
	for (percore_id = 0; percore_id < cores; percore_id++)
		flow_core_init();
	percore_id = 0;
}

/* A TCP segment whose source port is @port waits on @queue. */
static void receive(uint16_t queue, uint16_t port)
{
	uint8_t frame[60] = { [12] = 8, [14] = 0x45, [23] = 6, [26] = 10, [30] = 10, [37] = 7 };

	memcpy(frame + 34, &port, sizeof(port));
	fake_nic_receive(queue, frame, sizeof(frame));
}

static unsigned turn(uint32_t core)
{
	unsigned n;

	percore_id = core;
	n = flow_rx(out, NIC_BURST_MAX);
	for (unsigned i = 0; i < n; i++)
		buf_free(out[i]);
	return n;
}

static void give(uint8_t group, uint32_t to)
{
	percore_id = flow_owner(group);
	flow_give(group, to);
	percore_id = to;
	flow_enter(group);
	assert_int_equal(flow_owner(group), to);
	percore_id = 0;
}

/* Fewer queues than cores: the polling core hands over to the new owner from the next frame on. */
static void test_hash(void **state)
{
	uint8_t group;

	(void)state;
	start(1, 3, false, false);
	assert_int_equal(flow_groups(), FLOW_GROUPS_MAX);
	assert_false(flow_is_queue());
	group = flow_group_of_tuple(10, 10, 5, 7 << 8);
	for (uint32_t to = 0; to < 6; to++) {
		if (flow_owner(group) != to % 3)
			give(group, to % 3);
		receive(0, 5);
		assert_int_equal(turn(0), to % 3 == 0);
		assert_int_equal(turn(1), to % 3 == 1);
		assert_int_equal(turn(2), to % 3 == 2);
	}
	assert_int_equal(flow_steer(), 0);
	assert_int_equal(fake_nic_steered, 0); /* the device has no table */
	assert_int_equal(fake_buf_out, 0);
}

/* The device's table follows when it is told to, and only where the owner changed. */
static void test_rss(void **state)
{
	struct nic_steering before;

	(void)state;
	start(8, 4, false, true);
	assert_int_equal(flow_groups(), FLOW_GROUPS_MAX);
	before = fake_nic_steering;
	give(5, 3);
	give(6, 0);
	assert_int_equal(flow_steer(), 0);
	assert_int_equal(fake_nic_steered, 2);
	for (unsigned g = 0; g < FLOW_GROUPS_MAX; g++) {
		assert_int_equal(fake_nic_steering.table[g] % 4, flow_owner((uint8_t)g));
		if (g != 5 && g != 6)
			assert_int_equal(fake_nic_steering.table[g], before.table[g]);
	}
	assert_memory_equal(fake_nic_steering.key, before.key, sizeof(before.key));
}

/* A queue is polled by its owner only; in between by nobody, and nothing is lost. */
static void test_queue(void **state)
{
	(void)state;
	start(4, 2, true, false);
	assert_true(flow_is_queue());
	assert_int_equal(flow_groups(), 4);
	receive(2, 1);
	percore_id = 0;
	flow_give(2, 1);
	assert_int_equal(turn(0), 0);
	assert_int_equal(turn(1), 0);
	flow_enter(2);
	assert_int_equal(fake_nic[2].core, 1);
	assert_int_equal(turn(0), 0);
	assert_int_equal(turn(1), 1);
	assert_int_equal(flow_owner(2), 1);
	/* Its interrupt is armed by the core that polls it, and by nobody else. */
	percore_id = 0;
	assert_false(flow_sleep_begin());
	assert_true(fake_nic[0].is_armed && !fake_nic[2].is_armed);
	flow_sleep_end();
	percore_id = 1;
	assert_false(flow_sleep_begin());
	assert_true(fake_nic[2].is_armed && fake_nic[1].is_armed);
	flow_sleep_end();
	assert_false(fake_nic[2].is_armed);
	give(2, 0);
	receive(2, 1);
	assert_int_equal(turn(1), 0);
	assert_int_equal(turn(0), 1);
	assert_int_equal(fake_buf_out, 0);
}

static void test_messages(void **state)
{
	struct flow_message m[40], *got;

	(void)state;
	start(1, 2, false, false);
	percore_id = 1;
	assert_null(flow_messages());
	assert_false(flow_sleep_begin());
	percore_id = 0;
	for (unsigned i = 0; i < 20; i++)
		flow_post(1, &m[i]);
	assert_int_equal(fake_wakes[1], 1); /* one a sleep */
	percore_id = 1;
	flow_sleep_end();
	assert_true(flow_sleep_begin()); /* there is something to do */
	flow_sleep_end();
	for (unsigned i = 20; i < 40; i++)
		flow_post(1, &m[i]); /* to itself */
	got = flow_messages();
	for (unsigned i = 0; i < 40; i++, got = got->next)
		assert_ptr_equal(got, &m[i]);
	assert_null(got);
	assert_null(flow_messages());
	assert_false(flow_sleep_begin());
	flow_sleep_end();
	assert_int_equal(fake_wakes[0], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_rss),
		cmocka_unit_test(test_queue),
		cmocka_unit_test(test_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
