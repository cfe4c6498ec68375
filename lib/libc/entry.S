/* SPDX-License-Identifier: MIT */
/*
 * The one SYSCALL instruction of an application: ci/check-app-syscall fails when there is a second way into
 * the kernel.
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

	.section .note.GNU-stack, "", @progbits
