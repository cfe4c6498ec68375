/* SPDX-License-Identifier: MIT */
/* Control: SYSCALL leaves ring 3's flags as they are, but for IF. In front of kernel/main.c. */
#pragma once
#include "kernel/cpu/msr.h"
#include "kernel/cpu/trap.h"

static inline void weak_trap_core_init(const void *syscall_entry)
{
	trap_core_init(syscall_entry);
	msr_write(IA32_FMASK, RFLAGS_IF);
}
#define trap_core_init(entry) weak_trap_core_init(entry)
