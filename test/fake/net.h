/* SPDX-License-Identifier: MIT */
/*
 * kernel/net's calls, recorded: the last one with its arguments, and how many. Ranges are read to their
 * ends, so that a wrong one is a fault here and now.
 */
#pragma once
#include "kernel/net/net.h"

struct fake_net {
	/* Set by the test. */
	int status;      /* what calls return */
	uint64_t result; /* handle or bytes, when status is IX_OK */
	/* The last call. */
	const char *name; /* "sendv" for net_sendv() ..., NULL: none since fake_net_reset() */
	unsigned calls;
	ix_handle_t handle;
	uint64_t a, b; /* cookie; bytes or datagrams; option and value */
	struct ix_endpoint local, remote;
	struct net_range ranges[IX_IOV_MAX];
	unsigned range_count;
	unsigned flags;
};
extern struct fake_net fake_net;

void fake_net_reset(void);
