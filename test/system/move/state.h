/* SPDX-License-Identifier: MIT */
/* Where state.S puts what a core has in its registers. */
#pragma once
#define STATE_YMM 128
#define STATE_MXCSR 640
#define STATE_ENV 648 /* control, status and tag word of the x87, four bytes each, and what FNSTENV adds */
#define STATE_ST 680
#define STATE_FS 688
#define STATE_GS 696
#define STATE_AVX 704 /* read, not written: whether there are upper halves; whether FS and GS can be read */
#define STATE_FSGSBASE 708

#ifndef __ASSEMBLER__
#include <stdint.h>

struct state {
	uint64_t general[16]; /* rax rbx rcx rdx rsi rbp r8-r15 */
	uint8_t ymm[16][32];
	uint32_t mxcsr, reserved;
	uint32_t env[8];
	double st;
	uint64_t fs, gs;
	uint32_t has_avx, has_fsgsbase;
} __attribute__((aligned(64)));

/** state_begin() - for IX_START with a struct state: stores all registers as they are there, and goes on in state_main(). */
void state_begin(void);
/** state_run_io() - enter() is ix_entry(IX_RUN_IO) with these registers, and @out what they are afterwards, of those that it keeps. */
void state_run_io(const struct state *in, struct state *out);
_Noreturn void state_main(struct state *begun);
#endif
