/* SPDX-License-Identifier: MIT */
/*
 * ix_entry() of an application that is linked for the native port: a call where lib/libc/entry.S has SYSCALL. All other
 * objects of the application are those of its image.
 */
#include "bench/native/gate.h"

	.text
	.globl	ix_entry
	.type	ix_entry, @function
/* long ix_entry(number, a, b, c): as a function's arguments; result in rax. */
ix_entry:
	movabs	$NATIVE_GATE_VA, %r11
	jmp	*(%r11)
	.size	ix_entry, . - ix_entry

	.section .note.GNU-stack, "", @progbits
