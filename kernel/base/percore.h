/* SPDX-License-Identifier: MIT */
/*
 * Per-core state. A variable marked PERCORE lies in the window: the same virtual address on every
 * core, other memory behind it (kernel/mem/window.c). Its address must never leave the core. On the
 * host (unit tests) there is one core and PERCORE is an ordinary section.
 */
#pragma once
#include "kernel/base/types.h"

#define CORES_MAX 64u
#define PERCORE __attribute__((section(".percore")))

extern PERCORE uint32_t percore_id; /* 0..core_count-1, written once when the core starts */

static inline uint32_t core_id(void)
{
	return percore_id;
}
