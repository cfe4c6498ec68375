/* SPDX-License-Identifier: MIT */
/* Memory at start on the host: calloc with a limit; each piece is its own allocation, so ASan sees overruns. */
#include "test/fake/mem.h"

#include <stdlib.h>
#include <string.h>
#include "kernel/mem/map.h"
#include "kernel/mem/mem.h"
#include "test/fake/defined.h"

#define PIECES_MAX 65536
#define DEVICES_MAX 16

static struct {
	pa_t pa;
	uint64_t bytes;
	uint8_t *host;
} devices[DEVICES_MAX];
static unsigned device_count;
static void *pieces[PIECES_MAX];
static unsigned piece_count;
static size_t room = SIZE_MAX;
struct fake_mapping fake_mapping;

void fake_mem_reset(size_t limit)
{
	while (piece_count)
		free(pieces[--piece_count]);
	device_count = 0;
	memset(&fake_mapping, 0, sizeof(fake_mapping));
	room = limit;
}

unsigned fake_mem_mark(void)
{
	return piece_count;
}

void fake_mem_release(unsigned mark)
{
	while (piece_count > mark)
		free(pieces[--piece_count]);
}

void fake_mem_device(pa_t pa, uint64_t bytes, void *host)
{
	devices[device_count].pa = pa;
	devices[device_count].bytes = bytes;
	devices[device_count++].host = host;
}

void *mem_boot_alloc(size_t bytes, size_t align)
{
	size_t rounded = ALIGN_UP(bytes, MAX(align, (size_t)CACHE_LINE));
	void *p;

	if (bytes > room || piece_count == PIECES_MAX)
		return NULL;
	room -= bytes;
	p = aligned_alloc(MAX(align, (size_t)CACHE_LINE), rounded);
	memset(p, 0, rounded);
	pieces[piece_count++] = p;
	return p;
}

void *mem_boot_alloc_raw(size_t bytes, size_t align)
{
	void *p = mem_boot_alloc(bytes, align);

	if (p)
		defined_forget(p, bytes);
	return p;
}

size_t mem_boot_free_bytes(void)
{
	return room;
}

pa_t mem_pa(const void *va)
{
	return (pa_t)(uintptr_t)va;
}

void *mem_va(pa_t pa)
{
	return (void *)(uintptr_t)pa;
}

bool mem_is_ram(pa_t pa, uint64_t bytes)
{
	return pa + bytes <= 0x10000000;
}

int map_range(uint64_t va, pa_t pa, uint64_t bytes, unsigned rights)
{
	fake_mapping = (struct fake_mapping){ va, pa, bytes, rights, fake_mapping.count + 1 };
	return 0;
}

volatile void *map_device(pa_t pa, uint64_t bytes)
{
	for (unsigned i = 0; i < device_count; i++)
		if (pa >= devices[i].pa && pa + bytes <= devices[i].pa + devices[i].bytes)
			return devices[i].host + (pa - devices[i].pa);
	return NULL;
}

void *map_memory(pa_t pa, uint64_t bytes)
{
	return (void *)(uintptr_t)map_device(pa, bytes);
}
