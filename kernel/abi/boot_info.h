/* SPDX-License-Identifier: MIT */
/*
 * What the boot code found out, in this project's own terms: PVH's start info today, another loader's
 * tomorrow.
 */
#pragma once
#include <stdint.h>

#define BOOT_RANGES_MAX 32
#define BOOT_CMDLINE_BYTES 4096

struct boot_range {
	uint64_t pa;
	uint64_t bytes;
};

struct boot_info {
	uint32_t ram_count;
	struct boot_range ram[BOOT_RANGES_MAX]; /* usable, sorted, page-aligned inward, disjoint, kernel included */
	uint64_t rsdp_pa;                       /* 0: none */
	uint64_t kernel_end_pa;                 /* first byte after kernel.elf, 2 MiB aligned */
	char cmdline[BOOT_CMDLINE_BYTES];       /* NUL-terminated */
};
