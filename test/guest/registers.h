/* SPDX-License-Identifier: MIT */
/* All registers around one instruction: offsets are used by registers.S. */
#pragma once

#define REG_RAX 0
#define REG_RBX 8
#define REG_RCX 16
#define REG_RDX 24
#define REG_RSI 32
#define REG_RDI 40
#define REG_RBP 48
#define REG_RSP 56
#define REG_R8 64
#define REG_R9 72
#define REG_R10 80
#define REG_R11 88
#define REG_R12 96
#define REG_R13 104
#define REG_R14 112
#define REG_R15 120
#define REG_FLAGS 128
#define REG_FS 136
#define REG_GS 144
#define REG_XMM 160
#define REG_BYTES 416
#define REG_WORDS 16 /* general registers, in the order above */

#ifndef __ASSEMBLER__
#include <stdint.h>

struct registers {
	uint64_t word[REG_WORDS]; /* rax rbx rcx rdx rsi rdi rbp rsp r8..r15 */
	uint64_t flags, fs, gs, unused;
	uint8_t xmm[16][16];
} __attribute__((aligned(16)));
_Static_assert(sizeof(struct registers) == REG_BYTES, "registers.S");

extern struct registers registers_in, registers_out;

/**
 * registers_syscall() - load everything but the segment bases from registers_in, execute SYSCALL, store everything
 * into registers_out. rsp 0xffffffffffffffff: keep the stack. FS base is put back afterwards; GS base is set to .gs.
 */
void registers_syscall(void);

/** registers_spin() - the same around a loop of @ticks of the TSC instead of SYSCALL; rcx and rdx are its own. */
void registers_spin(uint64_t ticks);
#endif
