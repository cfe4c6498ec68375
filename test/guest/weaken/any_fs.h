/* SPDX-License-Identifier: MIT */
/* Control: FS base may be any number, also one that makes WRMSR fault. In front of kernel/sys. */
#pragma once
#include "kernel/abi/status.h"
#include "kernel/cpu/msr.h"
#include "kernel/user/user.h"

static inline int weak_user_set_fs(uint64_t base)
{
	msr_write(IA32_FS_BASE, base);
	return IX_OK;
}
#define user_set_fs(base) weak_user_set_fs(base)
