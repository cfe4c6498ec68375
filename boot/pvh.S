/* SPDX-License-Identifier: MIT */
/*
 * The loader's door: the PVH note and the first instructions, 32-bit with paging off and ebx at the
 * start info [Xen docs/misc/pvh]. Nothing of the loader's GDT, stack or flags is relied on.
 */
#include "kernel/mem/layout.h"

#define PA(symbol) ((symbol) - MEM_KERNEL_VA)

	.section .note.pvh, "a", @note
	.align 4
	.long 4			/* name bytes */
	.long 4			/* descriptor bytes */
	.long 18		/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.long PA(pvh_start)

	.section .text.boot, "ax", @progbits
	.code32
	.globl pvh_start
pvh_start:
	cli
	cld
	mov %ebx, %esi			/* start info, kept in esi until 64-bit code takes it */
	mov $PA(boot_stack_top), %esp
	mov $PA(boot_cr3), %edi		/* where to find the root: the boot tables */
	mov $PA(pvh_start64), %ebp	/* where to go in long mode */
	jmp long_mode_enter

	.code64
pvh_start64:
	movabs $pvh_start_high, %rax
	jmp *%rax
pvh_start_high:
	movabs $boot_stack_top, %rsp
	xor %ebp, %ebp			/* end of the frame chain for backtraces */
	mov %esi, %edi
	call main_boot
	ud2

	.section .bss.boot, "aw", @nobits
	.align 16
	.space 16384
boot_stack_top:

	.section .note.GNU-stack, "", @progbits
