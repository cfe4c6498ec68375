/* SPDX-License-Identifier: MIT */
/* A host of guests that say what a test has them say, and a policy whose decisions are carried out at once. */
#pragma once
#include "hostctl/policy/policy.h"

#define GUESTS 4u
#define PERIOD 100
#define FRAMES(n) ((uint64_t)(n)*POLICY_FRACTION)

extern struct policy_limits limits;
extern struct policy_guest guests[GUESTS];
extern struct policy_state states[GUESTS];
extern struct policy_core cores[GUESTS][POLICY_CORES_MAX];
extern int64_t now;
extern uint32_t host_cores;
extern unsigned count;

/** policed_setup() - a host of 16 cores without guests, not emulated. */
int policed_setup(void **state);

/** add() - a guest that is auto and settled. */
struct policy_guest *add(uint32_t has, uint32_t min, uint32_t max, uint32_t priority);

/** say() - all its cores do: so many frames in the queue, so busy, fast and slow. */
void say(struct policy_guest *g, unsigned frames, unsigned busy_percent);

/** look() - 100 ms later. Return: whether anybody's cores changed. */
bool look(void);

/** until_change() - looks until something changes, @ms at most. Return: how long that took, -1: nothing did. */
int64_t until_change(int64_t ms);
