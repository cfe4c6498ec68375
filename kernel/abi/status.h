/* SPDX-License-Identifier: MIT */
/*
 * The one closed set of outcomes that ring 3 ever sees, in ix_call.status and as the
 * negative result of an entry point. A removed value keeps its number.
 */
#pragma once

enum ix_status {
	IX_OK = 0,
	IX_PENDING = 1,       /* ring 3 writes it; a call that still holds it was not executed */
	IX_BAD_HANDLE = -1,   /* stale, forged, or of another kind or core */
	IX_BAD_CALL = -2,     /* unknown opcode, reserved bits set, or wrong state for the call */
	IX_BAD_ADDRESS = -3,  /* a range that is not wholly inside what ring 3 may name */
	IX_BAD_LENGTH = -4,   /* zero where not allowed, or more than was lent */
	IX_NO_MEMORY = -5,    /* a pool or the connection limit is exhausted; try again later */
	IX_CLOSED = -6,       /* the sending side is already shut down, or the connection is dead */
	IX_IN_USE = -7,       /* address or port taken */
	IX_UNREACHABLE = -8,  /* no route or no address yet; IX_WAKE: the core does not run */
	IX_MOVED = -9,        /* the connection is on its way to another core, or there already */
	IX_UNSUPPORTED = -10, /* entry point or opcode that this version only reserves */
	IX_STATUS_NR = 12
};
