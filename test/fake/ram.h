/* SPDX-License-Identifier: MIT */
/* Guest RAM on the host: a piece of this process's memory that begins at physical address FAKE_RAM_PA. */
#pragma once
#include "kernel/base/types.h"

#define FAKE_RAM_PA 0x1000000u

/** fake_ram_new() - fresh, dirty RAM of @bytes (a multiple of 2 MiB), all of it given to frame.c. */
void fake_ram_new(size_t bytes);
