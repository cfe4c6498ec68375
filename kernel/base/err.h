/* SPDX-License-Identifier: MIT */
/*
 * Error numbers inside the kernel: negative, passed on untouched. Ring 3 sees enum ix_status only,
 * which the calls of kernel/net and kernel/sys return; no function returns both.
 */
#pragma once

enum kerr {
	KERR_NO_MEMORY = -1,   /* pool, frame or table exhausted */
	KERR_INVALID = -2,     /* a value from outside is out of its range */
	KERR_NOT_FOUND = -3,   /* device, table or entry absent */
	KERR_TIMEOUT = -4,     /* hardware did not answer */
	KERR_UNSUPPORTED = -5, /* known, but not by this device or build */
	KERR_STATE = -6,       /* not possible in the present state */
	KERR_NO_ROUTE = -7,    /* no address, route or neighbour */
	KERR_IN_USE = -8,      /* address or port taken */
};
