/* SPDX-License-Identifier: MIT */
/*
 * A core leaves, as the boot core sees it. First nobody gives it anything any more: its groups go, and all know it (visit.c). Then it
 * gives away the rest by itself (park.c). Then nobody looks for anything there any more, which is again to be known to all, and it
 * parks. If that is not over in time, because ring 3 holds the core, it stays.
 */
#include "kernel/base/err.h"
#include "kernel/base/log.h"
#include "kernel/cores/hotplug.h"
#include "kernel/cores/state.h"
#include "kernel/cpu/cpu.h"

static void send(uint32_t core, struct flow_message *m, enum cores_message kind)
{
	m->kind = kind;
	flow_post(core, m);
}

void leave_begin(uint32_t core)
{
	struct cores_machine *m = &cores_machine;
	struct core_record *r = &m->core[core];

	r->state = IX_PAGE_CORE_LEAVING;
	r->stage = LEAVE_AWAY;
	r->deadline = cpu_tsc() + cpu_us_to_tsc(IX_PAGE_LEAVE_MS * 1000ull);
	m->resize.core[core].leaving_us = machine_us();
	m->open &= ~(1ull << core);
	machine_publish();
	store_release(&link_of(core)->phase, PHASE_ASKED);
	r->visit = visit_begin();
}

static void run_on(uint32_t core)
{
	struct cores_machine *m = &cores_machine;

	m->changes++;
	m->core[core].state = IX_PAGE_CORE_RUNS;
	m->serving |= 1ull << core;
	m->open |= 1ull << core;
	machine_publish();
	machine_soon();
}

void leave_off(uint32_t core)
{
	struct core_record *r = &cores_machine.core[core];
	struct cores_link *link = link_of(core);
	uint32_t expected = PHASE_ASKED;

	if (r->stage == LEAVE_OFF)
		return;
	if (!__atomic_compare_exchange_n(&link->phase, &expected, PHASE_RUNS, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_RELAXED))
		return; /* it has parked, and says so */
	if (r->stage == LEAVE_AWAY) {
		run_on(core);
		return;
	}
	r->stage = LEAVE_OFF;
	send(core, &link->off, CORES_OFF);
}

/* It runs on. */
static void give_up(uint32_t core)
{
	struct cores_machine *m = &cores_machine;
	static const char *const step[] = { [LEAVE_AWAY] = "given its flow groups away",
					    [LEAVE_DRAIN] = "given the rest away",
					    [LEAVE_SILENT] = "been forgotten by all",
					    [LEAVE_PARK] = "parked" };
	enum ix_page_refusal why = m->is_without_memory ? IX_PAGE_REFUSED_MEMORY : IX_PAGE_REFUSED_BUSY;

	machine_refuse(core, why);
	log_line("cores: core %u had not %s in %u ms", core, step[m->core[core].stage], IX_PAGE_LEAVE_MS);
	if (m->asked_back >> core & 1)
		hotplug_refuse(core, why, false);
	m->asked_back &= ~(1ull << core);
	m->kept |= 1ull << core;
	m->was_refused = true;
	leave_off(core);
}

static bool owns_nothing(uint32_t core)
{
	for (unsigned g = 0; g < flow_groups(); g++)
		if (flow_owner((uint8_t)g) == core)
			return false;
	return true;
}

void leave_poll(uint32_t core)
{
	struct cores_machine *m = &cores_machine;
	struct core_record *r = &m->core[core];
	struct cores_link *link = link_of(core);

	if (r->state != IX_PAGE_CORE_LEAVING || r->stage == LEAVE_OFF)
		return;
	if (cpu_tsc() >= r->deadline) {
		give_up(core);
	} else if (r->stage == LEAVE_AWAY && owns_nothing(core) && !order_gives_to(core) && !m->must_steer &&
		   visit_is_over(r->visit)) {
		r->stage = LEAVE_DRAIN;
		send(core, &link->ask, CORES_DRAIN);
	} else if (r->stage == LEAVE_SILENT && visit_is_over(r->visit)) {
		r->stage = LEAVE_PARK;
		send(core, &link->ask, CORES_PARK);
	}
}

static void drained(uint32_t core)
{
	struct cores_machine *m = &cores_machine;

	if (m->core[core].stage != LEAVE_DRAIN)
		return; /* it does not leave any more */
	flow_inherit(core);
	m->core[core].stage = LEAVE_SILENT;
	m->serving &= ~(1ull << core);
	machine_publish();
	m->core[core].visit = visit_begin();
}

static void parked(uint32_t core)
{
	struct cores_machine *m = &cores_machine;

	m->core[core].state = IX_PAGE_CORE_PARKED;
	m->running &= ~(1ull << core);
	machine_publish();
	m->resize.went++;
	m->resize.core[core].parked_us = machine_us();
	log_line("cores: core %u is parked, %u run", core, cpu_count(m->running));
}

void leave_message(uint32_t core, enum cores_message kind)
{
	struct cores_link *link = link_of(core);

	switch (kind) {
	case CORES_DRAINED:
		drained(core);
		break;
	case CORES_PARKED:
		parked(core);
		break;
	case CORES_BACK:
		flow_return(core);
		send(core, &link->ask, CORES_COME);
		run_on(core);
		break;
	default:
		break;
	}
	machine_soon();
}
