/* SPDX-License-Identifier: MIT */
/*
 * From the core's stack to the application's and back, where kernel/user/ring3.S has SYSRET and SYSCALL. Both sides are
 * C that called a function, so only what a function keeps is saved. The application's FS base is musl's, this process's
 * is glibc's, and DPDK needs that one.
 */
	.macro save
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	.endm

	.macro restore
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	.endm

	.text
	/* void native_begin(uint64_t entry, uint64_t rsp): the application's first instruction */
	.globl native_begin
	.type native_begin, @function
native_begin:
	save
	rdfsbase %rax
	mov %rax, core_fs
	mov %rsp, core_rsp
	xor %eax, %eax
	wrfsbase %rax
	mov %rsi, %rsp
	xor %edx, %edx		/* nothing for atexit() [System V ABI 3.4.1] */
	xor %ebp, %ebp
	jmp *%rdi

	/* void native_enter(uint64_t result): its ix_entry() returns @result */
	.globl native_enter
	.type native_enter, @function
native_enter:
	save
	mov %rsp, core_rsp
	mov %rdi, %rax
	mov application_fs, %rcx
	wrfsbase %rcx
	mov application_rsp, %rsp
	restore
	ret

	/* long native_gate(number, a, b, c): native_begin() or native_enter() returns */
	.globl native_gate
	.type native_gate, @function
native_gate:
	save
	mov %rsp, application_rsp
	rdfsbase %rax
	mov %rax, application_fs
	mov core_fs, %rax
	wrfsbase %rax
	mov %rdi, native_call
	mov %rsi, native_call + 8
	mov %rdx, native_call + 16
	mov %rcx, native_call + 24
	mov core_rsp, %rsp
	restore
	ret

	.bss
	.align 64
	.globl native_call
native_call:			/* struct user_call */
	.skip 32
core_rsp:
	.skip 8
core_fs:
	.skip 8
application_rsp:
	.skip 8
application_fs:
	.skip 8

	.section .note.GNU-stack, "", @progbits
