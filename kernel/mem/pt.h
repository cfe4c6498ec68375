/* SPDX-License-Identifier: MIT */
/* Entries of x86-64 page tables [SDM 3A 4.5, tables 4-14 to 4-20]. Private to kernel/mem. */
#pragma once
#include "kernel/base/types.h"

#define PT_P 0x001ull /* present */
#define PT_W 0x002ull /* writable */
#define PT_U 0x004ull /* ring 3 may */
#define PT_PWT 0x008ull
#define PT_PCD 0x010ull /* with PWT: uncached */
#define PT_A 0x020ull   /* accessed; set at once, so that the walker need not write */
#define PT_D 0x040ull   /* dirty; likewise */
#define PT_PS 0x080ull  /* a page, not a table, at levels 2 and 3 */
#define PT_NX (1ull << 63)
#define PT_ADDR 0x000ffffffffff000ull
#define PT_ENTRIES 512u

static inline unsigned pt_index(uint64_t va, unsigned level) /* level 4: root, 1: leaf tables */
{
	return va >> (12 + 9 * (level - 1)) & (PT_ENTRIES - 1);
}

/** pt_entry() - leaf entry for @pa with @rights (enum map_rights). */
uint64_t pt_entry(pa_t pa, unsigned rights);

/**
 * pt_map() - map [va, va + bytes) to @pa in the tables under @root (direct-map address)
 * Return: 0, KERR_NO_MEMORY, KERR_IN_USE, KERR_INVALID.
 */
int pt_map(uint64_t *root, uint64_t va, pa_t pa, uint64_t bytes, unsigned rights);

/** pt_new() - a zeroed table; NULL if no memory. pt_of() - the table an entry points to. */
uint64_t *pt_new(void);
uint64_t *pt_of(uint64_t entry);

/** pt_use_early() - take tables from the early pool (before the direct map exists), at their kernel addresses. */
void pt_use_early(bool on);
