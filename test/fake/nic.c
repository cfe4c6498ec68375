/* SPDX-License-Identifier: MIT */
/* Stands in for kernel/nic and kernel/buf. */
#include "test/fake/nic.h"
#include "kernel/mem/mem.h"

#include <stdlib.h>
#include <string.h>

struct fake_nic_queue fake_nic[NIC_QUEUES_MAX];
struct nic_info fake_nic_info;
struct nic_steering fake_nic_steering;
unsigned fake_nic_steered;
unsigned fake_buf_out;

static void *finished[NIC_QUEUES_MAX][64];
static unsigned finished_count[NIC_QUEUES_MAX];

void fake_nic_reset(uint16_t pairs)
{
	memset(fake_nic, 0, sizeof(fake_nic));
	memset(&fake_nic_info, 0, sizeof(fake_nic_info));
	memset(finished_count, 0, sizeof(finished_count));
	for (unsigned i = 0; i < NIC_QUEUES_MAX; i++)
		fake_nic[i].tx_room = 64;
	fake_nic_info.queue_pairs = pairs;
	fake_nic_steered = 0;
}

void fake_nic_receive(uint16_t queue, const void *frame, uint16_t bytes)
{
	struct fake_nic_queue *q = &fake_nic[queue];
	struct buf *b = aligned_alloc(64, sizeof(*b));

	memset(b, 0, sizeof(*b));
	b->data = malloc(bytes);
	memcpy(b->data, frame, bytes);
	b->len = bytes;
	b->frame_bytes = bytes;
	b->count = 1;
	q->rx[q->rx_head++ % FAKE_NIC_DEPTH] = b;
	fake_buf_out++;
}

void buf_free(struct buf *b)
{
	free(b->data);
	free(b);
	fake_buf_out--;
}

void buf_free_frame(struct buf *first)
{
	buf_free(first);
}

const struct nic_info *nic_info(void)
{
	return &fake_nic_info;
}

int nic_irq_core(uint16_t queue, uint32_t core)
{
	fake_nic[queue].core = core;
	return 0;
}

int nic_steer(const struct nic_steering *steering)
{
	fake_nic_steering = *steering;
	fake_nic_steered++;
	return 0;
}

unsigned nic_rx_waiting(uint16_t queue)
{
	return fake_nic[queue].rx_head - fake_nic[queue].rx_tail;
}

unsigned nic_rx_burst(uint16_t queue, struct buf **out, unsigned max)
{
	struct fake_nic_queue *q = &fake_nic[queue];
	unsigned n = 0;

	while (n < max && q->rx_tail != q->rx_head)
		out[n++] = q->rx[q->rx_tail++ % FAKE_NIC_DEPTH];
	return n;
}

bool nic_irq_arm(uint16_t queue)
{
	fake_nic[queue].is_armed = true;
	return fake_nic[queue].rx_tail != fake_nic[queue].rx_head;
}

void nic_irq_disarm(uint16_t queue)
{
	fake_nic[queue].is_armed = false;
}

bool nic_tx(uint16_t queue, const struct nic_tx *tx)
{
	struct fake_nic_queue *q = &fake_nic[queue];

	q->is_starved = q->tx_count >= q->tx_room;
	if (q->is_starved)
		return false;
	memcpy(&q->tx[q->tx_count++], tx, offsetof(struct nic_tx, segs) + tx->seg_count * sizeof(tx->segs[0]));
	return true;
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

uint32_t nic_tx_room(uint16_t queue)
{
	return fake_nic[queue].tx_room - fake_nic[queue].tx_count;
}

void nic_tx_flush(uint16_t queue)
{
	fake_nic[queue].tx_flushed = fake_nic[queue].tx_count;
}

void fake_nic_finish(uint16_t queue, unsigned count)
{
	struct fake_nic_queue *q = &fake_nic[queue];

	for (unsigned i = 0; i < count; i++)
		finished[queue][finished_count[queue]++] = q->tx[i].token;
	q->tx_count -= count;
	q->tx_flushed -= count;
	memmove(q->tx, q->tx + count, q->tx_count * sizeof(q->tx[0]));
}

unsigned nic_tx_reclaim(uint16_t queue, void **tokens, unsigned max)
{
	unsigned n = 0;

	while (finished_count[queue] && n < max) {
		void *token = finished[queue][--finished_count[queue]];

		if (token)
			tokens[n++] = token;
		fake_nic[queue].is_starved = false;
	}
	return n;
}

unsigned nic_tx_pending(uint16_t queue)
{
	return fake_nic[queue].tx_count + finished_count[queue];
}

bool nic_tx_starved(uint16_t queue)
{
	return fake_nic[queue].is_starved && nic_tx_pending(queue);
}
