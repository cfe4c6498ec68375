/* SPDX-License-Identifier: MIT */
/*
 * mem_alloc() on the host: an arena at low addresses (a block's number must fit into 32 bits, as in the
 * guest), each block poisoned for ASan and memcheck when it is free, and reused as late as possible.
 */
#include "test/fake/slab.h"

#include <sanitizer/asan_interface.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "kernel/base/assert.h"
#include "kernel/mem/mem.h"
#include "test/fake/defined.h"

#define ARENA_BYTES (256ul << 20)
#define GRAIN 64u
#define CLASSES (MEM_BLOCK_MAX / GRAIN + 2)
#define HEADER GRAIN /* in front of each block: its class; poisoned, so it is a fence too */

struct block {
	struct block *next;
	uint32_t class;
	uint32_t is_free;
};

size_t fake_slab_blocks;
size_t fake_slab_fail_from = SIZE_MAX;
size_t fake_slab_fail_count = SIZE_MAX;

static uint8_t *arena;
static size_t used;
static struct {
	struct block *oldest, *newest;
} free_lists[CLASSES];

static struct block *fresh(size_t bytes)
{
	struct block *b;

	if (!arena) {
		arena = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT | MAP_NORESERVE, -1, 0);
		kassert(arena != MAP_FAILED);
	}
	kassert(used + bytes <= ARENA_BYTES);
	b = (struct block *)(void *)(arena + used);
	used += bytes;
	return b;
}

static bool shall_fail(void)
{
	if (fake_slab_fail_from == SIZE_MAX || (fake_slab_fail_from && --fake_slab_fail_from))
		return false;
	if (fake_slab_fail_count != SIZE_MAX && !--fake_slab_fail_count)
		fake_slab_fail_from = fake_slab_fail_count = SIZE_MAX;
	return true;
}

void *mem_alloc(size_t bytes)
{
	unsigned class = (unsigned)((bytes + GRAIN - 1) / GRAIN);
	struct block *b;
	uint8_t *data;

	kassert(bytes && bytes <= MEM_BLOCK_MAX);
	if (shall_fail())
		return NULL;
	b = free_lists[class].oldest;
	if (b && (fake_slab_blocks % 4 || used > ARENA_BYTES / 2)) {
		ASAN_UNPOISON_MEMORY_REGION(b, sizeof(*b));
		free_lists[class].oldest = b->next;
		if (!b->next)
			free_lists[class].newest = NULL;
	} else {
		b = fresh(HEADER + (size_t) class * GRAIN);
	}
	b->class = class;
	b->is_free = 0;
	data = (uint8_t *)b + HEADER;
	ASAN_UNPOISON_MEMORY_REGION(data, bytes);
	defined_forget(data, bytes);
	memset(data, 0xa5, bytes);
	defined_forget(data, bytes);
	ASAN_POISON_MEMORY_REGION(b, HEADER);
	ASAN_POISON_MEMORY_REGION(data + bytes, (size_t) class * GRAIN - bytes);
	fake_slab_blocks++;
	return data;
}

static void poison(struct block *b)
{
	size_t bytes = HEADER + (size_t)b->class * GRAIN;

	ASAN_POISON_MEMORY_REGION(b, bytes);
}

void mem_free(void *block)
{
	struct block *b;

	if (!block)
		return;
	b = (struct block *)(void *)((uint8_t *)block - HEADER);
	ASAN_UNPOISON_MEMORY_REGION(b, sizeof(*b));
	kassert(!b->is_free);
	b->is_free = 1;
	b->next = NULL;
	if (free_lists[b->class].newest) {
		ASAN_UNPOISON_MEMORY_REGION(free_lists[b->class].newest, sizeof(*b));
		free_lists[b->class].newest->next = b;
		ASAN_POISON_MEMORY_REGION(free_lists[b->class].newest, sizeof(*b));
	} else {
		free_lists[b->class].oldest = b;
	}
	free_lists[b->class].newest = b;
	fake_slab_blocks--;
	defined_close(block, (size_t)b->class * GRAIN);
	poison(b);
}

size_t mem_slab_used(void)
{
	return fake_slab_blocks * MEM_BLOCK_MAX; /* no more than that */
}
