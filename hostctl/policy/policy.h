/* SPDX-License-Identifier: MIT */
/*
 * In: what the cores of a host's guests measured, what each guest may have, how many cores the host has. Out: how many cores
 * each should run, and why. Who calls: ixd, twenty times a second; the simulator (bench/policy). Start reading at decide.c.
 * Nothing here asks, waits or remembers by itself: the same arguments give the same answer. What guests say may be anything.
 *
 * After IX's control plane [Prekas et al., TOCS 2016; ix cp/ixcp.py], with its constants where it has one. What is better:
 * a guest that is saturated gets twice its cores, or four times, and not one more; one that only comes near to it grows before its queues
 * do; it is planned with the core that has most flow groups, not with the mean; shrinking goes by halves to what was needed at most all through the hold-down, and a shrink that was regretted (it grows again
 * with the same work) makes the next one wait twice as long; a queue that is deep on a core which sleeps in between, or that no other core could share, is no
 * reason; several guests share a host.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POLICY_CORES_MAX 64u
#define POLICY_PRIORITY_MAX 100u
#define POLICY_FRACTION 256u /* of a frame */
#define POLICY_PPM 1000000u

/* A core that runs, as kernel/abi/page.h has it. Values are bounded here, not by the caller. */
struct policy_core {
	uint64_t depth_fast, depth_slow; /* frames in its queue, 1/256; over 10 ms and 1 s */
	uint64_t delay_fast;             /* that they waited, ns */
	uint64_t idle_fast, idle_slow;   /* share of time without work, ppm */
	uint32_t groups;                 /* flow groups it owns, 0: not known */
	bool is_fresh;                   /* it wrote this since the last look: one that sleeps does not */
};

enum policy_signal {
	POLICY_NONE = 0,
	POLICY_DEPTH,  /* frames in the deepest queue, 1/256, fast */
	POLICY_DELAY,  /* ns that frames waited where they waited longest, fast */
	POLICY_BUSY,   /* share of time with work of the busiest core that another one could relieve, ppm, slow */
	POLICY_IDLE,   /* cores' worth of work at most during the hold-down, ppm; threshold: what fewer cores may do */
	POLICY_TAKEN,  /* cores that others of at least its priority need more; threshold: its share */
	POLICY_PARKED, /* ms for which a vCPU was there and not used */
	POLICY_BOUNDS, /* it runs fewer than its minimum or more than its maximum */
	POLICY_SIGNAL_NR
};

/* Why a guest that should grow does not. */
enum policy_held {
	POLICY_FREE = 0,
	POLICY_HELD_CEILING, /* it has as many as it may have, or as it has flow groups */
	POLICY_HELD_HOST,    /* the host has no core left for it */
	POLICY_HELD_FAILED,  /* the last change failed: not at once again */
	POLICY_HELD_NR
};

struct policy_choice {
	uint32_t cores;            /* that should run */
	uint32_t present;          /* vCPUs that should be there; more than .cores: parked ones are kept for a while */
	uint32_t want;             /* what it would run if the host had as many as it liked */
	enum policy_signal signal; /* of the change, or of what is held; POLICY_NONE: nothing is to say */
	enum policy_held held;
	uint64_t value, threshold; /* of .signal */
	uint32_t held_ms;          /* so long .signal was beyond its threshold */
};

/* What is remembered of a guest from one decision to the next; all zero at first. Times are the caller's ms, 0: never. */
struct policy_state {
	int64_t grew_ms, shrank_ms, failed_ms;
	int64_t beyond_ms[POLICY_SIGNAL_NR]; /* since when that signal is beyond its threshold */
	int64_t want_ms;                     /* since when it wants more than it has */
	int64_t heard_ms;                    /* the last look that found something new */
	uint64_t low_peak;                   /* most work in cores (ppm) since beyond_ms[POLICY_IDLE] */
	uint32_t low_need;                   /* and most cores that it would have needed */
	uint32_t shrink_hold_ms;             /* 0: the usual one */
	uint64_t work, shrank_work;          /* cores' worth (ppm) at the last look, at most before the last shrink */
	bool is_full; /* at the last look no core had time left: nobody knows how much work there is */
	uint32_t fail_hold_ms;
	uint32_t cores;      /* at the last look; another number now was somebody else's doing */
	bool is_regret_open; /* it shrank and has not grown since */
};

