/* SPDX-License-Identifier: MIT */
/*
 * Which cores there may be, which there are, which run. A core's number is its vCPU's in the machine: its place in the MADT, the selector
 * of the hotplug registers, libvirt's number. Boot core.
 */
#include "kernel/cores/cores.h"

#include "boot/boot.h"
#include "kernel/acpi/acpi.h"
#include "kernel/base/assert.h"
#include "kernel/base/log.h"
#include "kernel/conf/conf.h"
#include "kernel/cores/hotplug.h"
#include "kernel/cores/state.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/start.h"
#include "kernel/mem/map.h"
#include "kernel/mem/mem.h"

/* Written by each core at the same address: whether the window really is each core's own. And its clock, as it began. */
static PERCORE struct {
	uint64_t id;
	tsc_t tsc;
} probe;

void cores_core_started(void)
{
	probe.id = core_id() + 1;
	probe.tsc = cpu_tsc();
	smp_started();
}

bool cores_probe_of(uint32_t core, tsc_t *tsc)
{
	const uint64_t *id = map_alias(core, &probe.id);

	*tsc = *(tsc_t *)map_alias(core, &probe.tsc);
	return probe.id == 1 && *id == core + 1;
}

/* The boot core's place in the MADT; nearly always the first. */
static uint32_t boot_place(const struct acpi_info *acpi)
{
	for (uint32_t i = 0; i < acpi->apic_count; i++)
		if (acpi->apic_ids[i] == apic_id())
			return i;
	return 0;
}

/* Its APIC's number: the boot core is core 0, and who has its place has the boot core's. */
static uint32_t apic_of(const struct acpi_info *acpi, uint32_t core)
{
	return acpi->apic_ids[core == boot_place(acpi) ? 0 : core];
}

/* Those that are there, by core. */
static uint64_t usable_from(const struct acpi_info *acpi)
{
	uint64_t usable = acpi->apic_usable & ~(1ull << boot_place(acpi));

	if (acpi->apic_usable & 1)
		usable |= 1ull << boot_place(acpi);
	return usable | 1;
}

static int set_aside(uint32_t limit)
{
	for (uint32_t core = 1; core < limit; core++) {
		if (map_core_new(core))
			continue;
		log_line("no memory for core %u: raise memory_mib or lower cores.max", core);
		return -1;
	}
	return 0;
}

static void start_at_boot(uint32_t core, uint32_t id)
{
	tsc_t tsc;

	boot_ap_prepare(map_core_root(core), mem_va(0));
	if (smp_start(core, id, BOOT_AP_PAGE >> 12))
		panic("core %u (APIC %u) does not start", core, id);
	if (!cores_probe_of(core, &tsc))
		panic("window self-test: core 0 and core %u see the same memory at one address", core);
}

/* Where nothing can be added: up to the last that is there. */
static uint32_t limit_without_hotplug(const struct acpi_info *acpi, uint32_t limit)
{
	uint64_t usable = acpi->apic_usable & UINT64_MAX >> (CORES_MAX - limit);

	return usable ? CORES_MAX - (uint32_t)__builtin_clzll(usable) : 1;
}

static void start_all(const struct acpi_info *acpi, uint64_t present)
{
	struct cores_machine *m = &cores_machine;

	for (uint32_t core = 1; core < m->limit; core++) {
		if (!(present >> core & 1))
			continue;
		start_at_boot(core, apic_of(acpi, core));
		m->core[core].state = IX_PAGE_CORE_RUNS;
		m->present |= 1ull << core;
		m->running = m->serving = m->open = m->present;
		smp_set_cores(m->running, m->serving, m->open);
	}
}

int cores_init(const struct acpi_info *acpi, const struct conf *conf)
{
	struct cores_machine *m = &cores_machine;
	uint32_t limit = MAX(MIN(acpi->apic_count, conf->cores_max), 1u);

	if (boot_place(acpi) || !hotplug_init(acpi, limit))
		limit = limit_without_hotplug(acpi, limit);
	*m = (struct cores_machine){ .changes = 1, .limit = limit, .min = conf->cores_min, .max = conf->cores_max };
	m->wanted = m->max;
	m->present = m->running = m->serving = m->open = 1;
	m->core[0].state = IX_PAGE_CORE_RUNS;
	smp_set_boot_core(limit);
	probe.id = 1;
	if (set_aside(limit))
		return -1;
	start_all(acpi, boot_place(acpi) ? usable_from(acpi) : hotplug_present());
	if (cpu_count(m->running) < conf->cores_min)
		panic("the image wants at least %u cores and the machine has %u: give the guest more vCPUs",
		      conf->cores_min, cpu_count(m->running));
	return 0;
}

/* ---- for the control page ---- */
enum ix_page_core_state cores_state(uint32_t core)
{
	const struct core_record *r = &cores_machine.core[core];

	if (r->state == IX_PAGE_CORE_LEAVING && r->stage == LEAVE_OFF)
		return IX_PAGE_CORE_RUNS;
	return (enum ix_page_core_state)r->state;
}

bool cores_is_silent(uint32_t core)
{
	return !(cores_machine.running >> core & 1);
}

uint64_t cores_present(void)
{
	return cores_machine.present;
}

uint32_t cores_wanted(void)
{
	return cores_machine.wanted;
}

const struct ix_page_resize *cores_resize(uint64_t *seen)
{
	struct cores_machine *m = &cores_machine;

	if (m->resize.spurious != hotplug_spurious()) {
		m->resize.spurious = hotplug_spurious();
		m->changes++;
	}
	if (*seen == m->changes)
		return NULL;
	*seen = m->changes;
	return &m->resize;
}
