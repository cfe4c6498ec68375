/* SPDX-License-Identifier: MIT */
/* Control: the task segment has an I/O permission bitmap, over its own zero bytes. In front of kernel/main.c. */
#pragma once
#include "kernel/cpu/trap.h"

static inline void weak_trap_core_init(const void *syscall_entry)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) gdtr;
	const volatile uint64_t *d;
	uint64_t tss;

	trap_core_init(syscall_entry);
	__asm__ volatile("sgdt %0" : "=m"(gdtr));
	d = (const volatile uint64_t *)(uintptr_t)gdtr.base + SEL_TSS / 8;
	tss = (d[0] >> 16 & 0xffffff) | (d[0] >> 56 & 0xff) << 24 | d[1] << 32; /* [SDM 3A 7.2.3] */
	*(volatile uint16_t *)(uintptr_t)(tss + 102) = 0;
}
#define trap_core_init(entry) weak_trap_core_init(entry)
