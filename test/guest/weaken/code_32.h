/* SPDX-License-Identifier: MIT */
/* Control: the selector that is kept empty is 32-bit code of ring 3. In front of kernel/main.c. */
#pragma once
#include "kernel/cpu/trap.h"

static inline void weak_trap_core_init(const void *syscall_entry)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) gdtr;

	trap_core_init(syscall_entry);
	__asm__ volatile("sgdt %0" : "=m"(gdtr));
	((volatile uint64_t *)(uintptr_t)gdtr.base)[SEL_USER_BASE / 8] = 0x00cffb000000ffff;
}
#define trap_core_init(entry) weak_trap_core_init(entry)
