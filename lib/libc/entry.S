/* SPDX-License-Identifier: MIT */
/*
 * The one SYSCALL instruction of an application, and the first instructions of a core started by
 * IX_START. ci: app_syscall.<name> fails when there is a second way into the kernel.
 */
	.text
	.globl	ix_entry
	.type	ix_entry, @function
/* long ix_entry(number, a, b, c): rax = number; rdi, rsi, rdx = a, b, c. */
ix_entry:
	mov	%rdi, %rax
	mov	%rsi, %rdi
	mov	%rdx, %rsi
	mov	%rcx, %rdx
	syscall
	ret
	.size	ix_entry, . - ix_entry

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
