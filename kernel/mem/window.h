/* SPDX-License-Identifier: MIT */
/* The roots of all cores. Private to kernel/mem; its door is map.h. */
#pragma once
#include "kernel/base/types.h"

/** window_init() - @root: the boot core's first root; its entries below 511 become everybody's. */
void window_init(uint64_t *root);
