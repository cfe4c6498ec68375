/* SPDX-License-Identifier: MIT */
/*
 * What kernel/cores is given by the processor, the hotplug registers and ring 3, as tests have it. A core sleeps where it would execute
 * HLT: from there it comes back by longjmp().
 */
#pragma once
#include "kernel/cores/cores.h"
#include "kernel/cores/hotplug.h"
#include "kernel/cores/state.h"
#include "test/unit/net/streams.h"

struct parking {
	jmp_buf halt;
	bool is_asleep[CORES_IN_TEST]; /* in HLT, or without a processor */
	bool is_gone[CORES_IN_TEST];   /* its processor is */
	bool is_begun[CORES_IN_TEST];  /* a new one is on its way */
	bool is_kept[CORES_IN_TEST];   /* by ring 3, which does not come back */
	bool is_dead[CORES_IN_TEST];   /* its processor does not start */
	bool is_telling[CORES_IN_TEST], leaves[CORES_IN_TEST];
	unsigned told, parked, ejected, refused[IX_PAGE_REFUSED_NR];
	unsigned answers, failed;
	uint32_t running; /* as the last answer says, which was: */
	int status;
};
extern struct parking test;
