/* SPDX-License-Identifier: MIT */
/*
 * Many hosts with many guests each, whose cores the policy gives out: does it hold still under noise, how fast does it follow,
 * who gets what where there is not enough. A core is a queue that is looked at every 10 ms: so many frames came (with noise), so
 * many it could do, the rest waits; when cores change, what waits is dealt out anew with the flow groups.
 */
#pragma once
#include "hostctl/policy/policy.h"

enum fleet_mix {
	FLEET_MIXED = 0,
	FLEET_STEADY, /* every load is flat: what changes after FLEET_SETTLE_S is due to noise alone */
	FLEET_STEPS,  /* every load is stairs, FLEET_STEP_S long */
};

struct fleet_plan {
	unsigned hosts, guests; /* guests of each */
	unsigned seconds;
	uint32_t host_cores, cores_max; /* of a guest, at most 16 */
	double load;                    /* mean wish of a host, of its cores */
	enum fleet_mix mix;
	uint64_t seed;
};
#define FLEET_SETTLE_S 40u
#define FLEET_STEP_S 30.0
/* A step up is followed when the guest has as many cores as the load needs at least, one down when it has less than twice as many. */
#define FLEET_UP_S 5.0
#define FLEET_DOWN_S 12.0

struct fleet_result {
	uint64_t decisions;   /* guests decided about */
	uint64_t decision_ns; /* that took */
	uint64_t changes;     /* of cores */
	uint64_t reversals;   /* changes in the other direction than the one before, less than 10 s after it */
	uint64_t busiest_guest_reversals; /* most of one guest, a minute of its steady part, rounded up */
	uint64_t steps, steps_late;       /* loads that stepped up or down, and those not followed within the bound */
	double up_s_max, down_s_max;      /* from a step until cores were right: the longest */
	uint64_t over_ticks;              /* decisions with more cores given than the host has */
	uint64_t floor_ticks;             /* with a guest below its floor */
	uint64_t
		unfair_ms_max; /* longest time for which a guest wanted more while one of lower priority had more than its floor */
	uint64_t uneven_ms_max;            /* ... while one of the same priority had two more than it */
	uint64_t core_ms, served, offered; /* cores given; frames */
};

/** fleet_run() - the same plan gives the same result but for decision_ns. */
void fleet_run(const struct fleet_plan *plan, struct fleet_result *out);
