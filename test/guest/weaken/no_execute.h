/* SPDX-License-Identifier: MIT */
/* Control: page tables without the no-execute bit. In front of kernel/mem. */
#pragma once
#include "kernel/mem/pt.h"

#undef PT_NX
#define PT_NX 0ull
