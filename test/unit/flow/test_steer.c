/* SPDX-License-Identifier: MIT */
/* Which core gets which frame: every number of queues and cores, frames of every kind and length, hand-over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "kernel/base/err.h"
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
	percore_id = 0;
	fake_buf_out = 0;
	fake_core_count = cores;
	assert_int_equal(flow_init(cores), 0);
	for (percore_id = 0; percore_id < cores; percore_id++)
		flow_core_init();
	percore_id = 0;
}

struct tuple {
	uint32_t source, destination;
	uint16_t source_port, destination_port;
};

/* An IPv4 packet of @proto with @ihl words of header. Return: bytes up to and with the ports. */
static uint16_t make(uint8_t frame[128], const struct tuple *t, uint8_t proto, uint8_t ihl)
{
	memset(frame, 0, 128);
	frame[12] = 8;
	frame[14] = 0x40 | ihl;
	frame[23] = proto;
	memcpy(frame + 26, &t->source, 4);
	memcpy(frame + 30, &t->destination, 4);
	memcpy(frame + 14 + ihl * 4, &t->source_port, 2);
	memcpy(frame + 14 + ihl * 4 + 2, &t->destination_port, 2);
	return 14 + ihl * 4 + 4;
}

static struct tuple random_tuple(void)
{
	return (struct tuple){ (uint32_t)rand(), (uint32_t)rand(), (uint16_t)rand(), (uint16_t)(rand() | 256) };
}

/* What core @core gets in one turn, freed; all must be of @want's tuple if given. */
static unsigned collect(uint32_t core)
{
	unsigned n;

	percore_id = core;
	n = flow_rx(out, NIC_BURST_MAX);
	for (unsigned i = 0; i < n; i++)
		buf_free(out[i]);
	return n;
}

static void test_dealing(void **state)
{
	(void)state;
	for (uint16_t pairs = 1; pairs <= 9; pairs++) {
		for (uint32_t cores = 1; cores <= 9; cores++) {
			unsigned count[9] = { 0 };

			start(pairs, cores, false, pairs > 1);
			for (unsigned g = 0; g < FLOW_GROUPS_MAX; g++) {
				assert_true(flow_owner((uint8_t)g) < cores);
				count[flow_owner((uint8_t)g)]++;
				/* With RSS a group arrives where its owner polls, if there are queues enough. */
				if (pairs > 1 && pairs >= cores)
					assert_int_equal(fake_nic_steering.table[g] % cores, flow_owner((uint8_t)g));
				assert_true(pairs == 1 || fake_nic_steering.table[g] < pairs);
			}
			for (uint32_t c = 0; c < cores; c++)
				assert_true(pairs > cores ? count[c] > 0 : count[c] >= FLOW_GROUPS_MAX / cores);
			assert_int_equal(fake_nic_steered, pairs > 1);
			for (uint16_t q = 0; q < pairs; q++)
				assert_int_equal(fake_nic[q].core, q % cores);
		}
	}
}

static void test_one_queue_many_cores(void **state)
{
	unsigned got[4] = { 0 };
	struct flow_stats s;

	(void)state;
	start(1, 4, false, false);
	srand(5);
	for (unsigned i = 0; i < 1000; i++) {
		struct tuple t = random_tuple();
		uint8_t frame[128], ihl = (uint8_t)(5 + rand() % 11);
		uint16_t bytes = make(frame, &t, i % 2 ? 6 : 17, ihl);
		uint32_t owner = flow_owner(
			flow_group_of_tuple(t.source, t.destination, t.source_port, t.destination_port));
		unsigned n;

		fake_nic_receive(0, frame, bytes);
		percore_id = 0;
		n = flow_rx(out, NIC_BURST_MAX);
		assert_int_equal(n, owner == 0);
		percore_id = owner;
		if (owner)
			n = flow_rx(out, NIC_BURST_MAX);
		assert_int_equal(n, 1);
		assert_int_equal(flow_owner(out[0]->group), owner);
		assert_int_equal(out[0]->hash % FLOW_GROUPS_MAX, out[0]->group);
		got[owner]++;
		buf_free(out[0]);
	}
	for (unsigned c = 0; c < 4; c++)
		assert_true(got[c] > 150);
	flow_stats(&s);
	assert_int_equal(s.handed_over, 1000 - got[0]);
	assert_int_equal(s.hand_drops + s.wakes, 0);
	assert_int_equal(fake_buf_out, 0);
}

