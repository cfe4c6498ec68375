/* SPDX-License-Identifier: MIT */
/*
 * Cores by policy: twenty times a second what guests' pages say goes to hostctl/policy, and what it decides to scale.c; once a second
 * vCPUs that came are given CPUs of the host. Private to hostctl/ixd. Start reading at elastic.c.
 */
#pragma once
#include "hostctl/policy/place.h"
#include "hostctl/policy/policy.h"

/* What is known of it. Part of struct known, under ixd.lock. */
struct elastic_state {
	struct policy_state policy;
	uint8_t id[16];                   /* of the start that `policy` is about */
	uint64_t at_us[POLICY_CORES_MAX]; /* when each core wrote what was looked at last */
	struct policy_choice now, last;   /* of the last look; of the last change */
	uint32_t last_from;               /* cores before that */
	uint64_t total[POLICY_SIGNAL_NR]; /* changes begun, by what they were for */
	bool is_begun;                    /* one of ours is under way, or has ended and not been looked at */
	uint32_t refused;                 /* of scale_state, before it */
	int64_t held_ms, told_ms;         /* since when it is held back, and when that was told; monotonic, 0: not */
	struct place_guest place;         /* pin.c's */
	bool is_placed;                   /* `place` holds something */
};

struct known;

/* A guest as the policy is asked about it. */
struct elastic_asked {
	struct known *known;
	struct policy_core core[POLICY_CORES_MAX];
};

/**
 * elastic_ask() - @g and its cores, of what is known of @k; under the lock
 * Return: false: it takes no core of this host.
 */
bool elastic_ask(struct known *k, struct elastic_asked *asked, struct policy_guest *g);

/** elastic_cores() - how many cores guests may run together: what setup was told, or the CPUs that are for guests. */
uint32_t elastic_cores(void);

/** elastic_start(), pin_start() - their threads. */
void elastic_start(void);
void pin_start(void);
/* What these threads do, for tests: first ..._init(), then ..._turn() every 50 ms and every second. */
void elastic_init(void);
void elastic_turn(void);
void pin_init(void);
void pin_turn(unsigned second);

/** pin_topology() - the host's CPUs as they are known now; false: they are not. */
bool pin_topology(struct place_topology *out);
