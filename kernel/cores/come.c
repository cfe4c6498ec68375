/* SPDX-License-Identifier: MIT */
/*
 * A core comes: its processor is started and looked at now and then until it says that it is there, or is given up. What it has in its
 * window from an earlier life it finds as it was. It then waits until it is let go; from there on it is as any other. Boot core.
 */
#include "boot/boot.h"
#include "kernel/base/log.h"
#include "kernel/cores/cores.h"
#include "kernel/cores/hotplug.h"
#include "kernel/cores/state.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/start.h"
#include "kernel/mem/map.h"
#include "kernel/mem/mem.h"

#define AGAIN_US 100000u
#define SILENT_US 8000000u /* a busy host may take seconds to run a thread that is new; ixd waits for longer */
#define START_PAGE (BOOT_AP_PAGE >> 12)

void come_begin(uint32_t core)
{
	struct cores_machine *m = &cores_machine;
	struct core_record *r = &m->core[core];
	tsc_t now = cpu_tsc();

	m->changes++;
	r->state = IX_PAGE_CORE_STARTING;
	r->stage = false;
	r->begun = now;
	r->again = now + cpu_us_to_tsc(AGAIN_US);
	r->deadline = now + cpu_us_to_tsc(SILENT_US);
	m->starting = core;
	link_of(core)->is_late = true;
	store_release(&link_of(core)->phase, PHASE_COMING);
	boot_ap_prepare(map_core_root(core), mem_va(0));
	smp_begin(core, hotplug_apic_id(core), START_PAGE);
}

/* It turns as soon as it sees that it may. */
static void let_go(uint32_t core)
{
	struct cores_machine *m = &cores_machine;

	m->core[core].stage = true;
	visit_skip(core);
	flow_return(core);
	m->running |= 1ull << core;
	machine_publish();
	store_release(&link_of(core)->phase, PHASE_RUNS);
	cpu_wake(core);
}

void come_again(uint32_t core)
{
	struct cores_machine *m = &cores_machine;

	m->core[core].state = IX_PAGE_CORE_STARTING;
	m->resize.core[core].inserted_us = machine_us();
	let_go(core);
}

static void fail(uint32_t core, enum ix_page_refusal why)
{
	struct cores_machine *m = &cores_machine;

	smp_stop(core); /* whatever it does by now, it ends here */
	m->core[core].state = IX_PAGE_CORE_ABSENT;
	m->unusable |= 1ull << core;
	m->starting = 0;
	machine_refuse(core, why);
	hotplug_refuse(core, why, true);
}

/* Its clock must be the one that we all count by: what it read lies between what we read before and after. */
static bool is_sane(uint32_t core)
{
	tsc_t begun = cores_machine.core[core].begun, there = 0, now = cpu_tsc();

	if (cores_probe_of(core, &there) && there >= begun && there <= now)
		return true;
	log_line("cores: core %u does not see our memory or our clock: it read %lu between %lu and %lu", core, there,
		 begun, now);
	return false;
}

void come_poll(void)
{
	struct cores_machine *m = &cores_machine;
	uint32_t core = m->starting;
	struct core_record *r = &m->core[core];
	tsc_t now = cpu_tsc();

	if (!core)
		return;
	if (r->stage) { /* it was let go */
		if (phase_of(core) != PHASE_FAILED)
			return;
		m->running &= ~(1ull << core);
		machine_publish();
		flow_inherit(core);
		fail(core, IX_PAGE_REFUSED_MEMORY);
	} else if (smp_is_started(core)) {
		if (is_sane(core))
			let_go(core);
		else
			fail(core, IX_PAGE_REFUSED_SILENT);
	} else if (now >= r->deadline) {
		fail(core, IX_PAGE_REFUSED_SILENT);
	} else if (now >= r->again) {
		r->again = now + cpu_us_to_tsc(AGAIN_US);
		smp_repeat(core, START_PAGE);
	}
}

void come_done(uint32_t core)
{
	struct cores_machine *m = &cores_machine;

	m->core[core].state = IX_PAGE_CORE_RUNS;
	if (m->starting == core)
		m->starting = 0;
	m->serving |= 1ull << core;
	m->open |= 1ull << core;
	machine_publish();
	m->resize.came++;
	m->resize.core[core].started_us = machine_us();
	log_line("cores: core %u has come, %u run", core, cpu_count(m->running));
	machine_soon();
}
