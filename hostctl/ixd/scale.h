/* SPDX-License-Identifier: MIT */
/*
 * How many cores a guest has: asked for by hand, by policy, or by somebody who talks to libvirt himself. In: a number and why.
 * Out: the guest runs so many, or an error that says why not. What is asked for is in the record before anything changes and is
 * marked there as under way: whoever finds the mark goes on from what QEMU, libvirt and the guest say is so.
 * Private to hostctl/ixd. Start reading at scale.c.
 */
#pragma once
#include "hostctl/base/err.h"
#include "kernel/abi/page.h"
#include <stdbool.h>
#include <stdint.h>

enum scale_by { SCALE_BY_HAND = 0, SCALE_BY_POLICY, SCALE_BY_VIRSH, SCALE_BY_NR };

/* Why, for events; the policy's reason has a signal. */
struct scale_why {
	enum scale_by by;
	/*
	 * Fewer cores: they are parked, which takes milliseconds, and their vCPUs stay. Another call with the same number and
	 * without this takes them away, which under emulation takes libvirt seconds.
	 */
	bool keeps_vcpus;
	const char *signal;        /* that was measured, text that stays; NULL: none */
	uint64_t value, threshold; /* in its unit */
	uint32_t held_ms;          /* how long it has been beyond the threshold */
};

/* Steps of a resize whose length is known, in the order in which they happen. */
enum scale_step {
	SCALE_UNPARK = 0,  /* a parked core was told to run, and did */
	SCALE_PLUG,        /* libvirt and QEMU made a vCPU */
	SCALE_START,       /* the guest's core began, by the guest's clock from here to SCALE_FIRST_FRAME */
	SCALE_GROUPS,      /* it got its share of the flow groups */
	SCALE_FIRST_FRAME, /* from its vCPU being noticed to its first frame */
	SCALE_DRAIN,       /* a core gave away what it owned, by the guest's clock */
	SCALE_PARK,        /* the guest was told to run fewer, and did */
	SCALE_EJECT,       /* from being parked to its vCPU being given back, by the guest's clock */
	SCALE_UNPLUG, /* libvirt and QEMU took a vCPU away; under emulation libvirt waits 5 s for a word that never comes */
	SCALE_STEP_NR
};

/* What is watched for changes that nobody told us of. */
struct scale_seen {
	int32_t pid;               /* of QEMU */
	uint32_t libvirt, present; /* vCPUs, as libvirt and the guest count them */
};

/* What is known of it. Part of struct known, under ixd.lock. */
struct scale_state {
	uint32_t cores_min, cores_max, priority; /* of the record */
	bool is_auto;                            /* the policy decides */
	uint32_t target;                         /* cores that were asked for last */
	uint32_t vcpus;                  /* that QEMU had at the last look; more than `target`: some are parked */
	uint32_t plugs_left;             /* until QEMU must be started anew; UINT32_MAX: no limit (KVM) */
	bool is_at_work;                 /* a resize is under way in this process: another one would wait for it */
	bool is_open;                    /* the record says that one is under way */
	int64_t ended_ms;                /* when the last one did, monotonic; 0: there was none */
	uint32_t total[2][SCALE_BY_NR];  /* that came to their end: [0] fewer, [1] more */
	uint32_t refused;                /* that did not */
	uint64_t step_us[SCALE_STEP_NR]; /* of the last one that had such a step */
	uint32_t has_step;               /* bit i: there was one that had step i */
	/* scale.c's own: what it has looked at last and when, and what the guest had told of cores then. */
	struct scale_seen settled;
	int64_t settled_ms;
	struct ix_page_resize last;
};

/**
 * scale_guest() - guest @name has @cores cores when it returns, which may take seconds; takes guest_lock()
 * By hand it is manual from then on; the policy's call is refused (STATUS_USAGE) for a guest that is manual.
 * Return: 0, or -1 with @err: outside its limits, QEMU would not bear another vCPU, the guest did not let go or did not come, ...
 */
int scale_guest(const char *name, uint32_t cores, const struct scale_why *why, struct err *err);

/** scale_begin() - the same in a thread of its own; what comes of it is in scale_state and in events. False: one is at work. */
bool scale_begin(const char *name, uint32_t cores, const struct scale_why *why);

/** scale_by_name(), scale_step_name() - a word for it. */
const char *scale_by_name(enum scale_by by);
const char *scale_step_name(enum scale_step step);

struct known;
struct guest;
/** scale_learn() - what record @g says, into @k. Under ixd.lock. */
void scale_learn(struct known *k, const struct guest *g);
/** scale_know() - the same by its name. Takes the lock. */
void scale_know(const struct guest *g);
/** scale_watch() - once a second, under ixd.lock: a thread looks after what changed without us, or was cut short. */
void scale_watch(struct known *k);
