/* SPDX-License-Identifier: MIT */
/*
 * How a partition ends without hurting the dataplane. Each core leaves ring 3, resets its connections,
 * and reports when the device has given back all memory of the partition; the boot core then ends the
 * guest or loads the program again. Meanwhile every core goes on polling: ARP and ping are answered.
 */
#include "kernel/partition.h"

#include "kernel/abi/exit.h"
#include "kernel/base/log.h"
#include "kernel/base/percore.h"
#include "kernel/conf/conf.h"
#include "kernel/cores/cores.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/start.h"
#include "kernel/ctl/ctl.h"
#include "kernel/net/net.h"
#include "kernel/nic/nic.h"
#include "kernel/order/order.h"
#include "kernel/sys/sys.h"
#include "kernel/user/user.h"

#define RESTARTS_MAX 64u
#define DRAIN_US 1000000u /* a device that has not given back the partition's memory by then is reset */

enum core_state {
	CORE_RUNNING,
	CORE_DRAINING, /* out of ring 3, connections reset, the device still has memory of the partition */
	CORE_DOWN,     /* done; waits for the boot core's decision */
};

static PERCORE enum core_state core_state;
static PERCORE uint32_t generation; /* of the partition that this core's context belongs to */
static PERCORE bool begun;
static PERCORE tsc_t drain_end; /* when the device's time is over; UINT64_MAX: it was asked to reset */

static uint64_t down;                 /* bitmap of cores in CORE_DOWN, of which some may have parked there; atomic */
static uint32_t partition_generation; /* grows with each restart; written by the boot core */
static const struct conf *conf;
static uint64_t restart_us[RESTARTS_MAX]; /* when, newest last; boot core */
static uint32_t restart_count;

void partition_init(const struct conf *c)
{
	conf = c;
}

/* Whether one more restart stays within restart.max in restart.window_s. */
static bool may_restart(const struct user_end *end)
{
	uint64_t now = cpu_tsc_to_us(cpu_tsc());
	uint32_t max = MIN(conf->restart_max, RESTARTS_MAX), recent = 0;

	if (end->how == USER_END_EXIT || !conf->restart_on_fault || max == 0)
		return false;
	for (uint32_t i = 0; i < MIN(restart_count, RESTARTS_MAX); i++)
		recent += now - restart_us[i] < conf->restart_window_s * 1000000ull;
	if (recent >= max) {
		log_line("partition: %u restarts within %u s, giving up (restart.max)", recent, conf->restart_window_s);
		return false;
	}
	restart_us[restart_count++ % RESTARTS_MAX] = now;
	return true;
}

static void decide(void)
{
	struct user_end end = user_end_cause();

	if (may_restart(&end)) {
		user_restart();
		ctl_note_restart();
		store_release(&down, 0);
		store_release(&partition_generation, partition_generation + 1);
		log_line("partition: started again");
		return;
	}
	if (end.how == USER_END_EXIT)
		power_exit((unsigned)MIN(end.status, (uint64_t)IX_EXIT_APP_MAX));
	power_exit(end.how == USER_END_WATCHDOG ? IX_EXIT_WATCHDOG : IX_EXIT_FAULT);
}

static void begin_again(void)
{
	generation = load_acquire(&partition_generation);
	order_poll(); /* a connection that was on its way here ends before the next life begins */
	core_state = CORE_RUNNING;
	cores_partition_is_down(false);
	begun = false;
	net_partition_start();
}

void partition_come(void)
{
	if (core_state != CORE_RUNNING || load_acquire(&partition_generation) == generation)
		return;
	user_forget();
	sys_partition_end();
	sys_core_forget();
	begin_again();
}

void partition_poll(void)
{
	switch (core_state) {
	case CORE_RUNNING:
		if (likely(!user_is_ending()))
			return;
		user_core_end();
		sys_partition_end();
		sys_core_forget();
		net_partition_end();
		core_state = CORE_DRAINING;
		drain_end = cpu_tsc() + cpu_us_to_tsc(DRAIN_US);
		break;
	case CORE_DRAINING:
		if (net_partition_pending_tx()) {
			if (cpu_tsc() < drain_end)
				return;
			log_line("partition: the device keeps its memory, resetting the device");
			nic_want_reset();
			drain_end = UINT64_MAX;
			return;
		}
		core_state = CORE_DOWN;
		cores_partition_is_down(true);
		__atomic_fetch_or(&down, 1ull << core_id(), __ATOMIC_ACQ_REL);
		break;
	case CORE_DOWN:
		net_events(); /* to nobody: of connections that are over it frees what is left */
		if (core_id() == 0 && !(cpu_running() & ~load_acquire(&down)) && !ctl_is_holding())
			decide();
		if (load_acquire(&partition_generation) != generation)
			begin_again();
		break;
	}
}

bool partition_is_running(void)
{
	return core_state == CORE_RUNNING;
}

bool partition_is_new(void)
{
	bool is_new = !begun;

	begun = true;
	return is_new;
}
