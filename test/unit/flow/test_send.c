/* SPDX-License-Identifier: MIT */
/* Sending on cores with and without a queue of their own: each token back to its core exactly once, nobody stuck. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "kernel/flow/group.h"
#include "kernel/mem/mem.h"
#include "test/fake/cpu.h"
#include "test/fake/mem.h"
#include "test/fake/nic.h"

static void *tokens[256];

static void start(uint16_t pairs, uint32_t cores)
{
	fake_mem_reset(SIZE_MAX);
	fake_nic_reset(pairs);
	memset(fake_wakes, 0, sizeof(fake_wakes));
	percore_id = 0;
	fake_core_count = cores;
	assert_int_equal(flow_init(cores), 0);
}

static bool send(uint32_t core, uintptr_t token)
{
	static struct nic_tx tx;

	percore_id = core;
	tx.token = (void *)token;
	tx.seg_count = (uint16_t)(token % 4 + 1);
	tx.mss = (uint16_t)token;
	tx.segs[token % 4].bytes = (uint32_t)token;
	return flow_tx(&tx);
}

static void flush(uint32_t core)
{
	percore_id = core;
	flow_tx_flush();
}

static unsigned reclaim(uint32_t core)
{
	percore_id = core;
	return flow_tx_reclaim(tokens, 256);
}

static void test_own_queue(void **state)
{
	(void)state;
	start(2, 2);
	assert_true(send(1, 7));
	flush(1);
	assert_int_equal(fake_nic[1].tx_flushed, 1);
	assert_int_equal(flow_tx_pending(), 1);
	fake_nic_finish(1, 1);
	assert_int_equal(reclaim(1), 1);
	assert_ptr_equal(tokens[0], 7);
	assert_int_equal(flow_tx_pending(), 0);
}

static void test_by_other_core(void **state)
{
	(void)state;
	start(1, 3);
	assert_true(send(0, 100));
	assert_true(send(1, 101));
	assert_true(send(2, 102));
	assert_true(send(2, 103));
	flow_state.inbox[0].sleeping = 1;
	flush(1);
	flush(2);
	assert_int_equal(fake_wakes[0], 1); /* the second sender finds it being woken */
	percore_id = 0;
	assert_true(flow_sleep_begin());
	flow_sleep_end();
	flush(0);
	assert_int_equal(fake_nic[0].tx_flushed, 4);
	for (unsigned i = 0; i < 4; i++) {
		const struct nic_tx *tx = &fake_nic[0].tx[i];

		assert_int_equal(tx->seg_count, tx->mss % 4 + 1);
		assert_int_equal(tx->segs[tx->mss % 4].bytes, tx->mss);
	}
	fake_nic_finish(0, 4);
	assert_int_equal(reclaim(1) + reclaim(2), 0); /* not before the owner has looked */
	assert_int_equal(reclaim(0), 1);
	assert_ptr_equal(tokens[0], 100);
	assert_int_equal(reclaim(1), 1);
	assert_ptr_equal(tokens[0], 101);
	assert_int_equal(reclaim(2), 2);
	percore_id = 2;
	assert_int_equal(flow_tx_pending(), 0);
}

static void test_short(void **state)
{
	static uint8_t block[2][100];

	(void)state;
	start(1, 2);
	for (uint32_t core = 0; core < 2; core++) {
		percore_id = core;
		assert_true(flow_tx_short((void *)(uintptr_t)(core + 7), block[core] + NIC_TX_ROOM, 80, 16));
	}
	flush(1);
	flush(0);
	assert_int_equal(fake_nic[0].tx_flushed, 2);
	for (uint32_t core = 0; core < 2; core++) {
		const struct nic_tx *tx = &fake_nic[0].tx[core];

		assert_true(tx->flags == NIC_TX_NEEDS_CSUM && tx->csum_start == NIC_TX_HEADERS &&
			    tx->csum_offset == 16);
		assert_true(tx->seg_count == 1 && tx->segs[0].bytes == 80);
		assert_int_equal(tx->segs[0].pa, mem_pa(block[core] + NIC_TX_ROOM));
	}
	fake_nic_finish(0, 2);
	for (uint32_t core = 0; core < 2; core++) {
		assert_int_equal(reclaim(core), 1);
		assert_ptr_equal(tokens[0], core + 7);
	}
}

