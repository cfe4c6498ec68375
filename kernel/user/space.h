/* SPDX-License-Identifier: MIT */
/* The partition's memory. Private to kernel/user; others see struct user_partition. */
#pragma once
#include "kernel/base/types.h"

/** space_load() - copy the program into the partition; @again: zero what an earlier run left. */
void space_load(bool again);

uint64_t space_entry(void);       /* the program's first instruction */
uint64_t space_initial_rsp(void); /* of core 0: argc, argv, envp, auxv lie there */
uint32_t space_watchdog_ms(void);

/** space_is_code() - whether ring 3 may execute at @va. */
bool space_is_code(uint64_t va);

/** space_read() - [va, va + bytes) of the partition or of a stack, NULL if it is not wholly that. */
const void *space_read(uint64_t va, uint64_t bytes);
