/* SPDX-License-Identifier: MIT */
/* Which fields and flags each opcode has. What it does not have must be zero, so that it can have it later. */
#include "kernel/sys/decode.h"

#define HANDLE 1u
#define ARG 2u
#define LEN 4u

struct form {
	uint8_t fields; /* used ones of HANDLE, ARG, LEN; 0 with no result: reserved */
	uint8_t flags;
	uint8_t result; /* enum decode_result */
};

static const struct form forms[IX_OP_NR] = {
	[IX_OP_LISTEN] = { ARG | LEN, 0, DECODE_RESULT_HANDLE },
	[IX_OP_UNLISTEN] = { HANDLE, 0, 0 },
	[IX_OP_CONNECT] = { ARG, 0, DECODE_RESULT_HANDLE },
	[IX_OP_ACCEPT] = { HANDLE | ARG, 0, 0 },
	[IX_OP_REJECT] = { HANDLE, 0, 0 },
	[IX_OP_SENDV] = { HANDLE | ARG | LEN, IX_SENDV_LIST | IX_SENDV_MORE, DECODE_RESULT_LEN },
	[IX_OP_RECV_DONE] = { HANDLE | LEN, 0, 0 },
	[IX_OP_SHUTDOWN] = { HANDLE, 0, 0 },
	[IX_OP_CLOSE] = { HANDLE, 0, 0 },
	[IX_OP_ABORT] = { HANDLE, 0, 0 },
	[IX_OP_SET] = { HANDLE | ARG | LEN, 0, 0 },
	[IX_OP_UDP_BIND] = { ARG | LEN, 0, DECODE_RESULT_HANDLE },
	[IX_OP_UDP_UNBIND] = { HANDLE, 0, 0 },
	[IX_OP_UDP_SENDV] = { HANDLE | ARG, 0, DECODE_RESULT_LEN },
	[IX_OP_UDP_RECV_DONE] = { HANDLE | LEN, 0, 0 },
	[IX_OP_TIMER_ARM] = { HANDLE | ARG | LEN, 0, DECODE_RESULT_HANDLE },
	[IX_OP_TIMER_CANCEL] = { HANDLE, 0, 0 },
};

/* Opcode and flags are one access with the status: three reads could see three different slots. */
struct head {
	uint16_t op;
	uint16_t flags;
	int32_t status;
};
_Static_assert(sizeof(struct head) == sizeof(uint64_t) && offsetof(struct ix_call, handle) == sizeof(struct head),
	       "read as one word");

int decode(const struct ix_call *slot, struct decoded *out)
{
	uint64_t head = *(const volatile uint64_t *)(const void *)slot;
	const struct form *form;
	unsigned unused;

	out->op = (uint16_t)head;
	out->flags = (uint16_t)(head >> 16);
	out->result = DECODE_RESULT_NONE;
	out->handle = READ_ONCE(slot->handle);
	out->arg = READ_ONCE(slot->arg);
	out->len = READ_ONCE(slot->len);
	if (out->op == IX_OP_NONE)
		return IX_OK;
	if (unlikely(out->op >= IX_OP_NR))
		return IX_BAD_CALL;
	form = &forms[out->op];
	if (unlikely(!form->fields))
		return IX_UNSUPPORTED;
	unused = (out->handle ? HANDLE : 0) | (out->arg ? ARG : 0) | (out->len ? LEN : 0);
	unused &= ~(unsigned)form->fields;
	if (unlikely(unused || (out->flags & ~(uint32_t)form->flags)))
		return IX_BAD_CALL;
	out->result = form->result;
	return IX_OK;
}