static void test_slots_run_out(void **state)
{
	unsigned sent = 0, back = 0;

	(void)state;
	start(1, 2);
	while (send(1, sent + 1))
		sent++;
	assert_int_equal(sent, FLOW_SLOTS);
	percore_id = 1;
	flow_state.inbox[0].sleeping = 1;
	assert_true(flow_sleep_begin()); /* not before something came back; and the owner is woken to look */
	flow_sleep_end();
	assert_true(fake_wakes[0] > 0);
	for (unsigned round = 0; round < 10; round++) {
		flush(0); /* the queue has room for 64 at a time */
		fake_nic_finish(0, fake_nic[0].tx_count);
		reclaim(0);
		back += reclaim(1);
	}
	assert_int_equal(back, FLOW_SLOTS);
	percore_id = 1;
	assert_false(flow_sleep_begin());
	flow_sleep_end();
	assert_true(send(1, 1));
}

static void test_queue_full(void **state)
{
	(void)state;
	start(1, 2);
	fake_nic[0].tx_room = 2;
	assert_true(send(0, 1) && send(0, 2));
	assert_false(send(0, 3));
	assert_true(send(1, 4) && send(1, 5));
	flush(1);
	flush(0);
	flush(0);
	percore_id = 0;
	assert_true(flow_sleep_begin()); /* frames of core 1 wait for room */
	flow_sleep_end();
	fake_nic_finish(0, 1);
	assert_int_equal(reclaim(0), 1);
	flush(0);
	assert_int_equal(fake_nic[0].tx_count, 2);
	fake_nic_finish(0, 2);
	assert_int_equal(reclaim(0), 1);
	flush(0);
	fake_nic_finish(0, 1);
	reclaim(0);
	assert_int_equal(reclaim(1), 2);
	percore_id = 0;
	assert_false(flow_sleep_begin());
	flow_sleep_end();
}

/* A core that sends all the time through another's queue, which is full, does not keep a third from it. */
static void test_senders_in_turn(void **state)
{
	unsigned back = 0;

	(void)state;
	start(1, 3);
	fake_nic[0].tx_room = 1;
	assert_true(send(2, 9) && send(2, 10) && send(2, 11));
	flush(2);
	for (unsigned round = 0; round < 16; round++) {
		while (send(1, 5))
			;
		flush(1);
		flush(0);
		fake_nic_finish(0, 1);
		reclaim(0);
		reclaim(1);
		back += reclaim(2);
	}
	assert_int_equal(back, 3);
}

static void test_starved_own_queue(void **state)
{
	(void)state;
	start(1, 1);
	fake_nic[0].tx_room = 1;
	assert_true(send(0, 1));
	assert_false(send(0, 2));
	percore_id = 0;
	assert_true(flow_sleep_begin()); /* nothing would wake us when there is room again */
	flow_sleep_end();
	fake_nic_finish(0, 1);
	assert_int_equal(reclaim(0), 1);
	assert_false(flow_sleep_begin());
	flow_sleep_end();
}

static void test_more_queues_than_cores(void **state)
{
	(void)state;
	start(5, 2);
	assert_true(send(1, 9));
	flush(1);
	fake_nic_finish(1, 1);
	assert_int_equal(reclaim(1), 1);
	assert_null(flow_state.slots);
}

/* Any order of turns, random devices: every token comes back once, to the core that sent it. */
static void test_random(void **state)
{
	uint8_t out_of[4] = { 0 };
	unsigned sent = 0, back = 0;

	(void)state;
	start(2, 4);
	srand(11);
	for (unsigned i = 0; i < 200000; i++) {
		uint32_t core = (uint32_t)rand() % 4;
		unsigned n;

		switch (rand() % 4) {
		case 0:
			if (out_of[core] < 250 && send(core, (core + 1) << 8 | out_of[core])) {
				out_of[core]++;
				sent++;
			}
			break;
		case 1:
			flush(core);
			break;
		case 2:
			if (core < 2)
				fake_nic_finish((uint16_t)core, (unsigned)rand() % (fake_nic[core].tx_flushed + 1));
			break;
		default:
			n = reclaim(core);
			for (unsigned k = 0; k < n; k++)
				assert_int_equal((uintptr_t)tokens[k] >> 8, core + 1);
			out_of[core] -= (uint8_t)n;
			back += n;
		}
	}
	for (unsigned round = 0; round < 20; round++) {
		for (uint32_t core = 4; core-- > 0;) {
			flush(core);
			if (core < 2)
				fake_nic_finish((uint16_t)core, fake_nic[core].tx_count);
			back += reclaim(core);
		}
	}
	assert_int_equal(sent, back);
	assert_true(sent > 30000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_queue),
		cmocka_unit_test(test_by_other_core),
		cmocka_unit_test(test_short),
		cmocka_unit_test(test_slots_run_out),
		cmocka_unit_test(test_queue_full),
		cmocka_unit_test(test_senders_in_turn),
		cmocka_unit_test(test_starved_own_queue),
		cmocka_unit_test(test_more_queues_than_cores),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
