/* SPDX-License-Identifier: MIT */
/*
 * Which fields and flags each opcode has. What it does not have must be zero, so that it can have it
 * later. IX_OP_NONE and reserved opcodes may hold anything.
 */
#include "kernel/sys/decode.h"

#define HANDLE 1u
#define ARG 2u
#define LEN 4u

/* @fields: of HANDLE, ARG, LEN; @flags: as in ix_call.flags. */
#define FORM(fields, flags)                                                                                           \
	{                                                                                                             \
		(uint64_t)(uint16_t) ~(flags) << 16, (fields)&HANDLE ? 0 : UINT64_MAX, (fields)&ARG ? 0 : UINT64_MAX, \
			(fields)&LEN ? 0 : UINT64_MAX                                                                 \
	}

const struct decode_form decode_forms[IX_OP_NR] = {
	[IX_OP_LISTEN] = FORM(ARG | LEN, 0),
	[IX_OP_UNLISTEN] = FORM(HANDLE, 0),
	[IX_OP_CONNECT] = FORM(ARG, IX_CONNECT_PINNED),
	[IX_OP_ACCEPT] = FORM(HANDLE | ARG, 0),
	[IX_OP_REJECT] = FORM(HANDLE, 0),
	[IX_OP_SENDV] = FORM(HANDLE | ARG | LEN, IX_SENDV_LIST | IX_SENDV_MORE | IX_SENDV_DONE),
	[IX_OP_RECV_DONE] = FORM(HANDLE | LEN, 0),
	[IX_OP_SHUTDOWN] = FORM(HANDLE, 0),
	[IX_OP_CLOSE] = FORM(HANDLE, 0),
	[IX_OP_ABORT] = FORM(HANDLE, 0),
	[IX_OP_SET] = FORM(HANDLE | ARG | LEN, 0),
	[IX_OP_RELEASE] = FORM(HANDLE, 0),
	[IX_OP_UDP_BIND] = FORM(ARG | LEN, 0),
	[IX_OP_UDP_UNBIND] = FORM(HANDLE, 0),
	[IX_OP_UDP_SENDV] = FORM(HANDLE | ARG, 0),
	[IX_OP_UDP_RECV_DONE] = FORM(HANDLE | LEN, 0),
	[IX_OP_TIMER_ARM] = FORM(HANDLE | ARG | LEN, 0),
	[IX_OP_TIMER_CANCEL] = FORM(HANDLE, 0),
	[IX_OP_SEND_BACK] = FORM(HANDLE | LEN, IX_SENDV_MORE),
};
