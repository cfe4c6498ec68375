/* SPDX-License-Identifier: MIT */
/*
 * A split ring seen from the driver: what has been offered, what has come back, when to ring and when
 * to be rung. It knows nothing of frames. Only the core that owns a queue touches its struct virtq,
 * except for state, by which the boot core stops it for a device reset. [virtio-1.2 2.7]
 */
#pragma once
#include "kernel/nic/virtio_pci.h"

#define VIRTQ_SIZE_USED_MAX 1024u /* larger rings only cost cache */

/* Who may touch the ring. */
enum virtq_state {
	VIRTQ_RUNNING,  /* its owner */
	VIRTQ_STOPPING, /* its owner, who is asked to park it; written by the boot core */
	VIRTQ_PARKED,   /* the boot core; written by the owner, who does not look at the ring any more */
	VIRTQ_DRAINING, /* its owner, who first gives back what the device had; written by the boot core */
	VIRTQ_STATE_NR
};

struct virtq {
	struct virtq_desc *desc;
	struct virtq_avail *avail;
	struct virtq_used *used;
	volatile uint16_t *doorbell;
	uint32_t state;       /* enum virtq_state */
	uint32_t mask;        /* size - 1 */
	uint32_t avail_next;  /* entries written to the available ring; as the next two, it only grows */
	uint32_t avail_shown; /* of them, how many the device was told of */
	uint32_t used_next;   /* entries read from the used ring */
	uint16_t size;        /* descriptors, power of two */
	uint16_t index;       /* of the device's queues */
	uint16_t msix_entry;
	bool has_event_idx;
};

/** virtq_alloc() - memory for a ring of @size descriptors. 0 or KERR_NO_MEMORY. */
int virtq_alloc(struct virtq *q, uint16_t index, uint16_t size);

/** virtq_clear() - an empty ring, as it must be before the device is told of it. */
void virtq_clear(struct virtq *q);

/** virtq_enable() - tell the device where the ring is. As virtio_pci_queue_enable(). */
int virtq_enable(struct virtq *q, struct virtio_pci *v, bool has_event_idx);

static inline le16_t *virtq_used_event(struct virtq *q)
{
	return &q->avail->ring[q->size];
}

static inline le16_t *virtq_avail_event(struct virtq *q)
{
	return (le16_t *)(void *)&q->used->ring[q->size];
}

/** virtq_used_count() - elements that came back and were not taken; what they say is visible after this. */
static inline uint16_t virtq_used_count(struct virtq *q)
{
	return (uint16_t)(load_acquire(&q->used->idx) - q->used_next);
}

/** virtq_used_at() - the @i-th of them, read once. */
static inline struct virtq_used_elem virtq_used_at(struct virtq *q, uint32_t i)
{
	const struct virtq_used_elem *e = &q->used->ring[(q->used_next + i) & q->mask];

	return (struct virtq_used_elem){ .id = READ_ONCE(e->id), .len = READ_ONCE(e->len) };
}

/** virtq_offer() - put chain @head into the available ring; not shown to the device yet. */
static inline void virtq_offer(struct virtq *q, uint16_t head)
{
	q->avail->ring[q->avail_next++ & q->mask] = head;
}

/** virtq_show() - let the device see all that was offered. Return: whether it was rung. [virtio-1.2 2.7.13.4] */
static inline bool virtq_show(struct virtq *q)
{
	uint16_t old = (uint16_t)q->avail_shown, new = (uint16_t)q->avail_next;
	bool ring;

	if (old == new)
		return false;
	store_release(&q->avail->idx, new);
	q->avail_shown = q->avail_next;
	fence_full(); /* the device either sees the index or has asked for the bell before */
	if (q->has_event_idx) {
		uint16_t event = READ_ONCE(*virtq_avail_event(q));

		ring = (uint16_t)(new - event - 1) < (uint16_t)(new - old);
	} else {
		ring = !(READ_ONCE(q->used->flags) & VIRTQ_USED_NO_NOTIFY);
	}
	if (ring)
		*q->doorbell = q->index;
	return ring;
}

/** virtq_irq_arm() - interrupt at the next element that comes back. Return: true if one is there already. [virtio-1.2 2.7.7] */
static inline bool virtq_irq_arm(struct virtq *q)
{
	if (q->has_event_idx)
		WRITE_ONCE(*virtq_used_event(q), (uint16_t)q->used_next);
	else
		WRITE_ONCE(q->avail->flags, 0);
	fence_full();
	return virtq_used_count(q) != 0;
}

/** virtq_irq_disarm() - no interrupt wanted; one a 65,536 elements may come all the same and does no harm. */
static inline void virtq_irq_disarm(struct virtq *q)
{
	if (q->has_event_idx)
		WRITE_ONCE(*virtq_used_event(q), (uint16_t)(q->used_next - 1));
	else
		WRITE_ONCE(q->avail->flags, VIRTQ_AVAIL_NO_INTERRUPT);
}

static inline bool virtq_is_running(struct virtq *q)
{
	return likely(load_acquire(&q->state) == VIRTQ_RUNNING);
}

/** virtq_park() - by the owner: hands the ring over to the boot core. */
static inline void virtq_park(struct virtq *q)
{
	store_release(&q->state, VIRTQ_PARKED);
}
