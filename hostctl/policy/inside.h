/* SPDX-License-Identifier: MIT */
/* What decide.c, assess.c and share.c have in common. Private to hostctl/policy. */
#pragma once
#include "hostctl/policy/policy.h"

/** since_ms() - from @then to @now; a long time if @then is 0. */
static inline int64_t since_ms(int64_t now, int64_t then)
{
	return then == 0 ? INT64_MAX / 2 : now > then ? now - then : 0;
}

/**
 * assess() - what @g would like, were it alone: .want, .signal, .value, .threshold, .held_ms of its choice; its state's clocks
 * Only of a guest that is auto and settled.
 */
void assess(const struct policy_limits *l, int64_t now_ms, struct policy_guest *g);

/* One who wants cores. */
struct share {
	uint32_t has, least, want, priority;
	uint32_t gets; /* out: least..max(least, want) */
};

/**
 * share_out() - @cores among @count: each its least, then by priority what it wants; of the same priority evenly
 * What does not divide goes to who has it already, so that the same wishes do not move anything twice.
 */
void share_out(struct share *s, unsigned count, uint32_t cores);

/** share_next() - the highest priority below @below that one of @count has, 0: none. */
uint32_t share_next(const struct share *s, unsigned count, uint32_t below);
