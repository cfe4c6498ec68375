/* SPDX-License-Identifier: MIT */
/*
 * What differs between cores: the window (per-core state, lwIP's data, stacks) and the ring-3 arrays,
 * at the same addresses with other memory behind them. All shared top-level entries exist before the
 * first core's root is made, so roots never need to be brought in step.
 */
#include "kernel/mem/window.h"

#include "kernel/abi/call.h"
#include "kernel/abi/entry.h"
#include "kernel/abi/event.h"
#include "kernel/base/assert.h"
#include "kernel/base/bytes.h"
#include "kernel/base/err.h"
#include "kernel/base/percore.h"
#include "kernel/mem/map.h"
#include "kernel/mem/mem.h"
#include "kernel/mem/pt.h"

#define IST_STACKS 5u /* 1..4 in the TSS, 5: entries from ring 3 */

extern uint8_t percore_start[], percore_end[], percore_template[];

/* What of a core can be reached from others, through the direct map. */
struct core_memory {
	uint8_t *window;
	struct ix_call_array *calls;
	struct ix_event_array *events;
	struct ix_core_info *info;
	pa_t root;
};

static uint64_t *shared_root;
static uint64_t mmio_next = MEM_MMIO_VA;
static void *info_page;
static struct core_memory cores[CORES_MAX];

static const uint64_t shared_slots[] = {
	IX_PARTITION_VA, IX_RX_VA, IX_FILES_VA, IX_STACK_VA, MEM_DIRECT_VA, MEM_MMIO_VA
};

void window_init(uint64_t *root)
{
	shared_root = root;
	for (unsigned i = 0; i < ARRAY_COUNT(shared_slots); i++) {
		uint64_t *slot = &root[pt_index(shared_slots[i], 4)];

		if (!(*slot & PT_P)) {
			uint64_t *table = pt_new();

			kassert(table);
			*slot = mem_pa(table) | PT_P | PT_W | PT_A;
		}
		if (shared_slots[i] < MEM_DIRECT_VA)
			*slot |= PT_U;
	}
}

int map_range(uint64_t va, pa_t pa, uint64_t bytes, unsigned rights)
{
	return pt_map(shared_root, va, pa, bytes, rights);
}

static uintptr_t map_outside(pa_t pa, uint64_t bytes, unsigned rights)
{
	pa_t from = ALIGN_DOWN(pa, PAGE_BYTES);
	uint64_t whole = ALIGN_UP(pa + bytes, PAGE_BYTES) - from;
	uint64_t va = mmio_next;

	if (pt_map(shared_root, va, from, whole, rights))
		return 0;
	mmio_next += whole + PAGE_BYTES; /* an overrun of one device's registers meets a hole */
	return va + (pa - from);
}

volatile void *map_device(pa_t pa, uint64_t bytes)
{
	return (volatile void *)map_outside(pa, bytes, MAP_WRITE | MAP_DEVICE);
}

void *map_memory(pa_t pa, uint64_t bytes)
{
	return (void *)map_outside(pa, bytes, MAP_WRITE);
}

static int map_stack(uint64_t *root, uint64_t top, uint64_t bytes)
{
	void *stack = mem_boot_alloc(bytes, PAGE_BYTES);

	return stack ? pt_map(root, top - bytes, mem_pa(stack), bytes, MAP_WRITE) : KERR_NO_MEMORY;
}

static int map_window(uint64_t *root, uint32_t core, struct core_memory *m)
{
	uint64_t bytes = (uint64_t)(percore_end - percore_start);
	int err;

	m->window = mem_boot_alloc(bytes, PAGE_BYTES);
	if (!m->window)
		return KERR_NO_MEMORY;
	memcpy(m->window, percore_template, bytes);
	err = pt_map(root, MEM_WINDOW_VA, mem_pa(m->window), bytes, MAP_WRITE);
	err = err ? err : map_stack(root, MEM_STACK_TOP, MEM_STACK_BYTES);
	for (unsigned n = 1; n <= IST_STACKS && !err; n++)
		err = map_stack(root, MEM_IST_TOP(n), MEM_IST_BYTES);
	*(uint32_t *)map_alias(core, &percore_id) = core;
	return err;
}

static int map_arrays(uint64_t *root, struct core_memory *m)
{
	int err;

	m->calls = mem_boot_alloc(sizeof(*m->calls), PAGE_BYTES);
	m->events = mem_boot_alloc(sizeof(*m->events), PAGE_BYTES);
	m->info = mem_boot_alloc(PAGE_BYTES, PAGE_BYTES);
	if (!m->calls || !m->events || !m->info)
		return KERR_NO_MEMORY;
	err = pt_map(root, IX_CALL_ARRAY_VA, mem_pa(m->calls), sizeof(*m->calls), MAP_USER | MAP_WRITE);
	err = err ? err : pt_map(root, IX_EVENT_ARRAY_VA, mem_pa(m->events), sizeof(*m->events), MAP_USER);
	return err ? err : pt_map(root, IX_CORE_VA, mem_pa(m->info), PAGE_BYTES, MAP_USER);
}

pa_t map_core_new(uint32_t core)
{
	uint64_t *root = pt_new(), *top = pt_new();
	struct core_memory *m = &cores[core];
	int err;

	kassert(core < CORES_MAX && !m->window);
	if (!info_page)
		info_page = mem_boot_alloc(PAGE_BYTES, PAGE_BYTES);
	if (!root || !top || !info_page)
		return 0;
	/* The kernel image is shared one level down; the window beside it is this core's own. */
	memcpy(root, shared_root, PAGE_BYTES);
	memcpy(top, pt_of(shared_root[pt_index(MEM_KERNEL_VA, 4)]), PAGE_BYTES);
	root[pt_index(MEM_KERNEL_VA, 4)] = mem_pa(top) | PT_P | PT_W | PT_A;
	err = map_window(root, core, m);
	err = err ? err : map_arrays(root, m);
	err = err ? err : pt_map(root, IX_INFO_VA, mem_pa(info_page), PAGE_BYTES, MAP_USER);
	if (err)
		return 0;
	m->info->core = core;
	m->root = mem_pa(root);
	return m->root;
}

pa_t map_core_root(uint32_t core)
{
	kassert(core < CORES_MAX && cores[core].root);
	return cores[core].root;
}

void *map_alias(uint32_t core, void *var)
{
	kassert(core < CORES_MAX && cores[core].window);
	return cores[core].window + ((uint8_t *)var - percore_start);
}

void *map_core_page(uint32_t core, uint64_t user_va)
{
	struct core_memory *m = &cores[core];

	kassert(core < CORES_MAX && m->window);
	switch (user_va) {
	case IX_CALL_ARRAY_VA:
		return m->calls;
	case IX_EVENT_ARRAY_VA:
		return m->events;
	case IX_CORE_VA:
		return m->info;
	default:
		panic("map_core_page: %lx is no per-core page", user_va);
	}
}

void *map_info_page(void)
{
	kassert(info_page);
	return info_page;
}
