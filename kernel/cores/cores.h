/* SPDX-License-Identifier: MIT */
/*
 * In: vCPUs that the machine adds or wants back (hotplug.c), how many cores are wanted (ORDER_CORES). Out: cores that run a loop, with an
 * even share of the flow groups each; what becomes of a core that goes and comes. Everything is sized at the start for as many as there can
 * ever be. Who calls: main.c, loop.c, ctl. Start reading at machine.c, then come.c, leave.c (the boot core's side), park.c (a core's own).
 */
#pragma once
#include "kernel/abi/page.h"
#include "kernel/base/percore.h"
#include "kernel/base/types.h"

struct acpi_info;
struct conf;

/**
 * cores_init() - boot core, before anything is sized by cpu_core_limit(): set windows aside for all cores that may come, start those that
 * are there, which then wait in main_core(). Return: 0, or negative after a line that says why.
 */
int cores_init(const struct acpi_info *acpi, const struct conf *conf);
/** cores_core_init() - the calling core can be told to go. On the boot core: others come and go from now on. */
void cores_core_init(void);

/* ---- a core that starts, in this order ---- */
/** cores_core_started() - it has its window and its interrupts. */
void cores_core_started(void);
/** cores_core_wait() - until it is let go, if it comes while others run. Return: its window is as an earlier processor has left it. */
bool cores_core_wait(void);
/** cores_fail() - @step of its own part failed: it will not come. At the start of the guest that is a panic. */
NORETURN void cores_fail(const char *step);
/** cores_come() - it turns from now on, for the first time or again. After partition_come(). */
void cores_come(void);

/** cores_interrupted() - ring 3 was, and goes on. */
void cores_interrupted(void);

/* ---- a core that goes ---- */
extern PERCORE bool cores_park_is_due;
/** cores_must_park() - whether the calling core, which has nothing to do, has nothing left and is to park: cores_park(). */
static inline bool cores_must_park(void)
{
	return cores_park_is_due;
}
/** cores_park() - sleep until it is to come again; then cores_come(). Return: false: there was something left, go on. */
bool cores_park(void);
/** cores_partition_is_down() - whether the calling core is through with a partition that ends, so that it may go before all are. */
void cores_partition_is_down(bool is_down);
/** cores_parked_at() - when the calling core parked last. */
tsc_t cores_parked_at(void);

/* ---- for the control page; boot core, but for cores_state() ---- */
/** cores_state() - of @core. cores_is_silent() - nothing runs there that would tell it itself. */
enum ix_page_core_state cores_state(uint32_t core);
bool cores_is_silent(uint32_t core);
/** cores_present() - bitmap of vCPUs that are there. cores_wanted() - how many of them may run. */
uint64_t cores_present(void);
uint32_t cores_wanted(void);
/** cores_resize() - what has happened so far, all but its sequence; NULL if nothing since @seen, which becomes now. 0: nothing was seen yet. */
const struct ix_page_resize *cores_resize(uint64_t *seen);
