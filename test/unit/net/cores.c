/* SPDX-License-Identifier: MIT */
/* Windows that are exchanged, and a device with several queues. */
#include "test/unit/net/cores.h"

#include <stdlib.h>
#include "kernel/event/event.h"
#include "kernel/mem/mem.h"
#include "kernel/order/order.h"
#include "kernel/time/time.h"
#include "test/fake/cpu.h"
#include "test/fake/mem.h"
#include "test/fake/slab.h"

#define BUFFERS 4096u
#define QUEUE_MAX 4096u

extern uint8_t cores_window_start[], cores_window_end[];

struct cores cores;

static uint8_t *windows[CORES_IN_TEST];
static uint32_t present;
static size_t blocks_at_start;

/* A frame that the device has, and whose queue gets the token back. */
struct sent_frame {
	void *token;
	uint16_t queue;
};

static struct queue {
	struct buf *rx[QUEUE_MAX];
	unsigned rx_head, rx_tail;
	void *done[QUEUE_MAX];
	unsigned done_count;
	unsigned pending; /* sent, and not taken back */
} queues[CORES_IN_TEST];
static struct nic_steering steering;

/* ---- windows ---- */
/* Not memcpy(): the sanitizer's fences between lwIP's variables are copied along. */
static void copy(void *to, const void *from, size_t bytes)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes)::"memory");
}

void cores_switch(uint32_t core)
{
	size_t bytes = (size_t)(cores_window_end - cores_window_start);

	if (core == present)
		return;
	copy(windows[present], cores_window_start, bytes);
	copy(cores_window_start, windows[core], bytes);
	present = core;
	assert_int_equal(core_id(), core);
}

/* ---- device ---- */
static uint8_t queue_of(const struct buf *b)
{
	const uint8_t *frame = b->data + b->off;
	uint32_t addresses[2];
	uint16_t ports[2];

	if (cores.mode == CORES_HASH || frame[12] != 8 || frame[13] != 0)
		return 0;
	memcpy(addresses, frame + 26, sizeof(addresses));
	memcpy(ports, frame + 34, sizeof(ports));
	if (cores.mode == CORES_QUEUE)
		return cores.queue_of(be16(ports[0]));
	return (uint8_t)steering.table[flow_group_of_tuple(addresses[0], addresses[1], ports[0], ports[1])];
}

static void pump(void)
{
	static struct buf *waiting[WAITING_MAX];
	unsigned count = world_take_waiting(waiting);

	for (unsigned i = 0; i < count; i++) {
		struct queue *q = &queues[queue_of(waiting[i])];

		assert_true(q->rx_head - q->rx_tail < QUEUE_MAX);
		q->rx[q->rx_head++ % QUEUE_MAX] = waiting[i];
	}
}

unsigned nic_rx_waiting(uint16_t queue)
{
	return (unsigned)(queues[queue].rx_head - queues[queue].rx_tail);
}

unsigned nic_rx_burst(uint16_t queue, struct buf **out, unsigned max)
{
	struct queue *q = &queues[queue];
	unsigned n = 0;

	pump();
	while (n < max && q->rx_tail != q->rx_head)
		out[n++] = q->rx[q->rx_tail++ % QUEUE_MAX];
	return n;
}

bool nic_tx(uint16_t queue, const struct nic_tx *tx)
{
	struct sent_frame *f = malloc(sizeof(*f));
	struct nic_tx copied;

	*f = (struct sent_frame){ tx->token, queue };
	memcpy(&copied, tx, offsetof(struct nic_tx, segs) + tx->seg_count * sizeof(tx->segs[0]));
	copied.token = f;
	if (world_tx(&copied)) {
		queues[queue].pending++;
		return true;
	}
	free(f);
	return false;
}

bool nic_tx_short(uint16_t queue, void *token, uint8_t *frame, uint32_t bytes, uint16_t csum_offset)
{
	struct nic_tx tx = { .token = token,
			     .flags = NIC_TX_NEEDS_CSUM,
			     .csum_start = NIC_TX_HEADERS,
			     .csum_offset = csum_offset,
			     .seg_count = 1,
			     .segs = { { mem_pa(frame), bytes } } };

	memset(frame - NIC_TX_ROOM, 0xa5, NIC_TX_ROOM); /* a driver may */
	return nic_tx(queue, &tx);
}

unsigned nic_tx_reclaim(uint16_t queue, void **tokens, unsigned max)
{
	struct queue *q = &queues[queue];
	void *finished[64];
	unsigned n;

	while ((n = world_tx_reclaim(finished, ARRAY_COUNT(finished))) != 0) {
		for (unsigned i = 0; i < n; i++) {
			struct sent_frame *f = finished[i];

			queues[f->queue].done[queues[f->queue].done_count++] = f->token;
			free(f);
		}
	}
	n = MIN(q->done_count, max);
	memcpy(tokens, q->done, n * sizeof(*tokens));
	q->done_count -= n;
	q->pending -= n;
	memmove(q->done, q->done + n, q->done_count * sizeof(*tokens));
	return n;
}

