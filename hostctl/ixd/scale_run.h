/* SPDX-License-Identifier: MIT */
/* One resize while it is at work. Private to scale*.c and its unit test. */
#pragma once
#include "hostctl/ixd/ixd.h"

/* What is so now: of QEMU and libvirt, and of the guest's page. */
struct scale_look {
	struct domain_vcpus vcpus;
	uint32_t running, wanted, present, limit; /* ix_page_guest.cores, .cores_wanted, .cores_present, .cores_max */
};

/* What brings it nearer to what is wanted. */
enum scale_move {
	SCALE_DONE = 0,
	SCALE_MOVE_SET,    /* tell the guest how many cores may run: some are parked, or come back from that */
	SCALE_MOVE_PLUG,   /* more vCPUs */
	SCALE_MOVE_UNPLUG, /* fewer vCPUs, none of which runs a core */
	SCALE_MOVE_COUNT,  /* libvirt has lost count of them */
	SCALE_MOVE_WAIT,   /* the guest is at it */
};

/** scale_next() - the next move towards @cores cores; pure. @keeps: vCPUs of parked cores stay. */
enum scale_move scale_next(const struct scale_look *now, uint32_t cores, bool keeps);

struct resize {
	struct guest *g; /* the record; under its lock */
	struct request *r;
	struct scale_why why;
	uint32_t from, to; /* cores that ran, and are to run */
	bool is_resumed;
	struct scale_look now;
	struct ix_page_resize before, after; /* of the guest's page */
	bool has_page;                       /* they are filled in */
	struct ix_page_core *cores;          /* IX_PAGE_CORES_MAX of them, at the end, for their first frames; owned */
	bool has_step[SCALE_STEP_NR];
	uint64_t step_us[SCALE_STEP_NR];
};

/**
 * scale_run() - make it so, from wherever it is; @rs->g->vcpus is kept and saved whenever QEMU has other threads
 * Return: 0, or -1 with @err; then `now` says how far it came.
 */
int scale_run(struct resize *rs, struct err *err);
/** scale_look() - what is so now, into @rs->now, and threads that are new into the record. -1 with @err. */
int scale_look(struct resize *rs, struct err *err);

/* ---- scale_tell.c ---- */
/** scale_steps() - what the guest's page says of how long it took. Takes the lock. */
void scale_steps(struct resize *rs);
/** scale_note() - event, counts and last durations of a resize that came to its end (@why NULL), or did not. Takes the lock. */
void scale_note(const struct resize *rs, const char *why);
/** scale_json() - a resize for who asked for it (new reference). */
json_t *scale_json(const struct resize *rs);

/** scale_remember() - what the page says of cores now is what comes next is compared with; all of it is new if @is_new. */
void scale_remember(const char *name, bool is_new);

/* ---- scale.c ---- */
/** scale_ask() - scale_guest(), and @r is told of progress and gets the result; waits for one that is at work. */
int scale_ask(struct request *r, const char *name, uint32_t cores, struct err *err);
/** scale_auto() - the policy decides from now on. -1 with @err: there is nothing to decide. */
int scale_auto(const char *name, struct err *err);
/** scale_by_record() - from a record under its lock to a guest that is so; @rs->g, r, to, why and is_resumed are filled in. */
int scale_by_record(struct resize *rs, struct err *err);
/** scale_take() - the lock of a guest, and its record into @g of scale_record(). A descriptor to close, or -1 with @err. */
int scale_take(const char *name, struct guest *g, struct err *err);
struct guest *scale_record(void);
/** scale_within() - @cores, or the nearest that the record allows. */
uint32_t scale_within(const struct guest *g, uint32_t cores);
