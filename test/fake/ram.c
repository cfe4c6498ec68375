/* SPDX-License-Identifier: MIT */
/* What kernel/mem/mem.c is in the guest: addresses and boot-time allocation, over the host's memory. */
#include "test/fake/ram.h"

#include <stdlib.h>
#include <string.h>
#include "kernel/abi/boot_info.h"
#include "kernel/base/assert.h"
#include "kernel/mem/frame.h"
#include "kernel/mem/mem.h"

static uint8_t *ram;
static size_t ram_bytes;

void fake_ram_new(size_t bytes)
{
	static struct boot_info boot;

	free(ram);
	ram = aligned_alloc(HUGE_BYTES, bytes);
	kassert(ram);
	ram_bytes = bytes;
	memset(ram, 0xa5, bytes);
	boot = (struct boot_info){ .ram_count = 1, .ram = { { FAKE_RAM_PA, bytes } } };
	frame_init(&boot);
}

void *mem_va(pa_t pa)
{
	kassert(pa >= FAKE_RAM_PA && pa - FAKE_RAM_PA < ram_bytes);
	return ram + (pa - FAKE_RAM_PA);
}

pa_t mem_pa(const void *va)
{
	size_t off = (size_t)((const uint8_t *)va - ram);

	kassert(off < ram_bytes);
	return FAKE_RAM_PA + off;
}

void *mem_boot_alloc(size_t bytes, size_t align)
{
	pa_t pa = frame_take(ALIGN_UP((uint64_t)bytes, CACHE_LINE), MAX(align, CACHE_LINE));

	if (!pa)
		return NULL;
	memset(mem_va(pa), 0, bytes);
	return mem_va(pa);
}

void *mem_boot_alloc_raw(size_t bytes, size_t align)
{
	return mem_boot_alloc(bytes, align);
}

size_t mem_boot_free_bytes(void)
{
	return frame_largest();
}
