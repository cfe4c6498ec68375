/* SPDX-License-Identifier: MIT */
/* Controls of the fake processor. */
#pragma once
#include "kernel/base/percore.h"
#include "kernel/base/types.h"

extern uint32_t fake_core_count;
extern unsigned fake_wakes[CORES_MAX]; /* cpu_wake() calls by target */
