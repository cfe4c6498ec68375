/* SPDX-License-Identifier: MIT */
/*
 * Page tables: the kernel's common part, each core's root and window, and what ring 3 may see.
 * [SDM 3A 4.5]
 */
#pragma once
#include "kernel/base/types.h"

enum map_rights {
	MAP_WRITE = 1,  /* else read-only */
	MAP_EXEC = 2,   /* else no-execute; never together with MAP_WRITE */
	MAP_USER = 4,   /* else ring 0 only */
	MAP_DEVICE = 8, /* uncached */
};

/**
 * map_range() - map physical memory in the part of the address space that all cores share
 * @va, @pa, @bytes: 4 KiB-aligned; 2 MiB pages are used where all three allow. Before cores start only
 * for new top-level entries. Return: 0, KERR_NO_MEMORY, KERR_IN_USE, KERR_INVALID (write and exec).
 */
int map_range(uint64_t va, pa_t pa, uint64_t bytes, unsigned rights);

/** map_device() - registers of a device at @pa, mapped uncached. Return: address, NULL if no memory. */
volatile void *map_device(pa_t pa, uint64_t bytes);

/** map_memory() - memory of a device at @pa, as ordinary memory. Return: address, NULL if no memory. */
void *map_memory(pa_t pa, uint64_t bytes);

/**
 * map_core_new() - build the root page table and the window of core @core
 * Copies the pristine template of .percore into new pages, sets percore_id, maps call, event and core
 * pages for ring 3. Return: physical address for CR3, 0 if no memory.
 */
pa_t map_core_new(uint32_t core);

/** map_core_root() - what map_core_new() returned for @core. */
pa_t map_core_root(uint32_t core);

/** map_alias() - direct-map address of the window variable @var as core @core has it. */
void *map_alias(uint32_t core, void *var);

/** map_core_page() - direct-map address of a per-core ring-3 page (IX_CALL_ARRAY_VA, ...) of core @core. */
void *map_core_page(uint32_t core, uint64_t user_va);

/** map_info_page() - direct-map address of the page at IX_INFO_VA, the same on every core; after the first map_core_new(). */
void *map_info_page(void);
