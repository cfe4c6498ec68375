/* SPDX-License-Identifier: MIT */
/*
 * What the processor and trap.S leave on the stack, and who hears of it. Ring 0 runs with interrupts
 * off except in HLT, so an interrupt comes from ring 3 or from HLT; an exception in ring 0 is a panic.
 */
#pragma once
#include "kernel/base/types.h"

struct trap_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error; /* error 0 where the processor pushes none */
	uint64_t rip, cs, rflags, rsp, ss;
};

enum trap_vector { /* [SDM 3A 6.3.1] */
		   TRAP_DE = 0,
		   TRAP_DB = 1,
		   TRAP_NMI = 2,
		   TRAP_BP = 3,
		   TRAP_UD = 6,
		   TRAP_DF = 8,
		   TRAP_NP = 11,
		   TRAP_SS = 12,
		   TRAP_GP = 13,
		   TRAP_PF = 14,
		   TRAP_AC = 17,
		   TRAP_MC = 18,
		   TRAP_NR = 32
};

/**
 * trap_set_user_handler() - what is called for a trap out of ring 3: exceptions, timer and wake-up
 * @handler: returns to let ring 3 go on, or never comes back (it leaves through user_run's frame).
 */
void trap_set_user_handler(void (*handler)(struct trap_frame *frame));

/** trap_core_init() - the calling core's GDT, TSS, IDT and system-call registers. @syscall_entry: for LSTAR. */
void trap_core_init(const void *syscall_entry);

/** trap_name() - "page fault" and the like for vectors below TRAP_NR. */
const char *trap_name(uint64_t vector);

/** trap_address() - that the last page fault was about (CR2). */
uint64_t trap_address(void);

/** trap_report() - registers and symbolised backtrace of @frame on the log. */
void trap_report(const struct trap_frame *frame, const char *what);

/* Segment selectors, in the order that SYSCALL and SYSRET want [SDM 2B SYSRET]. */
#define SEL_KERNEL_CODE 0x08
#define SEL_KERNEL_DATA 0x10
/* Never present: no compatibility mode. With RPL 3, since AMD takes SS from it as it is [APM 3 SYSRET]. */
#define SEL_USER_BASE 0x1b
#define SEL_USER_DATA 0x23
#define SEL_USER_CODE 0x2b
#define SEL_TSS 0x30
