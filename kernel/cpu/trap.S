/* SPDX-License-Identifier: MIT */
/*
 * One stub a vector, one common path: save all registers as struct trap_frame, call trap_dispatch(),
 * restore, IRETQ. Stacks are chosen by the TSS: entries from ring 3 and IST vectors each have their own.
 */
	.text
	.globl trap_stubs
	.align 16
trap_stubs:
	.set vector, 0
	.rept 256
	.align 16
	/* #DF #TS #NP #SS #GP #PF #AC #CP #VC #SX push an error code [SDM 3A 6.13]. */
	.if vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30
	.else
	push $0
	.endif
	push $vector
	jmp trap_common
	.set vector, vector + 1
	.endr

trap_common:
	push %rax
	push %rcx
	push %rdx
	push %rbx
	push %rbp
	push %rsi
	push %rdi
	push %r8
	push %r9
	push %r10
	push %r11
	push %r12
	push %r13
	push %r14
	push %r15
	cld
	testb $1, cpu_has_smap
	jz 1f
	clac				/* ring 3 may have set AC */
1:	mov %rsp, %rdi
	xor %ebp, %ebp
	call trap_dispatch
	.globl trap_return
trap_return:				/* rsp at a struct trap_frame */
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rdi
	pop %rsi
	pop %rbp
	pop %rbx
	pop %rdx
	pop %rcx
	pop %rax
	add $16, %rsp
	iretq

	.section .note.GNU-stack, "", @progbits
