/* SPDX-License-Identifier: MIT */
/*
 * A bounded ring of pointers between one producing and one consuming core. Each side owns a cache
 * line and keeps a copy of the other's index, so that a line moves only when the copy runs out.
 */
#pragma once
#include "kernel/base/types.h"

#define RING_SLOTS 512u /* power of two */

struct ring {
	struct {
		uint32_t head;      /* next slot to fill, written by the producer */
		uint32_t tail_seen; /* producer's copy of tail */
	} ALIGNED(64) in;
	struct {
		uint32_t tail;      /* next slot to empty, written by the consumer */
		uint32_t head_seen; /* consumer's copy of head */
	} ALIGNED(64) out;
	void *slots[RING_SLOTS] ALIGNED(64);
};

/** ring_push() - by the producer only. Return: false if full; @item then stays the caller's. */
static inline bool ring_push(struct ring *r, void *item)
{
	uint32_t head = r->in.head;

	if (head - r->in.tail_seen == RING_SLOTS) {
		r->in.tail_seen = load_acquire(&r->out.tail);
		if (head - r->in.tail_seen == RING_SLOTS)
			return false;
	}
	r->slots[head % RING_SLOTS] = item;
	store_release(&r->in.head, head + 1);
	return true;
}

/** ring_take() - by the consumer only. Return: oldest item, NULL if empty. */
static inline void *ring_take(struct ring *r)
{
	uint32_t tail = r->out.tail;
	void *item;

	if (tail == r->out.head_seen) {
		r->out.head_seen = load_acquire(&r->in.head);
		if (tail == r->out.head_seen)
			return NULL;
	}
	item = r->slots[tail % RING_SLOTS];
	store_release(&r->out.tail, tail + 1);
	return item;
}

/** ring_count() - items, as seen by the consumer now. */
static inline uint32_t ring_count(struct ring *r)
{
	return load_acquire(&r->in.head) - r->out.tail;
}

/** ring_is_empty() - as seen by the consumer now. */
static inline bool ring_is_empty(struct ring *r)
{
	return load_acquire(&r->in.head) == r->out.tail;
}
