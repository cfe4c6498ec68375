/* SPDX-License-Identifier: MIT */
/* Control: ring 3 sees what ring 0 sees. In front of kernel/mem; for a processor without SMEP and SMAP. */
#pragma once
#include "kernel/mem/pt.h"

#undef PT_P
#define PT_P 0x005ull
