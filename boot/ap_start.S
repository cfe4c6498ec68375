/* SPDX-License-Identifier: MIT */
/*
 * Where every other core begins after INIT and SIPI: 16-bit real mode at BOOT_AP_PAGE [SDM 3A 9.4.4].
 * The 16-bit part is copied there; it only switches to protected mode and jumps into the kernel's text.
 */
#include "kernel/mem/layout.h"

#define PA(symbol) ((symbol) - MEM_KERNEL_VA)
#define AP_PAGE 0x8000

	.section .rodata.boot, "a", @progbits
	.code16
	.globl boot_ap_code, boot_ap_code_end
boot_ap_code:
	cli
	xor %ax, %ax
	mov %ax, %ds
	lgdtl AP_PAGE + (ap_gdtr - boot_ap_code)
	mov $0x11, %eax			/* CR0: ET, PE; caches on */
	mov %eax, %cr0
	ljmpl $0x08, $PA(ap_start32)
	.align 8
ap_gdt:
	.quad 0
	.quad 0x00cf9b000000ffff
	.quad 0x00cf93000000ffff
ap_gdtr:
	.word ap_gdtr - ap_gdt - 1
	.long AP_PAGE + (ap_gdt - boot_ap_code)
boot_ap_code_end:

	.section .text.boot, "ax", @progbits
	.code32
ap_start32:
	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov $PA(ap_stack_top), %esp	/* cores start one at a time */
	mov $PA(boot_cr3), %edi
	mov $PA(ap_start64), %ebp
	jmp long_mode_enter

	.code64
ap_start64:
	movabs $ap_start_high, %rax
	jmp *%rax
ap_start_high:
	mov boot_ap_root, %rdi		/* set by boot_ap_prepare() */
	movabs $MEM_STACK_TOP, %rsi
	movabs $main_core, %rdx
	jmp boot_switch

	.section .bss.boot, "aw", @nobits
	.align 16
	.space 256
ap_stack_top:

	.section .note.GNU-stack, "", @progbits
