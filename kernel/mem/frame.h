/* SPDX-License-Identifier: MIT */
/* Boot-time memory: the usable ranges, cut from the low end. Private to kernel/mem. */
#pragma once
#include "kernel/abi/boot_info.h"
#include "kernel/base/types.h"

/** frame_init() - take the ranges of @boot, leaving out [0, kernel_end) and what frame_reserve() names later. */
void frame_init(const struct boot_info *boot);

/** frame_reserve() - [pa, pa + bytes) is in use (a part of the image). Before the first frame_take(). */
void frame_reserve(pa_t pa, uint64_t bytes);

/** frame_take() - @bytes at @align (powers of two: @align), 0 if no range has them. Not zeroed. */
pa_t frame_take(uint64_t bytes, uint64_t align);

/** frame_largest() - bytes of the largest piece left. */
uint64_t frame_largest(void);

/** frame_end() - first byte after all RAM. frame_is_ram() - whether [pa, pa + bytes) is all RAM. */
pa_t frame_end(void);
bool frame_is_ram(pa_t pa, uint64_t bytes);
