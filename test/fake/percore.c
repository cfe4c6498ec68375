/* SPDX-License-Identifier: MIT */
/* The host has one core, and tests say which one it is. */
#include "kernel/base/percore.h"

PERCORE uint32_t percore_id;
