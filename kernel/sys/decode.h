/* SPDX-License-Identifier: MIT */
/* One slot of the call array as a plain structure: what follows never looks at shared memory again. */
#pragma once
#include "kernel/abi/call.h"
#include "kernel/abi/status.h"
#include "kernel/base/types.h"

/* Where an opcode's result goes. */
enum decode_result { DECODE_RESULT_NONE = 0, DECODE_RESULT_HANDLE, DECODE_RESULT_LEN };

struct decoded {
	uint32_t op;     /* enum ix_op */
	uint32_t flags;  /* only those that the opcode has */
	uint32_t result; /* enum decode_result */
	ix_handle_t handle;
	uint64_t arg;
	uint64_t len;
};

/**
 * decode() - read @slot once and check its form
 * Return: IX_OK; IX_BAD_CALL (opcode unknown, a flag it does not have, a field it does not use is not 0);
 * IX_UNSUPPORTED (reserved opcode). IX_OP_NONE may hold anything.
 */
int decode(const struct ix_call *slot, struct decoded *out);
