/* SPDX-License-Identifier: MIT */
/* One call at once, on the bare array: of programs that do without libix. */
#pragma once
#include "lib/libc/libc.h"

/** call() - carried out when it returns. Return: its status (kernel/abi/status.h). */
static inline int call(uint16_t op, ix_handle_t handle, uint64_t arg, uint64_t len)
{
	struct ix_call_array *a = libc_calls();

	a->calls[0] = (struct ix_call){ .op = op, .status = IX_PENDING, .handle = handle, .arg = arg, .len = len };
	a->count = 1;
	ix_entry(IX_CALL, 0, 0, 0);
	return a->calls[0].status;
}
