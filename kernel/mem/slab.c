/* SPDX-License-Identifier: MIT */
/*
 * Size-classed blocks. A block has no owner: any core frees it into its own magazines. A core touches
 * shared state once per MEM_MAGAZINE blocks of a class, when it exchanges a magazine with the depot.
 * A 2 MiB chunk of the arena serves one class, so a block's class is found from its address alone.
 */
#include "kernel/base/assert.h"
#include "kernel/base/err.h"
#include "kernel/base/lock.h"
#include "kernel/base/percore.h"
#include "kernel/mem/mem.h"

static const uint16_t class_bytes[] = {
#define X(bytes) bytes,
	MEM_CLASSES(X)
#undef X
};
#define CLASSES ARRAY_COUNT(class_bytes)
#define GRAIN 32u         /* sizes of classes are multiples of it */
#define CHUNKS_MAX 65536u /* 128 GiB of blocks */

/* A free block: in a magazine by next, a full magazine in the depot by next_magazine of its first block. */
struct block {
	struct block *next;
	struct block *next_magazine;
};

/* The calling core's two magazines of a class: the loaded one and a spare that is full or empty. */
struct magazines {
	struct block *loaded;
	struct block *spare;
	uint32_t loaded_count;
	uint32_t spare_count;
};

struct depot {
	struct lock lock;
	struct block *full; /* full magazines */
	uint8_t *carve;     /* rest of the chunk that new blocks are cut from */
	uint8_t *carve_end;
} ALIGNED(64);

static PERCORE struct magazines magazines[CLASSES];
static struct depot depots[CLASSES];
static uint8_t class_of_size[MEM_BLOCK_MAX / GRAIN + 1];
static uint8_t class_of_chunk[CHUNKS_MAX];
static uint8_t *arena;
static uint32_t chunk_count;
static uint32_t chunks_used;

int mem_slab_init(size_t bytes)
{
	unsigned c = 0;

	if (bytes % HUGE_BYTES || bytes / HUGE_BYTES > CHUNKS_MAX)
		return KERR_INVALID;
	arena = mem_boot_alloc_raw(bytes, HUGE_BYTES);
	if (!arena)
		return KERR_NO_MEMORY;
	chunk_count = (uint32_t)(bytes / HUGE_BYTES);
	for (unsigned s = 0; s < ARRAY_COUNT(class_of_size); s++) {
		while (class_bytes[c] < s * GRAIN)
			c++;
		class_of_size[s] = (uint8_t)c;
	}
	return 0;
}

/* A magazine of new blocks, cut from the depot's chunk; lock held. NULL when the arena is used up. */
static struct block *carve_magazine(struct depot *d, unsigned class)
{
	uint32_t bytes = class_bytes[class];
	struct block *first = NULL;

	if ((size_t)(d->carve_end - d->carve) < (size_t)bytes * MEM_MAGAZINE) {
		uint32_t chunk = __atomic_fetch_add(&chunks_used, 1, __ATOMIC_RELAXED);

		if (chunk >= chunk_count) {
			__atomic_fetch_sub(&chunks_used, 1, __ATOMIC_RELAXED);
			return NULL;
		}
		class_of_chunk[chunk] = (uint8_t) class;
		d->carve = arena + chunk * HUGE_BYTES;
		d->carve_end = d->carve + HUGE_BYTES;
	}
	for (unsigned i = MEM_MAGAZINE; i-- > 0;) {
		struct block *b = (struct block *)(void *)(d->carve + (size_t)i * bytes);

		b->next = first;
		first = b;
	}
	d->carve += (size_t)bytes * MEM_MAGAZINE;
	return first;
}

static bool refill(struct magazines *m, unsigned class)
{
	struct depot *d = &depots[class];
	struct block *full;

	if (m->spare_count) {
		m->loaded = m->spare;
		m->loaded_count = m->spare_count;
		m->spare_count = 0;
		return true;
	}
	lock_take(&d->lock);
	full = d->full;
	if (full)
		d->full = full->next_magazine;
	else
		full = carve_magazine(d, class);
	lock_give(&d->lock);
	if (!full)
		return false;
	m->loaded = full;
	m->loaded_count = MEM_MAGAZINE;
	return true;
}

void *mem_alloc(size_t bytes)
{
	unsigned class;
	struct magazines *m;
	struct block *b;

	if (unlikely(bytes == 0 || bytes > MEM_BLOCK_MAX))
		return NULL;
	class = class_of_size[(bytes + GRAIN - 1) / GRAIN];
	m = &magazines[class];
	if (unlikely(m->loaded_count == 0) && !refill(m, class))
		return NULL;
	b = m->loaded;
	m->loaded = b->next;
	m->loaded_count--;
	return b;
}

void mem_free(void *block)
{
	struct block *b = block;
	struct magazines *m;
	unsigned class;
	size_t off;

	if (!block)
		return;
	off = (size_t)((uint8_t *)block - arena);
	kcheck(off / HUGE_BYTES < chunk_count);
	class = class_of_chunk[off / HUGE_BYTES];
	m = &magazines[class];
	if (unlikely(m->loaded_count == MEM_MAGAZINE)) {
		if (m->spare_count) {
			struct depot *d = &depots[class];

			lock_take(&d->lock);
			m->spare->next_magazine = d->full;
			d->full = m->spare;
			lock_give(&d->lock);
		}
		m->spare = m->loaded;
		m->spare_count = m->loaded_count;
		m->loaded = NULL;
		m->loaded_count = 0;
	}
	b->next = m->loaded;
	m->loaded = b;
	m->loaded_count++;
}

size_t mem_slab_used(void)
{
	return (size_t)__atomic_load_n(&chunks_used, __ATOMIC_RELAXED) * HUGE_BYTES;
}
