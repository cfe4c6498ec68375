/* SPDX-License-Identifier: MIT */
/*
 * The first instructions of a core started by IX_START, on its own stack.
 */
	.text
	.globl	libc_core_entry
	.hidden	libc_core_entry
	.type	libc_core_entry, @function
/* rdi: struct core_start. No thread pointer yet; the end of the call chain is marked for backtraces. */
libc_core_entry:
	xor	%ebp, %ebp
	and	$-16, %rsp
	call	libc_core_main
	ud2
	.size	libc_core_entry, . - libc_core_entry

	.section .note.GNU-stack, "", @progbits
