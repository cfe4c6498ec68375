/* SPDX-License-Identifier: MIT */
/*
 * The address map of ring 0. What ring 3 sees is in kernel/abi/entry.h. Used by C, assembly and the
 * link script, so plain numbers only.
 *
 *   MEM_DIRECT_VA   all RAM, 2 MiB pages, RW NX (kernel text and rodata: read-only)   same on every core
 *   MEM_KERNEL_VA   kernel image at its physical address + this; text RX, rodata R, data RW NX
 *   MEM_WINDOW_VA   the window: per-core state, lwIP's data, kernel stack     own pages on every core
 */
#pragma once

#define MEM_DIRECT_VA 0xffff800000000000
#define MEM_MMIO_VA 0xffffc00000000000 /* device registers, uncached, same on every core */
#define MEM_KERNEL_VA 0xffffffff80000000
#define MEM_KERNEL_LOAD_PA 0x200000
#define MEM_WINDOW_VA 0xffffffffc0000000
#define MEM_WINDOW_DATA_BYTES 0x100000                   /* room for .percore; pages behind it as needed */
#define MEM_STACK_TOP 0xffffffffc0180000                 /* kernel stack of this core, grows down */
#define MEM_STACK_BYTES 0x8000                           /* the page below is a guard */
#define MEM_IST_TOP(n) (0xffffffffc0190000 + (n)*0x4000) /* n: 1..4 for #DF NMI #MC #DB, 8 KiB each, guarded */
#define MEM_IST_BYTES 0x2000
