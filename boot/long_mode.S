/* SPDX-License-Identifier: MIT */
/*
 * From 32-bit protected mode without paging to long mode, for the boot core and all others, and the
 * first page tables: identity and kernel mapping of the lowest 16 MiB, W^X from here on [SDM 3A 10.8.5].
 */
#include "kernel/mem/layout.h"

#define PA(symbol) ((symbol) - MEM_KERNEL_VA)
#define RX 0x081			/* present, 2 MiB */
#define RO 0x8000000000000081		/* + no execute */
#define RW 0x8000000000000083		/* + writable */
#define TABLE 0x003

	.section .text.boot, "ax", @progbits
	.code32
	/* edi: physical address of the root's address; ebp: physical address of the 64-bit continuation. */
	.globl long_mode_enter
long_mode_enter:
	lgdt PA(boot_gdtr)
	ljmp $0x08, $PA(1f)
1:	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov $0x20, %eax			/* CR4.PAE */
	mov %eax, %cr4
	mov (%edi), %eax
	mov %eax, %cr3
	mov $0xc0000080, %ecx		/* IA32_EFER */
	rdmsr
	or $0x901, %eax			/* SCE, LME, NXE */
	wrmsr
	mov $0x80010011, %eax		/* CR0: PG, WP, ET, PE */
	mov %eax, %cr0
	mov %ebp, %eax
	push $0x18
	push %eax
	lret				/* into 64-bit code, still at physical addresses */

	.code64
	/* boot_switch(root, stack_top, next) */
	.globl boot_switch
boot_switch:
	mov %rdi, %cr3
	mov %rsi, %rsp
	xor %ebp, %ebp
	push %rbp			/* a return address of 0 ends backtraces */
	jmp *%rdx

	.section .rodata.boot, "a", @progbits
	.align 8
boot_gdt:
	.quad 0
	.quad 0x00cf9b000000ffff	/* 0x08: 32-bit code, accessed */
	.quad 0x00cf93000000ffff	/* 0x10: data, accessed */
	.quad 0x00af9b000000ffff	/* 0x18: 64-bit code, accessed */
boot_gdt_end:
	.globl boot_gdtr
boot_gdtr:
	.word boot_gdt_end - boot_gdt - 1
	.long PA(boot_gdt)
	.align 4
	.globl boot_cr3
boot_cr3:
	.long PA(boot_pml4)

	.section .data.boot, "aw", @progbits
	.align 4096
boot_pml4:
	.quad PA(boot_pdpt) + TABLE
	.fill 510, 8, 0
	.quad PA(boot_pdpt) + TABLE
boot_pdpt:				/* serves as the lowest and as the highest 512 GiB */
	.quad PA(boot_pd) + TABLE
	.fill 509, 8, 0
	.quad PA(boot_pd) + TABLE	/* MEM_KERNEL_VA */
	.quad 0
boot_pd:
	.quad 0x000000 + RW		/* start info, ACPI tables, AP start page */
	.quad 0x200000 + RX		/* text */
	.quad 0x400000 + RO		/* rodata, notes */
	.quad 0x600000 + RW		/* data, per-core template, bss */
	.quad 0x800000 + RW
	.quad 0xa00000 + RW
	.quad 0xc00000 + RW
	.quad 0xe00000 + RW
	.fill 504, 8, 0

	.section .note.GNU-stack, "", @progbits
