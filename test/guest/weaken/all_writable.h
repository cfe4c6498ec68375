/* SPDX-License-Identifier: MIT */
/* Control: whoever sees a page may write it. In front of kernel/mem. */
#pragma once
#include "kernel/mem/pt.h"

#undef PT_P
#define PT_P 0x003ull
