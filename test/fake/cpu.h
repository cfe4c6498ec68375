/* SPDX-License-Identifier: MIT */
/* Controls of the fake processor. */
#pragma once
#include "kernel/base/percore.h"
#include "kernel/base/types.h"

/* Cores 0..count-1 are there and do everything, unless a test says otherwise: fake_cores. */
extern uint32_t fake_core_count;
extern uint64_t fake_cores, fake_serving, fake_open;
extern unsigned fake_wakes[CORES_MAX]; /* cpu_wake() calls by target */
