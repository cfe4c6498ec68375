/* SPDX-License-Identifier: MIT */
/* IX's own rule, to compare with: one core more or less at a time [ix cp/ixcp.py; TOCS 2016, 4.3]; its steps of frequency are left out. */
#pragma once
#include "hostctl/policy/policy.h"

struct ixcp {
	int64_t up_ms, down_ms; /* last */
};

/** ixcp_decide() - how many cores @g should have; asked every 100 ms. */
uint32_t ixcp_decide(struct ixcp *x, const struct policy_guest *g, int64_t now_ms);
