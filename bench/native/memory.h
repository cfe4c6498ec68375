/* SPDX-License-Identifier: MIT */
/* In: memory that DPDK shares with the other end of its port. Out: kernel/mem over it. Who calls: main.c, ring3.c. */
#pragma once
#include "kernel/base/types.h"

/** memory_init() - take over [@at, @at + @bytes), 2 MiB-aligned, of the DPDK heap as all RAM there is. */
void memory_init(uint8_t *at, size_t bytes);

/** memory_page_at() - a zeroed page of RAM that is seen at @va; ends the program if something else is there. */
void *memory_page_at(uint64_t va);