/* What a full batch leaves behind, in a core's queues and in what others have handed over to it. */
static void test_waiting(void **state)
{
	struct tuple t = { 1, 2, 3, 4 };
	uint8_t frame[128];
	uint16_t bytes = make(frame, &t, 6, 5);
	uint32_t owner;
	unsigned n;

	(void)state;
	start(2, 1, true, false); /* one core with two queues */
	for (unsigned i = 0; i < 100; i++)
		fake_nic_receive(i % 2, frame, bytes);
	assert_int_equal(collect(0), NIC_BURST_MAX);
	assert_int_equal(flow_rx_waiting(), 100 - NIC_BURST_MAX);
	assert_int_equal(collect(0), 100 - NIC_BURST_MAX);
	assert_int_equal(flow_rx_waiting(), 0);
	start(1, 2, false, false); /* the other core has none */
	do {
		t.source_port++;
		owner = flow_owner(flow_group_of_tuple(t.source, t.destination, t.source_port, t.destination_port));
	} while (owner != 1);
	bytes = make(frame, &t, 6, 5);
	for (unsigned i = 0; i < 100; i++)
		fake_nic_receive(0, frame, bytes);
	assert_int_equal(collect(0), 0);
	assert_int_equal(collect(0), 0);
	assert_int_equal(flow_rx_waiting(), 0);
	percore_id = 1;
	n = flow_rx(out, 10);
	assert_int_equal(n, 10);
	assert_int_equal(flow_rx_waiting(), 90);
	while (n)
		buf_free(out[--n]);
	assert_int_equal(collect(1) + collect(1), 90);
	assert_int_equal(flow_rx_waiting(), 0);
	assert_int_equal(fake_buf_out, 0);
}

/* All that is not plain TCP or UDP, at every length, goes to the boot core, and no byte beyond is read. */
static void test_odd_frames(void **state)
{
	struct tuple t = { 1, 2, 3, 4 };
	uint8_t frame[128];
	unsigned sent = 0;

	(void)state;
	start(2, 3, true, false);
	for (uint16_t bytes = 14; bytes < 38; bytes++, sent++) {
		make(frame, &t, 6, 5);
		fake_nic_receive(1, frame, bytes);
	}
	for (uint16_t bytes = 14; bytes < 78; bytes++, sent++) {
		make(frame, &t, 17, 15);
		fake_nic_receive(1, frame, bytes);
	}
	for (unsigned kind = 0; kind < 8; kind++, sent++) {
		uint16_t bytes = make(frame, &t, 6, 5);

		switch (kind) {
		case 0:
			frame[13] = 6;
			break; /* ARP */
		case 1:
			frame[12] = 0x81;
			break; /* VLAN */
		case 2:
			frame[14] = 0x65;
			break; /* version 6 */
		case 3:
			frame[14] = 0x44;
			break; /* header too short */
		case 4:
			frame[20] = 0x20;
			break; /* first fragment */
		case 5:
			frame[21] = 1;
			break; /* later fragment */
		case 6:
			frame[23] = 1;
			break; /* ICMP */
		case 7:        /* answer of a DHCP server */
			frame[23] = 17;
			frame[36] = 0;
			frame[37] = 68;
			break;
		}
		fake_nic_receive(1, frame, bytes);
	}
	assert_int_equal(collect(1) + collect(1), 0);
	assert_int_equal(collect(0) + collect(0), sent);
	make(frame, &t, 6, 5);
	frame[20] = 0x40; /* don't fragment is no fragment */
	fake_nic_receive(1, frame, 38);
	assert_int_equal(collect(1) + collect(flow_owner(flow_group_of_tuple(1, 2, 3, 4))), 1);
	assert_int_equal(fake_buf_out, 0);
}

static void test_queue_is_group(void **state)
{
	struct tuple t = { 1, 2, 3, 4 };
	uint8_t frame[128];

	(void)state;
	start(5, 3, true, false);
	for (uint16_t q = 0; q < 5; q++) {
		fake_nic_receive(q, frame, make(frame, &t, 6, 5));
		percore_id = q % 3;
		assert_int_equal(flow_rx(out, 64), 1);
		assert_int_equal(out[0]->group, q);
		assert_int_equal(flow_owner(out[0]->group), q % 3);
		buf_free(out[0]);
	}
	/* Not only flows: what no flow has, the core above sees and hands on. */
	memset(frame, 0, sizeof(frame));
	fake_nic_receive(4, frame, 60);
	assert_int_equal(collect(1), 1);
	percore_id = 2;
	assert_int_equal(flow_owner(flow_group_of_tuple(1, 2, 3, 4)), 2);
	/* Fewer queues than cores: then our own hash decides, whoever picked the queue. */
	start(2, 4, true, false);
	fake_nic_receive(1, frame, make(frame, &t, 6, 5));
	percore_id = 1;
	(void)flow_rx(out, 64);
	percore_id = flow_owner(flow_group_of_tuple(1, 2, 3, 4));
	if (percore_id != 1)
		assert_int_equal(flow_rx(out, 64), 1);
	buf_free(out[0]);
	assert_int_equal(fake_buf_out, 0);
}

