/* SPDX-License-Identifier: MIT */
/*
 * Walking and filling page tables. Until the direct map exists, tables come from a small pool in the
 * kernel's own data and are reached at kernel addresses.
 */
#include "kernel/mem/pt.h"

#include "kernel/base/bytes.h"
#include "kernel/base/err.h"
#include "kernel/mem/frame.h"
#include "kernel/mem/layout.h"
#include "kernel/mem/map.h"
#include "kernel/mem/mem.h"

#define EARLY_TABLES 96u

static uint64_t early_tables[EARLY_TABLES][PT_ENTRIES] ALIGNED(4096);
static uint32_t early_used;
static bool early = true;

void pt_use_early(bool on)
{
	early = on;
}

uint64_t *pt_new(void)
{
	pa_t pa;

	if (early)
		return early_used < EARLY_TABLES ? early_tables[early_used++] : NULL;
	pa = frame_take(PAGE_BYTES, PAGE_BYTES);
	if (!pa)
		return NULL;
	memset(mem_va(pa), 0, PAGE_BYTES);
	return mem_va(pa);
}

uint64_t *pt_of(uint64_t entry)
{
	pa_t pa = entry & PT_ADDR;

	/* Early tables lie in the kernel image and stay reachable there. */
	if (early)
		return (uint64_t *)(MEM_KERNEL_VA + pa);
	return mem_va(pa);
}

uint64_t pt_entry(pa_t pa, unsigned rights)
{
	uint64_t e = pa | PT_P | PT_A;

	if (rights & MAP_WRITE)
		e |= PT_W | PT_D;
	if (!(rights & MAP_EXEC))
		e |= PT_NX;
	if (rights & MAP_USER)
		e |= PT_U;
	if (rights & MAP_DEVICE)
		e |= PT_PCD | PT_PWT;
	return e;
}

/* The table below @slot, made if absent. NULL: no memory, or a page is mapped there. */
static uint64_t *descend(uint64_t *slot, unsigned rights)
{
	if (!(*slot & PT_P)) {
		uint64_t *table = pt_new();

		if (!table)
			return NULL;
		/* Rights are decided by the leaf; only U must be granted on the way. */
		*slot = mem_pa(table) | PT_P | PT_W | PT_A;
	} else if (*slot & PT_PS) {
		return NULL;
	}
	if (rights & MAP_USER)
		*slot |= PT_U;
	return pt_of(*slot);
}

static int map_one(uint64_t *root, uint64_t va, uint64_t leaf, unsigned level, unsigned rights)
{
	uint64_t *table = root, *slot;

	for (unsigned l = 4; l > level; l--) {
		table = descend(&table[pt_index(va, l)], rights);
		if (!table)
			return KERR_NO_MEMORY;
	}
	slot = &table[pt_index(va, level)];
	if (*slot & PT_P)
		return KERR_IN_USE;
	*slot = level > 1 ? leaf | PT_PS : leaf;
	return 0;
}

int pt_map(uint64_t *root, uint64_t va, pa_t pa, uint64_t bytes, unsigned rights)
{
	if ((va | pa | bytes) % PAGE_BYTES || ((rights & MAP_WRITE) && (rights & MAP_EXEC)))
		return KERR_INVALID;
	while (bytes) {
		bool huge = (va | pa) % HUGE_BYTES == 0 && bytes >= HUGE_BYTES;
		uint64_t step = huge ? HUGE_BYTES : PAGE_BYTES;
		int err = map_one(root, va, pt_entry(pa, rights), huge ? 2 : 1, rights);

		if (err)
			return err;
		va += step;
		pa += step;
		bytes -= step;
	}
	return 0;
}
