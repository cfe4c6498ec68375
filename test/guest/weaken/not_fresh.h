/* SPDX-License-Identifier: MIT */
/* Control: a partition that is started again finds the heap that the last one left. In front of kernel/user. */
#pragma once
#ifndef __ASSEMBLER__
#include "kernel/base/bytes.h"

/* The program's own part, below the heap, must be zeroed or it could not run. */
#define PROGRAM_BYTES 0x600000ul

#undef memset
#define memset(at, value, bytes) __builtin_memset(at, value, (bytes) < PROGRAM_BYTES ? (bytes) : PROGRAM_BYTES)
#endif
