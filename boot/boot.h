/* SPDX-License-Identifier: MIT */
/*
 * In: control from the loader (PVH: 32-bit, paging off) or a start-up IPI. Out: main_boot() or
 * main_core() in long mode on the kernel's stack, W^X in force. Who calls: kernel/main.c reads
 * boot_info_read() and gives other cores their start by boot_ap_prepare(). Start reading at pvh.S.
 */
#pragma once
#include "kernel/abi/boot_info.h"
#include "kernel/abi/image.h"
#include "kernel/base/types.h"

#define BOOT_AP_PAGE 0x8000u /* below 1 MiB, where other cores start in real mode */

/**
 * boot_info_read() - PVH start info to struct boot_info, every field checked
 * @start_info: physical, identity-mapped at this point. [Xen docs/misc/pvh, start_info.h]
 * Return: 0, KERR_INVALID with a sentence in @error.
 */
int boot_info_read(pa_t start_info, struct boot_info *out, const char **error);

/** boot_image() - the image description that ixctl filled in, inside the kernel's read-only data. */
const struct ix_image *boot_image(void);

/**
 * boot_ap_prepare() - put the real-mode start into BOOT_AP_PAGE, for the core that is started next
 * @root: its page table; @low: direct-map address of physical 0.
 */
void boot_ap_prepare(pa_t root, uint8_t *low);

/* Called by the assembly, defined in kernel/main.c. */
NORETURN void main_boot(pa_t start_info);
NORETURN void main_core(void);

/** boot_switch() - load @root, put the stack at @stack_top, jump to @next. Does not return. */
NORETURN void boot_switch(pa_t root, uint64_t stack_top, void (*next)(void));