int nic_steer(const struct nic_steering *s)
{
	steering = *s;
	return 0;
}

unsigned nic_tx_pending(uint16_t queue)
{
	return queues[queue].pending;
}

bool nic_tx_starved(uint16_t queue)
{
	(void)queue;
	return false;
}

uint32_t nic_tx_room(uint16_t queue)
{
	(void)queue;
	return world_tx_room();
}

void nic_tx_flush(uint16_t queue)
{
	(void)queue;
}

bool nic_irq_arm(uint16_t queue)
{
	(void)queue;
	return false;
}

void nic_irq_disarm(uint16_t queue)
{
	(void)queue;
}

int nic_irq_core(uint16_t queue, uint32_t core)
{
	(void)queue;
	(void)core;
	return 0;
}

/* ---- the loop ---- */
void cores_turn(uint32_t core)
{
	struct buf *frames[NIC_BURST_MAX];
	unsigned count;

	cores_switch(core);
	net_tx_reclaim();
	order_poll();
	count = flow_rx(frames, NIC_BURST_MAX);
	net_input(frames, count, count < NIC_BURST_MAX);
	time_run(time_now());
	net_output();
	flow_tx_flush();
	world_events(&cores.events[core]);
}

void cores_all(unsigned rounds)
{
	while (rounds--) {
		world.now_us += 1000;
		for (uint32_t core = 0; core < CORES_IN_TEST; core++)
			cores_turn(core);
	}
}

static void start_core(uint32_t core)
{
	cores_switch(core);
	time_core_init(time_now());
	flow_core_init();
	event_core_init(&cores.events[core]);
	assert_int_equal(net_core_init(), 0);
	order_core_init();
}

void cores_begin(enum cores_mode mode, uint32_t offloads)
{
	size_t bytes = (size_t)(cores_window_end - cores_window_start);

	world.now_us = 2000000000;
	world.is_ip6 = offloads & WORLD_IP6;
	offloads &= ~WORLD_IP6;
	world.is_csum_unchecked = offloads != 0;
	world.conf = (struct conf){ .name = "test",
				    .cores_max = CORES_IN_TEST,
				    .address = be32(WORLD_ADDRESS),
				    .prefix_bits = 8,
				    .prefix6_bits = 64,
				    .tcp_timestamps = true,
				    .mtu = 1500,
				    .connections = 1000,
				    .rx_buffers = BUFFERS,
				    .rto_floor_ms = 200 };
	world_ip6((uint8_t *)&world.conf.address6, WORLD_ADDRESS);
	cores.mode = mode;
	world_nic.offloads = offloads | (mode == CORES_RSS ? NIC_RSS : 0);
	world_nic.queue_pairs = mode == CORES_HASH ? 1 : CORES_IN_TEST;
	world_nic.queue_is_group = mode == CORES_QUEUE;
	fake_core_count = CORES_IN_TEST;
	fake_mem_reset(SIZE_MAX);
	for (uint32_t core = 0; core < CORES_IN_TEST; core++) {
		percore_id = core;
		windows[core] = malloc(bytes);
		copy(windows[core], cores_window_start, bytes);
	}
	percore_id = 0;
	assert_int_equal(buf_init(BUFFERS), 0);
	assert_int_equal(flow_init(CORES_IN_TEST), 0);
	assert_int_equal(net_init(&world.conf), 0);
	for (uint32_t core = 0; core < CORES_IN_TEST; core++)
		start_core(core);
	blocks_at_start = fake_slab_blocks;
	cores_all(2);
}

/* Of all magazines and the depot. */
static unsigned free_buffers(void)
{
	static struct buf *taken[BUFFERS];
	unsigned count = 0;
	struct buf *b;

	for (uint32_t core = 0; core < CORES_IN_TEST; core++) {
		cores_switch(core);
		while ((b = buf_alloc()) != NULL)
			taken[count++] = b;
	}
	for (unsigned i = 0; i < count; i++)
		buf_free(taken[i]);
	return count;
}

void cores_check_empty(void)
{
	struct net_stats stats;

	for (uint32_t core = 0; core < CORES_IN_TEST; core++) {
		cores_switch(core);
		assert_int_equal(net_partition_pending_tx(), 0);
		assert_false(net_has_events());
		net_stats(&stats);
		assert_int_equal(stats.connections, 0);
	}
	assert_int_equal(world_held(), 0);
	assert_int_equal(free_buffers(), BUFFERS);
	assert_int_equal(fake_slab_blocks, blocks_at_start);
}

void cores_end(void)
{
	for (uint32_t core = 0; core < CORES_IN_TEST; core++) {
		cores_switch(core);
		net_partition_end();
	}
	cores_all(500);
	cores_check_empty();
}
