/* SPDX-License-Identifier: MIT */
/*
 * kernel/user/run.c of the native port: one application on a stack of its own, entered and left by a call. Nothing can
 * interrupt it, so there is no watchdog, and its faults are this process's.
 */
#include "kernel/abi/status.h"
#include "kernel/base/assert.h"
#include "kernel/mem/mem.h"
#include "kernel/user/space.h"
#include "kernel/user/user.h"

#include "bench/native/gate.h"
#include "bench/native/memory.h"
#include "bench/native/meter.h"

void native_begin(uint64_t entry, uint64_t rsp);
void native_enter(uint64_t result);
void native_gate(void);
extern struct user_call native_call;

static bool has_begun;
static bool is_ending;
static struct user_end cause;

void user_core_init(void)
{
	void (**gate)(void) = memory_page_at(NATIVE_GATE_VA);

	*gate = native_gate;
}

enum user_exit user_run(uint64_t result, struct user_call *call)
{
	meter_crossing();
	if (likely(has_begun)) {
		native_enter(result);
	} else {
		has_begun = true;
		native_begin(space_entry(), space_initial_rsp());
	}
	*call = native_call;
	return USER_SYSCALL;
}

bool user_is_started(void)
{
	return true;
}

void user_round(void)
{
}

void user_core_end(void)
{
}

void user_restart(void)
{
	panic("the native port does not restart its application");
}

int user_start(uint32_t core, uint64_t entry, uint64_t arg)
{
	(void)core, (void)entry, (void)arg;
	return IX_BAD_CALL; /* there is one core */
}

int user_set_fs(uint64_t base)
{
	(void)base;
	return IX_UNSUPPORTED; /* ix_info.has_fsgsbase says that it is not needed */
}

void user_exit(uint64_t status)
{
	cause = (struct user_end){ .how = USER_END_EXIT, .status = status };
	is_ending = true;
}

bool user_is_ending(void)
{
	return unlikely(is_ending);
}

struct user_end user_end_cause(void)
{
	return cause;
}

tsc_t user_watchdog_tsc(void)
{
	return UINT64_MAX;
}