static void test_wakes(void **state)
{
	struct tuple t;
	uint8_t frame[128];

	(void)state;
	start(1, 2, false, false);
	do
		t = random_tuple();
	while (flow_owner(flow_group_of_tuple(t.source, t.destination, t.source_port, t.destination_port)) != 1);
	percore_id = 1;
	assert_false(flow_sleep_begin());
	for (unsigned i = 0; i < 40; i++)
		fake_nic_receive(0, frame, make(frame, &t, 6, 5));
	assert_int_equal(collect(0), 0);
	assert_int_equal(fake_wakes[1], 1); /* one a burst */
	fake_nic_receive(0, frame, make(frame, &t, 6, 5));
	assert_int_equal(collect(0), 0);
	assert_int_equal(fake_wakes[1], 1); /* none while it is getting up */
	percore_id = 1;
	assert_true(flow_sleep_begin()); /* looked again: there is work */
	flow_sleep_end();
	assert_int_equal(collect(1), 41);
	for (unsigned i = 0; i < 40; i++)
		fake_nic_receive(0, frame, make(frame, &t, 6, 5));
	assert_int_equal(collect(0), 0);
	for (unsigned i = 0; i < 40; i++)
		fake_nic_receive(0, frame, make(frame, &t, 6, 5));
	assert_int_equal(collect(0), 0);
	assert_int_equal(fake_wakes[1], 1); /* it is awake */
	assert_int_equal(collect(1), 64);
	percore_id = 1;
	assert_true(flow_sleep_begin()); /* 16 wait */
	flow_sleep_end();
	assert_int_equal(collect(1), 16);
	percore_id = 1;
	assert_false(flow_sleep_begin());
	flow_sleep_end();
	percore_id = 0;
	assert_false(flow_sleep_begin());
	assert_true(fake_nic[0].is_armed);
	flow_sleep_end();
	assert_false(fake_nic[0].is_armed);
	fake_nic_receive(0, frame, make(frame, &t, 6, 5));
	assert_true(flow_sleep_begin());
	flow_sleep_end();
	assert_int_equal(collect(0) + collect(1), 1);
}

/* However the frames of a burst are spread, each sleeper is woken once for it, and the counter says so. */
static void test_wakes_a_burst(void **state)
{
	unsigned bursts = 0, handed = 0;
	struct flow_stats s;
	uint8_t frame[128];

	(void)state;
	start(1, 4, false, false);
	srand(11);
	for (; bursts < 100; bursts++) {
		for (percore_id = 1; percore_id < 4; percore_id++)
			assert_false(flow_sleep_begin());
		for (unsigned i = 0; i < NIC_BURST_MAX; i++) {
			struct tuple t = random_tuple();

			fake_nic_receive(0, frame, make(frame, &t, 6, 5));
		}
		handed += NIC_BURST_MAX - collect(0);
		for (percore_id = 1; percore_id < 4; percore_id++)
			flow_sleep_end();
		assert_int_equal(collect(1) + collect(2) + collect(3) + collect(0), handed);
		handed = 0;
	}
	flow_stats(&s);
	assert_true(s.handed_over > 4000);
	for (unsigned c = 1; c < 4; c++)
		assert_int_equal(fake_wakes[c], bursts);
	assert_int_equal(s.wakes, 3 * bursts);
	assert_int_equal(fake_buf_out, 0);
}

static void test_hand_over_full(void **state)
{
	uint8_t frame[128] = { 0 };
	unsigned handed = 0;
	struct flow_stats s;

	(void)state;
	start(2, 3, true, false);
	for (unsigned i = 0; i < RING_SLOTS + 100; i++)
		fake_nic_receive(1, frame, 60); /* all the boot core's */
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(collect(1), 0);
	for (unsigned n; (n = collect(0));)
		handed += n;
	flow_stats(&s);
	assert_int_equal(handed, RING_SLOTS);
	assert_int_equal(s.hand_drops, 100);
	assert_int_equal(fake_buf_out, 0); /* what was dropped was freed */
}

