/* SPDX-License-Identifier: MIT */
/*
 * Every register is what the test wants when SYSCALL is executed or an interrupt comes, rsp included, so
 * nothing here uses a stack between loading and storing. One caller at a time.
 */
#include "test/guest/registers.h"

	.macro load_all
	wrgsbase_from registers_in
	push registers_in + REG_FLAGS
	popfq
	.set i, 0
	.irp r, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movaps registers_in + REG_XMM + i, %xmm\r
	.set i, i + 16
	.endr
	mov registers_in + REG_RBX, %rbx
	mov registers_in + REG_RCX, %rcx
	mov registers_in + REG_RDX, %rdx
	mov registers_in + REG_RSI, %rsi
	mov registers_in + REG_RDI, %rdi
	mov registers_in + REG_RBP, %rbp
	mov registers_in + REG_R8, %r8
	mov registers_in + REG_R9, %r9
	mov registers_in + REG_R10, %r10
	mov registers_in + REG_R11, %r11
	mov registers_in + REG_R12, %r12
	mov registers_in + REG_R13, %r13
	mov registers_in + REG_R14, %r14
	mov registers_in + REG_R15, %r15
	mov registers_in + REG_RAX, %rax
	mov registers_in + REG_RSP, %rsp
	.endm

	.macro wrgsbase_from where
	mov \where + REG_GS, %rax
	wrgsbase %rax
	.endm

	.macro store_all
	mov %rax, registers_out + REG_RAX
	mov %rbx, registers_out + REG_RBX
	mov %rcx, registers_out + REG_RCX
	mov %rdx, registers_out + REG_RDX
	mov %rsi, registers_out + REG_RSI
	mov %rdi, registers_out + REG_RDI
	mov %rbp, registers_out + REG_RBP
	mov %rsp, registers_out + REG_RSP
	mov %r8, registers_out + REG_R8
	mov %r9, registers_out + REG_R9
	mov %r10, registers_out + REG_R10
	mov %r11, registers_out + REG_R11
	mov %r12, registers_out + REG_R12
	mov %r13, registers_out + REG_R13
	mov %r14, registers_out + REG_R14
	mov %r15, registers_out + REG_R15
	mov own_rsp, %rsp
	pushfq
	pop registers_out + REG_FLAGS
	push $2
	popfq
	rdgsbase %rax
	mov %rax, registers_out + REG_GS
	rdfsbase %rax
	mov %rax, registers_out + REG_FS
	mov own_fs, %rax
	wrfsbase %rax
	.set i, 0
	.irp r, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movaps %xmm\r, registers_out + REG_XMM + i
	.set i, i + 16
	.endr
	.endm

	.macro begin
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	rdfsbase %rax
	mov %rax, own_fs
	mov %rsp, own_rsp
	cmpq $-1, registers_in + REG_RSP
	jne 1f
	mov %rsp, registers_in + REG_RSP
1:
	.endm

	.macro end
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret
	.endm

	.text
	.globl registers_syscall
registers_syscall:
	begin
	load_all
	syscall
	store_all
	end

	.globl registers_spin
registers_spin:
	begin
	rdtsc
	shl $32, %rdx
	or %rdx, %rax
	add %rdi, %rax
	mov %rax, until
	load_all
	/* rax, rcx and rdx are the loop's; all others stay as loaded. */
2:	rdtsc
	shl $32, %rdx
	or %rdx, %rax
	cmp until, %rax
	jb 2b
	store_all
	end

	.bss
	.align 16
	.globl registers_in, registers_out
registers_in:
	.space REG_BYTES
registers_out:
	.space REG_BYTES
own_rsp:
	.space 8
own_fs:
	.space 8
until:
	.space 8

	.section .note.GNU-stack, "", @progbits
