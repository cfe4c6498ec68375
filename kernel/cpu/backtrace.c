/* SPDX-License-Identifier: MIT */
/*
 * Who called whom in ring 0, without frame pointers, which would cost each function on a packet's way: every word of
 * the stack that is an address behind a call instruction of ours. One that an older call left behind may be among them.
 */
#include "kernel/base/bytes.h"
#include "kernel/cpu/start.h"
#include "kernel/mem/layout.h"

#define LINES_MAX 24u
#define CALL_MAX 7u /* bytes of the longest call that a compiler writes */

extern const uint8_t kernel_text_start[], kernel_text_end[];

static bool is_text(uint64_t va)
{
	return va >= (uintptr_t)kernel_text_start && va < (uintptr_t)kernel_text_end;
}

static bool is_behind_call(const uint8_t *at)
{
	int32_t relative;

	if (at[-5] == 0xe8) { /* CALL rel32, to one of us [SDM 2A CALL] */
		memcpy(&relative, at - sizeof(relative), sizeof(relative));
		return is_text((uintptr_t)at + (uint64_t)relative);
	}
	for (int bytes = 2; bytes <= (int)CALL_MAX; bytes++) /* CALL r/m64, FF /2 in so many */
		if (at[-bytes] == 0xff && (at[1 - bytes] & 0x38) == 0x10)
			return true;
	return false;
}

/* Whether ring 0 may read 8 bytes at @va: this core's stacks. */
static bool is_kernel_stack(uint64_t va)
{
	return va % 8 == 0 &&
	       ((va >= MEM_STACK_TOP - MEM_STACK_BYTES && va <= MEM_STACK_TOP - 8) ||
		(va >= MEM_IST_TOP(1) - MEM_IST_BYTES && va <= MEM_IST_TOP(5) - 8 && (va & 0x3fff) >= 0x2000));
}

void backtrace_print(uint64_t rsp)
{
	unsigned lines = 0;

	for (; lines < LINES_MAX && is_kernel_stack(rsp); rsp += 8) {
		uint64_t va = *(const uint64_t *)(uintptr_t)rsp; /* NOLINT: an address that is one of ours */

		if (!is_text(va - CALL_MAX) || !is_text(va - 1) ||
		    !is_behind_call((const uint8_t *)(uintptr_t)va)) /* NOLINT */
			continue;
		report_place("  ", va - 1); /* inside the call, which may be a function's last instruction */
		lines++;
	}
}
