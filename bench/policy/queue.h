/* SPDX-License-Identifier: MIT */
/*
 * One guest in a loop with a policy, request by request: each comes when chance has it come (Poisson, at the rate of a shape of
 * load), waits in the queue of the core that has its flow group, and takes its time (exponential). When cores change, groups are
 * dealt out anew, and what waits goes with them.
 */
#pragma once
#include "bench/load/histogram.h"
#include "bench/policy/shape.h"
#include <stdbool.h>

#define QUEUE_SECONDS_MAX 600u

enum queue_policy {
	QUEUE_FIXED = 0, /* all cores all the time */
	QUEUE_OURS,      /* hostctl/policy */
	QUEUE_IXCP,      /* IX's control plane as published, cores alone [ix cp/ixcp.py] */
	QUEUE_POLICY_NR
};

struct queue_plan {
	enum queue_policy policy;
	enum shape shape;
	unsigned seconds;
	uint32_t cores, groups; /* at most, at most 16; flow groups, at most 128 */
	double service_ns;      /* mean of a request */
	double peak;            /* of what all cores can do */
	double bound_us;        /* of a second's p99 */
	uint64_t seed;
};

struct queue_second {
	double load;  /* requests a second */
	double cores; /* mean */
	double p99_us;
};

struct queue_result {
	struct queue_second second[QUEUE_SECONDS_MAX];
	uint64_t requests, beyond, lost; /* served; of them later than the bound; not taken any more */
	unsigned seconds_beyond;         /* whose p99 was */
	double core_s, p50_us, p99_us, p999_us, max_us;
	unsigned changes;
};

/** queue_policy_name() - a word. */
const char *queue_policy_name(enum queue_policy policy);

/** queue_run() - the same plan gives the same result. */
void queue_run(const struct queue_plan *plan, struct queue_result *out);
