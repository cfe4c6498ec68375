/* SPDX-License-Identifier: MIT */
/*
 * What RAM there is and what of it is taken. Memory is only ever handed out, at start, so this is a
 * list of free ranges cut from their low ends; no frame comes back.
 */
#include "kernel/mem/frame.h"

#define FREE_MAX 64u

static struct boot_range ram[BOOT_RANGES_MAX];
static uint32_t ram_count;
static struct boot_range free_ranges[FREE_MAX];
static uint32_t free_count;

static void free_add(pa_t pa, uint64_t bytes)
{
	struct boot_range r = { .pa = pa, .bytes = bytes };

	for (uint32_t i = 0; i < free_count && bytes; i++)
		if (free_ranges[i].bytes == 0) {
			free_ranges[i] = r;
			return;
		}
	/* With the table full a small piece is given up; the caller sees it in frame_largest(). */
	if (bytes && free_count < FREE_MAX)
		free_ranges[free_count++] = r;
}

void frame_init(const struct boot_info *boot)
{
	free_count = 0;
	ram_count = boot->ram_count;
	for (uint32_t i = 0; i < boot->ram_count; i++) {
		ram[i] = boot->ram[i];
		free_add(boot->ram[i].pa, boot->ram[i].bytes);
	}
	frame_reserve(0, boot->kernel_end_pa);
}

void frame_reserve(pa_t pa, uint64_t bytes)
{
	pa_t end = pa + bytes;

	for (uint32_t i = 0, n = free_count; i < n; i++) {
		struct boot_range *r = &free_ranges[i];
		pa_t r_end = r->pa + r->bytes;

		if (end <= r->pa || pa >= r_end)
			continue;
		if (end < r_end)
			free_add(end, r_end - end);
		r->bytes = pa > r->pa ? pa - r->pa : 0;
	}
}

pa_t frame_take(uint64_t bytes, uint64_t align)
{
	struct boot_range *best = NULL;
	pa_t at;

	/* The smallest range that fits, so that large contiguous pieces stay whole. */
	for (uint32_t i = 0; i < free_count; i++) {
		struct boot_range *r = &free_ranges[i];

		at = ALIGN_UP(r->pa, align);
		if (at < r->pa || at - r->pa > r->bytes || r->bytes - (at - r->pa) < bytes)
			continue;
		if (!best || r->bytes < best->bytes)
			best = r;
	}
	if (!best)
		return 0;
	at = ALIGN_UP(best->pa, align);
	if (at > best->pa)
		free_add(best->pa, at - best->pa);
	best->bytes -= at + bytes - best->pa;
	best->pa = at + bytes;
	return at;
}

uint64_t frame_largest(void)
{
	uint64_t largest = 0;

	for (uint32_t i = 0; i < free_count; i++)
		largest = MAX(largest, free_ranges[i].bytes);
	return largest;
}

pa_t frame_end(void)
{
	pa_t end = 0;

	for (uint32_t i = 0; i < ram_count; i++)
		end = MAX(end, ram[i].pa + ram[i].bytes);
	return end;
}

bool frame_is_ram(pa_t pa, uint64_t bytes)
{
	for (uint32_t i = 0; i < ram_count; i++)
		if (pa >= ram[i].pa && bytes <= ram[i].bytes && pa - ram[i].pa <= ram[i].bytes - bytes)
			return true;
	return false;
}
