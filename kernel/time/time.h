/* SPDX-License-Identifier: MIT */
/*
 * In: deadlines. Out: calls at those deadlines, on the same core. Who calls: net (connections), sys
 * (application timers), loop.c (time_run once a round). A hierarchical timing wheel per core, 16 us
 * ticks, O(1) arm, cancel and next deadline. Start reading at wheel.c.
 */
#pragma once
#include "kernel/base/list.h"
#include "kernel/base/percore.h"
#include "kernel/base/types.h"

#define TIME_TICK_US 16u

struct time_node {
	struct list link;                     /* in a slot of this core's wheel, or self-linked */
	uint64_t tick;                        /* absolute deadline in ticks; valid while armed */
	void (*fire)(struct time_node *node); /* set once by the owner; the node is disarmed before it runs */
};

/** time_core_init() - empty wheel of the calling core, starting at @now ticks. */
void time_core_init(uint64_t now);

/** time_node_init() - a disarmed node. */
void time_node_init(struct time_node *node, void (*fire)(struct time_node *node));

/** time_arm() - (re)arm for the first run at or after tick @tick; a past one fires at the next run. */
void time_arm(struct time_node *node, uint64_t tick);

/** time_cancel() - disarm; nothing if not armed. */
void time_cancel(struct time_node *node);

bool time_is_armed(const struct time_node *node);

/** time_run() - fire everything due at @now ticks, oldest slots first. Return: how many fired. */
unsigned time_run(uint64_t now);

/** time_next() - a tick not later than the earliest deadline (UINT64_MAX if none), O(1). */
uint64_t time_next(void);

/** time_tick_of() - the tick that TSC @now lies in. */
uint64_t time_tick_of(tsc_t now);
/** time_now() - ticks of the TSC clock, read now; time_now_ms() - the same in ms. Same on all cores. */
uint64_t time_now(void);
uint64_t time_now_ms(void);
/** time_tick_to_tsc() - for cpu_halt_until(). */
tsc_t time_tick_to_tsc(uint64_t tick);
