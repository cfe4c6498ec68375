/* SPDX-License-Identifier: MIT */
/* Controls of the fake memory: physical addresses are host addresses, devices lie where a test says. */
#pragma once
#include "kernel/base/types.h"

/** fake_mem_reset() - free all that was handed out, forget devices and mappings; room for @limit bytes from now on. */
void fake_mem_reset(size_t limit);

/** fake_mem_release() - free what was handed out since fake_mem_mark(). */
unsigned fake_mem_mark(void);
void fake_mem_release(unsigned mark);

/** fake_mem_device() - map_device() and map_memory() of anything in [pa, pa + bytes) gives the same place in @host. */
void fake_mem_device(pa_t pa, uint64_t bytes, void *host);

/* The last map_range(). */
struct fake_mapping {
	uint64_t va;
	pa_t pa;
	uint64_t bytes;
	unsigned rights;
	unsigned count;
};
extern struct fake_mapping fake_mapping;
