/* SPDX-License-Identifier: MIT */
/* Control: CR4.PCE lets ring 3 read performance counters. In front of kernel/main.c. */
#pragma once
#include "kernel/cpu/start.h"

static inline void weak_cpu_features_init(void)
{
	uint64_t cr4;

	cpu_features_init();
	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	__asm__ volatile("mov %0, %%cr4" ::"r"(cr4 | 1ul << 8));
}
#define cpu_features_init() weak_cpu_features_init()