/* Neither what is handed over nor the own queue can starve the other. */
static void test_fairness(void **state)
{
	uint8_t frame[128] = { 0 };
	unsigned own = 0, handed = 0;

	(void)state;
	start(2, 3, true, false);
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 64; i++) {
			fake_nic_receive(0, frame, 60);
			fake_nic_receive(1, frame, 61);
		}
		assert_int_equal(collect(1), 0);
		percore_id = 0;
		assert_int_equal(flow_rx(out, 64), 64);
		for (unsigned i = 0; i < 64; i++) {
			own += out[i]->len == 60;
			handed += out[i]->len == 61;
			buf_free(out[i]);
		}
	}
	assert_true(own == 640 && handed == 640);
	while (collect(0))
		;
}

/* A core with several queues, as when others have left: one that fills every batch does not keep the others from being looked at. */
static void test_queues_in_turn(void **state)
{
	uint8_t frame[128] = { 0 };
	unsigned from[3] = { 0 };

	(void)state;
	start(6, 2, true, false);
	for (unsigned round = 0; round < 30; round++) {
		for (unsigned i = 0; i < 64; i++)
			fake_nic_receive(0, frame, 60);
		fake_nic_receive(2, frame, 61);
		fake_nic_receive(4, frame, 62);
		percore_id = 0;
		assert_int_equal(flow_rx(out, 64), 64);
		for (unsigned i = 0; i < 64; i++) {
			from[out[i]->len - 60]++;
			buf_free(out[i]);
		}
	}
	assert_int_equal(from[0] + from[1] + from[2], 30 * 64);
	assert_true(from[1] >= 28 && from[2] >= 28);
	while (collect(0))
		;
	assert_int_equal(fake_buf_out, 0);
}

/* Nor does a core that hands over all the time keep others' frames from being taken. */
static void test_handed_in_turn(void **state)
{
	uint8_t frame[128] = { 0 };
	unsigned from[4] = { 0 };

	(void)state;
	start(3, 4, true, false);
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 64; i++) {
			fake_nic_receive(0, frame, 60);
			fake_nic_receive(1, frame, 61);
			fake_nic_receive(2, frame, 62);
		}
		assert_int_equal(collect(1) + collect(2), 0);
		percore_id = 0;
		assert_int_equal(flow_rx(out, 64), 64);
		for (unsigned i = 0; i < 64; i++) {
			from[out[i]->len - 60]++;
			buf_free(out[i]);
		}
	}
	assert_true(from[0] == 640 && from[1] == 320 && from[2] == 320);
	while (collect(0))
		;
	assert_int_equal(fake_buf_out, 0);
}

static void test_hand_by_net(void **state)
{
	uint8_t frame[128] = { 0 };

	(void)state;
	start(1, 3, false, false);
	fake_nic_receive(0, frame, 60);
	percore_id = 0;
	assert_int_equal(flow_rx(out, 1), 1);
	assert_true(flow_hand(2, out[0]));
	flow_state.inbox[2].sleeping = 1;
	assert_int_equal(fake_wakes[2], 0);
	flow_tx_flush();
	assert_int_equal(fake_wakes[2], 1);
	percore_id = 2;
	assert_int_equal(flow_rx(out, 1), 1);
	assert_true(flow_hand(2, out[0])); /* to itself */
	assert_true(flow_sleep_begin());
	flow_sleep_end();
	assert_int_equal(collect(2), 1);
}

static void test_refusals(void **state)
{
	(void)state;
	start(1, 1, false, false);
	assert_int_equal(flow_init(0), KERR_INVALID);
	assert_int_equal(flow_init(65), KERR_INVALID);
	fake_mem_reset(10000);
	assert_int_equal(flow_init(4), KERR_NO_MEMORY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dealing),
		cmocka_unit_test(test_waiting),
		cmocka_unit_test(test_one_queue_many_cores),
		cmocka_unit_test(test_odd_frames),
		cmocka_unit_test(test_queue_is_group),
		cmocka_unit_test(test_wakes),
		cmocka_unit_test(test_wakes_a_burst),
		cmocka_unit_test(test_hand_over_full),
		cmocka_unit_test(test_fairness),
		cmocka_unit_test(test_queues_in_turn),
		cmocka_unit_test(test_handed_in_turn),
		cmocka_unit_test(test_hand_by_net),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
