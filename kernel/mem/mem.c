/* SPDX-License-Identifier: MIT */
/*
 * How the kernel's address space is put together at start: direct map, kernel image with W^X also in
 * its direct-map alias, and boot-time allocation from it.
 */
#include "kernel/mem/mem.h"

#include "kernel/abi/boot_info.h"
#include "kernel/base/assert.h"
#include "kernel/base/bytes.h"
#include "kernel/mem/frame.h"
#include "kernel/mem/map.h"
#include "kernel/mem/pt.h"
#include "kernel/mem/window.h"

#define TEXT_PA ((pa_t)MEM_KERNEL_LOAD_PA)
#define RODATA_PA 0x400000ull
#define DATA_PA 0x600000ull
#define GIB (1ull << 30)

pa_t mem_pa(const void *va)
{
	uint64_t a = (uintptr_t)va;

	return a >= MEM_KERNEL_VA ? a - MEM_KERNEL_VA : a - MEM_DIRECT_VA;
}

void *mem_va(pa_t pa)
{
	return (void *)(uintptr_t)(MEM_DIRECT_VA + pa);
}

static bool has_gib_pages(void)
{
	uint32_t a = 0x80000001, b, c = 0, d;

	__asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return d >> 26 & 1; /* Page1GB [SDM 2A CPUID] */
}

/* [0, end) at MEM_DIRECT_VA; the first GiB always with 2 MiB pages, since the kernel's text is in it. */
static void map_direct(uint64_t *root, pa_t end)
{
	pa_t first = MIN(ALIGN_UP(end, HUGE_BYTES), GIB), pa = GIB;
	int err = pt_map(root, MEM_DIRECT_VA, 0, TEXT_PA, MAP_WRITE);

	/* W^X holds for the alias too: text and constants are read-only here. */
	err = err ? err : pt_map(root, MEM_DIRECT_VA + TEXT_PA, TEXT_PA, DATA_PA - TEXT_PA, 0);
	err = err ? err : pt_map(root, MEM_DIRECT_VA + DATA_PA, DATA_PA, first - DATA_PA, MAP_WRITE);
	if (end > GIB && has_gib_pages()) {
		uint64_t *pdpt = pt_of(root[pt_index(MEM_DIRECT_VA, 4)]);

		for (; pa < end && pa < 512 * GIB; pa += GIB)
			pdpt[pt_index(MEM_DIRECT_VA + pa, 3)] = pt_entry(pa, MAP_WRITE) | PT_PS;
	} else if (end > GIB) {
		err = err ? err : pt_map(root, MEM_DIRECT_VA + GIB, GIB, ALIGN_UP(end, HUGE_BYTES) - GIB, MAP_WRITE);
	}
	if (err || end > 512 * GIB)
		panic("cannot map %lu MiB of guest memory: give the guest less, or a CPU with 1 GiB pages", end >> 20);
}

void mem_init(const struct boot_info *boot)
{
	uint64_t *root;
	int err;

	frame_init(boot);
	root = pt_new();
	kassert(root);
	map_direct(root, frame_end());
	err = pt_map(root, MEM_KERNEL_VA + TEXT_PA, TEXT_PA, RODATA_PA - TEXT_PA, MAP_EXEC);
	err = err ? err : pt_map(root, MEM_KERNEL_VA + RODATA_PA, RODATA_PA, DATA_PA - RODATA_PA, 0);
	err = err ? err : pt_map(root, MEM_KERNEL_VA + DATA_PA, DATA_PA, boot->kernel_end_pa - DATA_PA, MAP_WRITE);
	kassert(!err);
	window_init(root);
	__asm__ volatile("mov %0, %%cr3" ::"r"(mem_pa(root)) : "memory");
	pt_use_early(false);
}

void mem_reserve(pa_t pa, uint64_t bytes)
{
	frame_reserve(pa, bytes);
}

bool mem_is_ram(pa_t pa, uint64_t bytes)
{
	return frame_is_ram(pa, bytes);
}

void *mem_boot_alloc_raw(size_t bytes, size_t align)
{
	pa_t pa = frame_take(ALIGN_UP((uint64_t)bytes, CACHE_LINE), MAX(align, CACHE_LINE));

	return pa ? mem_va(pa) : NULL;
}

void *mem_boot_alloc(size_t bytes, size_t align)
{
	void *p = mem_boot_alloc_raw(bytes, align);

	if (p)
		memset(p, 0, ALIGN_UP(bytes, CACHE_LINE));
	return p;
}

size_t mem_boot_free_bytes(void)
{
	return frame_largest();
}
