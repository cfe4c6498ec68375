/* SPDX-License-Identifier: MIT */
/* Which flow groups change cores when cores come or go: numbers in, numbers out. Private to kernel/cores. */
#pragma once
#include "kernel/flow/flow.h"

struct deal_move {
	uint8_t group, to;
};

/**
 * deal() - the fewest moves after which the cores of bitmap @cores, and nobody else, own @groups, each as many as any other or one more
 * @owner: core of each group. @out: room for FLOW_GROUPS_MAX. @cores: not empty.
 * Return: moves in @out, no two of one group.
 */
unsigned deal(const uint8_t *owner, unsigned groups, uint64_t cores, struct deal_move *out);
