/* SPDX-License-Identifier: MIT */
/* Controls of the fake block allocator. */
#pragma once
#include <stddef.h>

extern size_t fake_slab_blocks;     /* allocated and not freed */
extern size_t fake_slab_fail_count; /* so many of them, SIZE_MAX: all */
extern size_t fake_slab_fail_from;  /* allocations from this one on fail; counts down to 0, SIZE_MAX: never */