struct policy_guest {
	uint32_t cores;    /* that run: as many .core has */
	uint32_t present;  /* vCPUs that are there */
	uint32_t min, max; /* 1 <= min <= max <= POLICY_CORES_MAX */
	uint32_t groups;   /* flow groups, more cores than that are of no use; 0: not known */
	uint32_t priority; /* 1..POLICY_PRIORITY_MAX */
	bool is_auto;      /* else it is left as it is, and counted */
	bool is_settled;   /* no change is under way, and it says of itself that it is well: else it is left as it is */
	const struct policy_core *core;
	struct policy_state *state;
	struct policy_choice choice; /* out */
};

struct policy_limits {
	uint32_t depth_grow_frames;   /* fast, of the deepest queue [IXCP: 32] */
	uint32_t depth_shrink_frames; /* slow, mean [IXCP: 8] */
	uint64_t delay_grow_ns;       /* fast [TOCS 2016: the service level of 500 us] */
	uint32_t busy_grow_ppm;       /* slow, of its busiest core */
	uint32_t busy_fit_ppm;   /* that cores are planned for: those left after a shrink, those there after a growth */
	uint32_t urgent_hold_ms; /* depth and delay have to be beyond for so long: three looks; emulated five */
	uint32_t busy_hold_ms;
	uint32_t grow_gap_ms; /* between two growths by depth or delay [IXCP: 200] */
	uint32_t settle_ms;   /* after a change until slow averages count for growth [IXCP: 2,000 after a shrink] */
	uint32_t
		shrink_hold_ms; /* low for so long, and so long since any change [IXCP: 4,000; bench/README.md: why less] */
	uint32_t shrink_hold_max_ms;
	uint32_t regret_ppm;   /* growth with no more work than this share of what it was at the shrink: a regret */
	uint32_t take_hold_ms; /* cores are taken from a guest for one that wanted them for so long */
	uint32_t unplug_ms;    /* a parked vCPU is kept for so long; UINT32_MAX: for ever */
};

/**
 * policy_defaults() - the limits above, by themselves good
 * @is_emulated: without KVM a turn takes ten times as long, vCPUs wait for host CPUs, and each that is plugged uses up one of a few for
 * good.
 */
void policy_defaults(struct policy_limits *out, bool is_emulated);

/**
 * policy_decide() - what each of @count guests of one host should have at @now_ms (> 0, never less than before)
 * @host_cores: CPUs that guests may have together. Guests keep their minimum and who is not auto or not settled all he has,
 * even where that is more. What is decided is taken as done; where it failed, say so by policy_failed().
 * Time: O(count * POLICY_CORES_MAX); nothing is allocated.
 */
void policy_decide(const struct policy_limits *limits, uint32_t host_cores, int64_t now_ms, struct policy_guest *guests,
		   unsigned count);

/** policy_failed() - a change was not carried out: the next one waits, each time twice as long, up to a minute. */
void policy_failed(struct policy_state *state, int64_t now_ms);

/** policy_done() - a change was carried out. */
void policy_done(struct policy_state *state);

/** policy_signal_name(), policy_held_name() - a word; "" of POLICY_NONE and POLICY_FREE. */
const char *policy_signal_name(enum policy_signal signal);
const char *policy_held_name(enum policy_held held);

/** policy_unit() - of .value and .threshold. */
const char *policy_unit(enum policy_signal signal);

/** policy_words() - one line for people, of a guest that had @from cores: "1 -> 2 cores: queue 41.0 frames, more than 32, for 200 ms". */
void policy_words(const struct policy_choice *choice, uint32_t from, char *out, size_t bytes);
