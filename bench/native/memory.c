/* SPDX-License-Identifier: MIT */
/*
 * kernel/mem/mem.c, pt.c and window.c of the native port. RAM is a piece of DPDK's heap, which the other end of the port
 * has mapped; a physical address is the address in it, as virtio-user has it in its descriptors. What ring 3 sees at
 * its own address is a second mapping of the same pages.
 */
#include "bench/native/memory.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <rte_memory.h>

#include "kernel/abi/boot_info.h"
#include "kernel/abi/call.h"
#include "kernel/abi/entry.h"
#include "kernel/abi/event.h"
#include "kernel/base/assert.h"
#include "kernel/base/err.h"
#include "kernel/base/log.h"
#include "kernel/base/percore.h"
#include "kernel/mem/frame.h"
#include "kernel/mem/map.h"
#include "kernel/mem/mem.h"

PERCORE uint32_t percore_id;

void memory_init(uint8_t *at, size_t bytes)
{
	static struct boot_info boot;

	boot = (struct boot_info){ .ram_count = 1, .ram = { { (uintptr_t)at, bytes } } };
	frame_init(&boot);
}

pa_t mem_pa(const void *va)
{
	return (uintptr_t)va;
}

void *mem_va(pa_t pa)
{
	return (void *)(uintptr_t)pa;
}

bool mem_is_ram(pa_t pa, uint64_t bytes)
{
	return frame_is_ram(pa, bytes);
}

void *mem_boot_alloc_raw(size_t bytes, size_t align)
{
	return mem_va(frame_take(ALIGN_UP((uint64_t)bytes, CACHE_LINE), MAX(align, (size_t)CACHE_LINE)));
}

void *mem_boot_alloc(size_t bytes, size_t align)
{
	void *at = mem_boot_alloc_raw(bytes, align);

	return at ? memset(at, 0, bytes) : NULL;
}

size_t mem_boot_free_bytes(void)
{
	return frame_largest();
}

int map_range(uint64_t va, pa_t pa, uint64_t bytes, unsigned rights)
{
	int prot = PROT_READ | (rights & MAP_WRITE ? PROT_WRITE : 0) | (rights & MAP_EXEC ? PROT_EXEC : 0);
	struct rte_memseg *segment = rte_mem_virt2memseg(mem_va(pa), NULL);
	size_t off;
	int fd;

	if (!bytes)
		return 0;
	if (!segment || (fd = rte_memseg_get_fd(segment)) < 0 || rte_memseg_get_fd_offset(segment, &off))
		panic("the memory of DPDK has no file to map again: start with --no-huge");
	off += pa - (uintptr_t)segment->addr;
	if (mmap((void *)va, bytes, prot, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, (off_t)off) != (void *)va) {
		log_line("%lu bytes at %lx: %s", bytes, va, strerror(errno));
		return KERR_IN_USE;
	}
	return 0;
}

/* @bytes of RAM that are seen at @va. */
static void *new_at(uint64_t va, size_t bytes)
{
	void *at = mem_boot_alloc(ALIGN_UP(bytes, PAGE_BYTES), PAGE_BYTES);

	if (!at || map_range(va, mem_pa(at), ALIGN_UP(bytes, PAGE_BYTES), MAP_WRITE))
		panic("ring 3's page at %lx cannot be had", va);
	return at;
}

void *memory_page_at(uint64_t va)
{
	return new_at(va, PAGE_BYTES);
}

void *map_info_page(void)
{
	static void *page;

	if (!page)
		page = memory_page_at(IX_INFO_VA);
	return page;
}

void *map_core_page(uint32_t core, uint64_t user_va)
{
	static void *calls, *events;
	void **at = user_va == IX_CALL_ARRAY_VA ? &calls : &events;

	kassert(core == 0 && (user_va == IX_CALL_ARRAY_VA || user_va == IX_EVENT_ARRAY_VA));
	if (!*at)
		*at = new_at(user_va, at == &calls ? sizeof(struct ix_call_array) : sizeof(struct ix_event_array));
	return *at;
}
