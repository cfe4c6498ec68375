/* SPDX-License-Identifier: MIT */
/*
 * kernel/cores as it stands over several cores in one process, the processors and the hotplug registers a test's. A core sleeps where it
 * would execute HLT: from there it comes back by longjmp().
 */
#pragma once
#include "kernel/abi/page.h"
#include "kernel/cores/state.h"
#include "test/unit/net/streams.h"

struct parking {
	jmp_buf halt;
	bool is_asleep[CORES_IN_TEST]; /* in HLT, or without a processor */
	bool is_gone[CORES_IN_TEST];   /* its processor is */
	bool is_begun[CORES_IN_TEST];  /* a new one is on its way */
	bool is_kept[CORES_IN_TEST];   /* by ring 3, which does not come back */
	bool is_dead[CORES_IN_TEST];   /* its processor does not start */
	bool is_poor[CORES_IN_TEST];   /* a step of its beginning fails */
	bool is_telling[CORES_IN_TEST], leaves[CORES_IN_TEST];
	bool is_woken[CORES_IN_TEST], is_deaf[CORES_IN_TEST]; /* IX_WAKE: not taken yet, refused */
	bool is_ending;                                       /* the partition */
	bool is_insert_refused;                               /* the last refusal was of a vCPU that had come */
	unsigned told, parked, ejected, refused[IX_PAGE_REFUSED_NR];
	unsigned answers, failed;
	uint32_t running; /* as the last answer says, which was: */
	int status;
};
extern struct parking test;

/** parking_begin() - all cores run, peers stream, no losses. Whatever the last case left behind is over. */
void parking_begin(enum cores_mode mode, unsigned seed);
/** parking_finish() - everything comes to its end, with no byte missing. */
void parking_finish(void);

/** parking_turn() - a turn of @core, or what wakes it. */
void parking_turn(uint32_t core);
/** parking_step() - a turn of a core by lot; the peers, too, now and then. parking_run() - so many. */
void parking_step(void);
void parking_run(unsigned steps);

/** parking_order() - so many are to run. parking_set() - and do, and own everything. */
void parking_order(uint32_t count);
void parking_set(uint32_t count);
unsigned parking_running(void);
/** parking_owners() - cores that own flow groups: bitmap. */
uint64_t parking_owners(void);

/** parking_plug(), parking_unplug() - as the registers say, if that makes a difference. parking_wait() - until exactly these are there and serve. */
void parking_plug(uint32_t core);
void parking_unplug(uint32_t core);
void parking_wait(uint64_t set);
