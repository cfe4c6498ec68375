/* SPDX-License-Identifier: MIT */
/*
 * Objects of one size: carved from 64 KiB pieces of the heap, up to a limit, and never given back to it,
 * so that a stale pointer still points at an object of its kind.
 */
#include "lib/ix/slab.h"
#include <stdbool.h>
#include <sys/mman.h>

#define PIECE_BYTES (64u << 10)

void ix_slab_init(struct ix_slab *s, uint32_t size, uint32_t max)
{
	*s = (struct ix_slab){ .size = (size + 15) & ~15u, .left = max };
}

void ix_slab_trade(struct ix_slab *ours, struct ix_slab *theirs, unsigned count)
{
	void *first = NULL, *last = ours->free, *old;

	for (; count && ours->free; count--) {
		void *object = ours->free;

		ours->free = *(void **)object;
		*(void **)object = first;
		first = object;
	}
	if (first) {
		old = __atomic_load_n(&theirs->returned, __ATOMIC_RELAXED);
		do
			*(void **)last = old;
		while (!__atomic_compare_exchange_n(&theirs->returned, &old, first, true, __ATOMIC_RELEASE,
						    __ATOMIC_RELAXED));
	}
	if (count)
		__atomic_fetch_add(&theirs->credit, count, __ATOMIC_RELAXED);
	ours->left -= count < ours->left ? count : ours->left;
}

/* What other cores gave for objects of ours. */
static void *take_returned(struct ix_slab *s)
{
	void *object;

	if (__atomic_load_n(&s->credit, __ATOMIC_RELAXED))
		s->left += __atomic_exchange_n(&s->credit, 0, __ATOMIC_RELAXED);
	if (!__atomic_load_n(&s->returned, __ATOMIC_RELAXED))
		return NULL;
	object = __atomic_exchange_n(&s->returned, NULL, __ATOMIC_ACQUIRE);
	s->free = *(void **)object;
	return object;
}

void *ix_slab_more(struct ix_slab *s)
{
	void *object = take_returned(s);

	if (object)
		return object;
	if (!s->left)
		return NULL;
	if ((size_t)(s->fresh_end - s->fresh) < s->size) {
		void *piece = mmap(NULL, PIECE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (piece == MAP_FAILED)
			return NULL;
		s->fresh = piece;
		s->fresh_end = s->fresh + PIECE_BYTES;
	}
	s->left--;
	object = s->fresh;
	s->fresh += s->size;
	return object;
}
