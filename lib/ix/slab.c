/* SPDX-License-Identifier: MIT */
/*
 * Objects of one size: carved from 64 KiB pieces of the heap, up to a limit, and never given back to it,
 * so that a stale pointer still points at an object of its kind.
 */
#include "lib/ix/slab.h"
#include <sys/mman.h>

#define PIECE_BYTES (64u << 10)

void ix_slab_init(struct ix_slab *s, uint32_t size, uint32_t max)
{
	*s = (struct ix_slab){ .size = (size + 15) & ~15u, .left = max };
}

void *ix_slab_more(struct ix_slab *s)
{
	void *object;

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
