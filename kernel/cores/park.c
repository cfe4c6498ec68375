/* SPDX-License-Identifier: MIT */
/*
 * A core leaves, as it sees it itself: what it still has when its groups are gone goes to the boot core, ring 3 hears of it last, the device
 * gives back what it was sent. When nothing is left it sleeps until it is to come again, with all that it has in its window, ring 3's
 * registers included; its processor may go and another one come meanwhile.
 */
#include "kernel/base/assert.h"
#include "kernel/base/log.h"
#include "kernel/cores/cores.h"
#include "kernel/cores/state.h"
#include "kernel/cpu/cpu.h"
#include "kernel/net/net.h"
#include "kernel/nic/nic.h"
#include "kernel/sys/sys.h"
#include "kernel/user/user.h"

#define LOOK_TICKS 4u      /* 64 us */
#define DEVICE_US 1000000u /* a device that has not given back by then what it was sent is reset */

PERCORE bool cores_park_is_due;

static PERCORE struct {
	struct time_node timer;
	struct cores_link *link;
	uint32_t kind;   /* CORES_DRAIN or CORES_PARK: what it is asked for; 0: nothing */
	bool was_here;   /* this window has turned before */
	bool must_greet; /* the boot core waits to hear that it turns */
	bool is_down;    /* it is through with a partition that ends */
	tsc_t device_end; /* when the device's time is over; 0: nothing is waited for, UINT64_MAX: it was asked to reset */
	tsc_t parked_at;
} park;

/* Return: whether the device has given back what it was sent. */
static bool is_device_done(void)
{
	tsc_t now = cpu_tsc();

	if (flow_leave())
		return true;
	if (!park.device_end)
		park.device_end = now + cpu_us_to_tsc(DEVICE_US);
	if (now >= park.device_end) {
		park.device_end = UINT64_MAX;
		nic_want_reset();
	}
	return false;
}

/* Return: whether nothing is left; else what can be done about it has begun. */
static bool is_clear(void)
{
	if (user_is_ending() && !park.is_down)
		return false; /* that comes first */
	if (!net_has_left()) {
		(void)net_leave(0);
		return false;
	}
	if (!sys_core_is_leaving() && user_is_started())
		sys_core(true);
	return (sys_core_is_told() || !user_is_started()) && is_device_done() && flow_is_quiet();
}

static void answer(enum cores_message kind)
{
	park.kind = 0;
	park.link->ask.kind = kind;
	flow_post(0, &park.link->ask);
}

static void look(struct time_node *node)
{
	if (!park.kind)
		return;
	if (!is_clear())
		time_arm(node, time_now() + LOOK_TICKS);
	else if (park.kind == CORES_DRAIN)
		answer(CORES_DRAINED);
	else
		cores_park_is_due = true; /* where the loop has nothing in hand */
}

static void stay(void)
{
	park.kind = 0;
	cores_park_is_due = false;
	time_cancel(&park.timer);
	if (sys_core_is_leaving())
		sys_core(false);
}

void park_message(struct cores_link *link, struct flow_message *m)
{
	switch ((enum cores_message)m->kind) {
	case CORES_DRAIN:
	case CORES_PARK:
		park.link = link;
		park.kind = m->kind;
		park.device_end = 0;
		time_arm(&park.timer, time_now());
		break;
	case CORES_OFF:
		stay();
		m->kind = CORES_BACK;
		flow_post(0, m);
		break;
	case CORES_COME:
		flow_come();
		break;
	default:
		break;
	}
}

void cores_core_init(void)
{
	time_node_init(&park.timer, look);
	if (core_id() == 0)
		machine_begin();
}

bool cores_park(void)
{
	struct cores_link *link = park.link;
	uint32_t expected = PHASE_ASKED;

	cores_park_is_due = false;
	if (!is_clear() || !sys_wake_refuse(!user_is_started())) {
		time_arm(&park.timer, time_now() + LOOK_TICKS);
		return false;
	}
	net_park();
	user_park();
	park.parked_at = cpu_tsc();
	if (!__atomic_compare_exchange_n(&link->phase, &expected, PHASE_PARKED, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_RELAXED)) {
		sys_wake_accept();
		return false; /* not after all: the message that says so is here already, or comes */
	}
	park.must_greet = true;
	answer(CORES_PARKED);
	while (load_acquire(&link->phase) == PHASE_PARKED)
		cpu_halt_until(UINT64_MAX);
	return true;
}

void cores_partition_is_down(bool is_down)
{
	park.is_down = is_down;
}

tsc_t cores_parked_at(void)
{
	return park.parked_at;
}

/* ---- coming ---- */
bool cores_core_wait(void)
{
	struct cores_link *link = link_of(core_id());

	if (!link->is_late)
		return false;
	park.must_greet = true;
	while (load_acquire(&link->phase) == PHASE_COMING)
		cpu_halt_until(UINT64_MAX);
	return park.was_here;
}

void cores_fail(const char *step)
{
	if (!park.must_greet)
		panic("%s failed", step);
	log_line("cores: core %u cannot begin: %s", core_id(), step);
	store_release(&link_of(core_id())->phase, PHASE_FAILED);
	for (;;)
		cpu_halt_until(UINT64_MAX);
}

void cores_come(void)
{
	struct cores_link *link = link_of(core_id());

	park.was_here = true;
	sys_wake_accept();
	if (!park.must_greet)
		return; /* it was there from the start */
	park.must_greet = false;
	if (sys_core_is_leaving())
		sys_core(false);
	flow_come();
	link->hello.kind = CORES_HELLO;
	flow_post(0, &link->hello);
}
