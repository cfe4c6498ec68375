/* SPDX-License-Identifier: MIT */
/*
 * The way into ring 3 and back. user_context, user_kernel_rsp lie in the window: one address, each
 * core's own memory, so that SYSCALL finds the kernel's stack without SWAPGS. Interrupts are off on
 * this side; NMI, #DB, #MC and #DF have stacks of their own, so ring 3's rsp is never used in ring 0.
 */
#include "kernel/user/context.h"

	.macro save_kernel
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, user_kernel_rsp
	.endm

	.macro restore_kernel
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	.endm

	.text
	/* enum user_exit user_enter_call(uint64_t result): after a system call; SYSRET [SDM 2B SYSRET] */
	.globl user_enter_call
user_enter_call:
	save_kernel
	mov %rdi, %rax
	mov user_context + CTX_RIP, %rcx	/* checked below 2^47 when it was saved */
	mov user_context + CTX_RFLAGS, %r11
	mov user_context + CTX_RBX, %rbx
	mov user_context + CTX_RBP, %rbp
	mov user_context + CTX_R12, %r12
	mov user_context + CTX_R13, %r13
	mov user_context + CTX_R14, %r14
	mov user_context + CTX_R15, %r15
	xor %edx, %edx				/* nothing of ring 0 is left in a register */
	xor %esi, %esi
	xor %edi, %edi
	xor %r8d, %r8d
	xor %r9d, %r9d
	xor %r10d, %r10d
	mov user_context + CTX_RSP, %rsp
	sysretq

	/* enum user_exit user_enter_trap(void): at the start or after an interrupt; all registers, IRETQ */
	.globl user_enter_trap
user_enter_trap:
	save_kernel
	mov $user_context, %rsp
	jmp trap_return

	/* LSTAR: rcx = return address, r11 = flags; IF, TF, DF, NT, AC, IOPL already clear by FMASK */
	.globl user_syscall
user_syscall:
	mov %rsp, user_context + CTX_RSP
	mov user_kernel_rsp, %rsp
	mov %rcx, user_context + CTX_RIP
	mov %r11, user_context + CTX_RFLAGS
	mov %rbx, user_context + CTX_RBX
	mov %rbp, user_context + CTX_RBP
	mov %r12, user_context + CTX_R12
	mov %r13, user_context + CTX_R13
	mov %r14, user_context + CTX_R14
	mov %r15, user_context + CTX_R15
	mov %rax, user_context + CTX_RAX
	mov %rdi, user_context + CTX_RDI
	mov %rsi, user_context + CTX_RSI
	mov %rdx, user_context + CTX_RDX
	restore_kernel
	xor %eax, %eax				/* USER_SYSCALL */
	ret

	/* void user_leave(enum user_exit why): out of a trap handler, back into user_run()'s frame */
	.globl user_leave
user_leave:
	mov %edi, %eax
	mov user_kernel_rsp, %rsp
	restore_kernel
	ret

	/* void user_fpu_reset(bool has_xsave): x87, SSE and AVX as after reset */
	.globl user_fpu_reset
user_fpu_reset:
	fninit
	test %edi, %edi
	jz 1f
	mov $-1, %eax
	mov $-1, %edx
	xrstor fpu_initial
	ret
1:	fxrstor fpu_initial
	ret

	/* void user_fpu_save(bool has_xsave, uint8_t *area): all of it; the area is zero at first. user_fpu_load(): the same back */
	.globl user_fpu_save, user_fpu_load
user_fpu_save:
	test %edi, %edi
	jz 1f
	mov $-1, %eax
	mov $-1, %edx
	xsave64 (%rsi)
	ret
1:	fxsave64 (%rsi)
	ret
user_fpu_load:
	test %edi, %edi
	jz 1f
	mov $-1, %eax
	mov $-1, %edx
	xrstor64 (%rsi)
	ret
1:	fxrstor64 (%rsi)
	ret

	.section .rodata.user, "a", @progbits
	.align 64
fpu_initial:				/* XSTATE_BV 0: every component in its initial state [SDM 1 13.8] */
	.word 0x37f			/* FCW */
	.fill 22, 1, 0
	.long 0x1f80			/* MXCSR at 24 */
	.fill 64 * 16 - 28, 1, 0

	.section .note.GNU-stack, "", @progbits
