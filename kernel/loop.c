/* SPDX-License-Identifier: MIT */
/*
 * The elastic thread: one core, forever. This is the only place where the order of things is decided;
 * each line below is a stage, and each stage is a folder.
 */
#include "kernel/loop.h"

#include "kernel/base/percore.h"
#include "kernel/conf/conf.h"
#include "kernel/cores/cores.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/start.h"
#include "kernel/ctl/ctl.h"
#include "kernel/event/event.h"
#include "kernel/flow/flow.h"
#include "kernel/net/net.h"
#include "kernel/order/order.h"
#include "kernel/partition.h"
#include "kernel/sys/sys.h"
#include "kernel/time/time.h"
#include "kernel/user/user.h"

#define POLL_US_KVM 50u
#define NIC_CHECK_US 10000u
#define ENDING_US 1000u /* while a partition ends, a look this often whether the device is done with its memory */
#define IDLE_CHECK_US 1000000u /* the boot core looks at the NIC's state this often when nothing happens */

static unsigned batch_max;
static tsc_t poll_tsc;
static tsc_t nic_check_tsc;
static tsc_t idle_check_tsc;

static PERCORE tsc_t last_work;
static PERCORE tsc_t last_nic_check;

void loop_init(const struct conf *conf)
{
	uint32_t poll_us = conf->poll_us;

	/* Under emulation vCPUs outnumber host cores, and polling takes the time of those who would send. */
	if (poll_us == UINT32_MAX)
		poll_us = cpu_is_kvm() ? POLL_US_KVM : 0;
	batch_max = conf->batch;
	poll_tsc = cpu_us_to_tsc(poll_us);
	nic_check_tsc = cpu_us_to_tsc(NIC_CHECK_US);
	idle_check_tsc = cpu_us_to_tsc(IDLE_CHECK_US);
}

/* Ring 3 with its events; back at the next IX_RUN_IO. */
static void run_application(void)
{
	uint64_t result = event_count();
	struct user_call call;

	user_round();
	for (;;) {
		MARK_STAGE(STAGE_APP);
		switch (user_run(result, &call)) {
		case USER_SYSCALL:
			MARK_STAGE(STAGE_CALLS);
			if (!sys_entry(&call, &result) || user_is_ending())
				return;
			break;
		case USER_INTERRUPTED:
			/* Its arrays are in use: it goes on first, unless the partition ends. */
			cores_interrupted();
			if (user_is_ending())
				return;
			break;
		case USER_FAULT:
			return;
		}
	}
}

static void write_events(void)
{
	event_begin();
	net_events();
	sys_signal_events();
	sys_timer_events();
}

/* By time, whether turns are long or short: an application that takes a tenth of a second a turn is not to hide what the host says. */
static void housekeeping(tsc_t now)
{
	if (likely(now - last_nic_check <= nic_check_tsc))
		return;
	last_nic_check = now;
	if (core_id() != 0)
		return;
	nic_check();
	ctl_look();
}

/* Nothing came, nothing is left to do: poll for a while, then halt until an interrupt or the next deadline. */
static void idle(void)
{
	tsc_t now = cpu_tsc(), deadline;

	housekeeping(now);
	if (unlikely(cores_must_park())) {
		ctl_before_park(now);
		if (!cores_park())
			return;
		partition_come();
		cores_come();
		ctl_core_again(cores_parked_at());
		return;
	}
	if (now - last_work < poll_tsc) {
		cpu_pause();
		return;
	}
	if (!flow_sleep_begin() && !(partition_is_running() && user_is_ending())) {
		deadline = time_tick_to_tsc(time_next());
		if (user_watchdog_tsc() != UINT64_MAX)
			deadline = MIN(deadline, now + user_watchdog_tsc());
		if (core_id() == 0)
			deadline = MIN(deadline, now + idle_check_tsc);
		if (!partition_is_running())
			deadline = MIN(deadline, now + cpu_us_to_tsc(ENDING_US));
		if (!ctl_before_halt(now)) {
			cpu_halt_until(deadline);
			ctl_after_halt(now);
		}
	}
	flow_sleep_end();
}

void loop_run(void)
{
	struct buf *frames[NIC_BURST_MAX];
	unsigned count, fired, calls;
	tsc_t now;

	for (;;) {
		MARK_STAGE(STAGE_TX_RECLAIM);
		net_tx_reclaim();
		MARK_STAGE(STAGE_CALLS);
		partition_poll();
		calls = sys_batch();
		order_poll();
		now = cpu_tsc();
		housekeeping(now);
		MARK_STAGE(STAGE_RX);
		count = flow_rx(frames, batch_max);
		ctl_turn(now, count, count == batch_max ? flow_rx_waiting() : 0);
		MARK_STAGE(STAGE_NET_IN);
		net_input(frames, count, count < batch_max);
		MARK_STAGE(STAGE_TIMERS);
		fired = time_run(time_tick_of(now)); /* after what may have come in time */
		MARK_STAGE(STAGE_TX);
		net_output();
		flow_tx_flush();
		MARK_STAGE(STAGE_EVENTS);
		if (partition_is_running() && user_is_started()) {
			write_events();
			if (event_count() || sys_wake_take() || partition_is_new()) {
				ctl_busy(calls, event_count());
				run_application();
				continue;
			}
		}
		if (count || fired || calls) {
			ctl_busy(calls, 0);
			last_work = cpu_tsc();
			/* Others may have come behind frames; what calls and timers leave behind is looked for before sleep, too. */
			if (count)
				continue;
			MARK_STAGE(STAGE_BUSY);
		}
		MARK_STAGE(STAGE_IDLE);
		idle();
	}
}
