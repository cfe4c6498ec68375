/* SPDX-License-Identifier: MIT */
/* Control: every gate of the IDT may be used by INT n of ring 3. In front of kernel/main.c. */
#pragma once
#include "kernel/cpu/trap.h"

static inline void weak_trap_core_init(const void *syscall_entry)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) idtr;

	trap_core_init(syscall_entry);
	__asm__ volatile("sidt %0" : "=m"(idtr));
	for (unsigned v = 0; v < 256; v++)
		((volatile uint8_t *)(uintptr_t)idtr.base)[v * 16 + 5] |= 0x60; /* DPL 3 [SDM 3A 6.14.1] */
}
#define trap_core_init(entry) weak_trap_core_init(entry)
