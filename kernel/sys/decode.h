/* SPDX-License-Identifier: MIT */
/* One slot of the call array as a plain structure: what follows never looks at shared memory again. */
#pragma once
#include "kernel/abi/call.h"
#include "kernel/abi/status.h"
#include "kernel/base/types.h"

struct decoded {
	uint32_t op;    /* enum ix_op, below IX_OP_NR */
	uint32_t flags; /* only those that the opcode has */
	ix_handle_t handle;
	uint64_t arg;
	uint64_t len;
};

/* The bits of each word of a slot that must be zero for an opcode. */
struct decode_form {
	uint64_t head; /* opcode, flags and status as they lie in memory */
	uint64_t handle;
	uint64_t arg;
	uint64_t len;
};
extern const struct decode_form decode_forms[IX_OP_NR];

/**
 * decode() - read @slot once and check its form
 * Opcode and flags are one access: several could see several slots.
 * Return: IX_OK; IX_BAD_CALL (opcode unknown, a flag it does not have, a field it does not use is not 0).
 */
static inline int decode(const struct ix_call *slot, struct decoded *out)
{
	uint64_t head = *(const volatile uint64_t *)(const void *)slot;
	const struct decode_form *form;

	out->op = (uint16_t)head;
	out->flags = (uint16_t)(head >> 16);
	out->handle = READ_ONCE(slot->handle);
	out->arg = READ_ONCE(slot->arg);
	out->len = READ_ONCE(slot->len);
	if (unlikely(out->op >= IX_OP_NR))
		return IX_BAD_CALL;
	form = &decode_forms[out->op];
	if (unlikely((head & form->head) | (out->handle & form->handle) | (out->arg & form->arg) |
		     (out->len & form->len)))
		return IX_BAD_CALL;
	return IX_OK;
}
_Static_assert(offsetof(struct ix_call, op) == 0 && offsetof(struct ix_call, flags) == 2 &&
		       offsetof(struct ix_call, handle) == sizeof(uint64_t),
	       "opcode and flags are read as one word");
