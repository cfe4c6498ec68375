/* SPDX-License-Identifier: MIT */
/* All registers, as a core begins with them, and across IX_RUN_IO. */
#include "test/system/move/state.h"

	.macro store_vectors to
	stmxcsr STATE_MXCSR(\to)
	fnstenv STATE_ENV(\to)
	cmpl $0, STATE_AVX(\to)
	je 1f
	.set i, STATE_YMM
	.irp r, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovups %ymm\r, i(\to)
	.set i, i + 32
	.endr
	jmp 2f
1:
	.set i, STATE_YMM
	.irp r, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movups %xmm\r, i(\to)
	.set i, i + 32
	.endr
2:
	.endm

	.text
	/* rdi: struct state */
	.globl state_begin
state_begin:
	mov %rax, 0(%rdi)
	mov %rbx, 8(%rdi)
	mov %rcx, 16(%rdi)
	mov %rdx, 24(%rdi)
	mov %rsi, 32(%rdi)
	mov %rbp, 40(%rdi)
	mov %r8, 48(%rdi)
	mov %r9, 56(%rdi)
	mov %r10, 64(%rdi)
	mov %r11, 72(%rdi)
	mov %r12, 80(%rdi)
	mov %r13, 88(%rdi)
	mov %r14, 96(%rdi)
	mov %r15, 104(%rdi)
	store_vectors %rdi
	cmpl $0, STATE_FSGSBASE(%rdi)
	je 3f
	rdfsbase %rax
	mov %rax, STATE_FS(%rdi)
	rdgsbase %rax
	mov %rax, STATE_GS(%rdi)
3:	xor %ebp, %ebp
	and $-16, %rsp
	call state_main
	ud2

	/* rdi: in, rsi: out */
	.globl state_run_io
state_run_io:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	push %rsi
	ldmxcsr STATE_MXCSR(%rdi)
	fldl STATE_ST(%rdi)
	fldcw STATE_ENV(%rdi)
	cmpl $0, STATE_AVX(%rdi)
	je 1f
	.set i, STATE_YMM
	.irp r, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovups i(%rdi), %ymm\r
	.set i, i + 32
	.endr
	jmp 2f
1:
	.set i, STATE_YMM
	.irp r, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movups i(%rdi), %xmm\r
	.set i, i + 32
	.endr
2:	mov 8(%rdi), %rbx
	mov 40(%rdi), %rbp
	mov 80(%rdi), %r12
	mov 88(%rdi), %r13
	mov 96(%rdi), %r14
	mov 104(%rdi), %r15
	xor %edi, %edi				/* IX_RUN_IO */
	call ix_entry
	pop %rdi
	mov %rbx, 8(%rdi)
	mov %rbp, 40(%rdi)
	mov %r12, 80(%rdi)
	mov %r13, 88(%rdi)
	mov %r14, 96(%rdi)
	mov %r15, 104(%rdi)
	store_vectors %rdi
	fstpl STATE_ST(%rdi)
	fninit
	movl $0x1f80, -4(%rsp)
	ldmxcsr -4(%rsp)
	cmpl $0, STATE_AVX(%rdi)
	je 4f
	vzeroupper
4:	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

	.section .note.GNU-stack, "", @progbits
