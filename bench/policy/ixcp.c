/* SPDX-License-Identifier: MIT */
/* The rule and its constants. */
#include "bench/policy/ixcp.h"

#define UP_FRAMES 32u
#define DOWN_FRAMES 8u
#define UP_AFTER_UP_MS 200
#define UP_AFTER_DOWN_MS 2000
#define DOWN_AFTER_MS 4000
#define HEADROOM 1.2

uint32_t ixcp_decide(struct ixcp *x, const struct policy_guest *g, int64_t now)
{
	uint64_t deepest = 0, slow = 0, idle = 0;

	for (uint32_t i = 0; i < g->cores; i++) {
		if (g->core[i].depth_fast > deepest)
			deepest = g->core[i].depth_fast;
		slow += g->core[i].depth_slow;
		idle += g->core[i].idle_slow;
	}
	if (deepest > UP_FRAMES * POLICY_FRACTION && g->cores < g->max && now - x->up_ms >= UP_AFTER_UP_MS &&
	    now - x->down_ms >= UP_AFTER_DOWN_MS) {
		x->up_ms = now;
		return g->cores + 1;
	}
	if (slow / g->cores < DOWN_FRAMES * POLICY_FRACTION && g->cores > g->min &&
	    (double)idle > HEADROOM * POLICY_PPM && now - x->up_ms >= DOWN_AFTER_MS &&
	    now - x->down_ms >= DOWN_AFTER_MS) {
		x->down_ms = now;
		return g->cores - 1;
	}
	return g->cores;
}
