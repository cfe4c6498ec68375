/* SPDX-License-Identifier: MIT */
/*
 * Objects of one size, of one core: to take one or to give one back is three instructions.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct ix_slab {
	void *free;     /* list through the first word */
	uint8_t *fresh; /* not handed out yet, up to fresh_end */
	uint8_t *fresh_end;
	uint32_t size; /* of an object, a multiple of 16 */
	uint32_t left; /* objects that may still be made */
	/* By other cores, for objects of ours that are theirs now; both atomic. */
	void *returned;  /* list through the first word */
	uint32_t credit; /* objects that may be made in addition */
};

void ix_slab_init(struct ix_slab *s, uint32_t size, uint32_t max);
void *ix_slab_more(struct ix_slab *s);

/**
 * ix_slab_trade() - @count objects of @theirs, another core's, are in use here now and will be given to @ours
 * As many free ones of ours become theirs; where we have none, they may make new ones, and we fewer.
 */
void ix_slab_trade(struct ix_slab *ours, struct ix_slab *theirs, unsigned count);

/* Not zeroed. NULL: the limit or the heap is reached. */
static inline void *ix_slab_take(struct ix_slab *s)
{
	void *object = s->free;

	if (__builtin_expect(!object, 0))
		return ix_slab_more(s);
	s->free = *(void **)object;
	return object;
}

static inline void ix_slab_give(struct ix_slab *s, void *object)
{
	*(void **)object = s->free;
	s->free = object;
}

/* Objects linked through their first words, @first to @last. */
static inline void ix_slab_give_list(struct ix_slab *s, void *first, void *last)
{
	*(void **)last = s->free;
	s->free = first;
}
