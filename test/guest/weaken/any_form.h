/* SPDX-License-Identifier: MIT */
/* Control: a descriptor's unused fields and flags are not looked at. In front of kernel/sys. */
#pragma once
#include "kernel/sys/decode.h"

static inline int weak_decode(const struct ix_call *slot, struct decoded *out)
{
	int status = decode(slot, out);

	return status == IX_BAD_CALL && out->op < IX_OP_NR ? IX_OK : status;
}
#define decode(slot, out) weak_decode(slot, out)
