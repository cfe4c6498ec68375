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
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/start.h"
#include "kernel/mem/map.h"
#include "kernel/mem/mem.h"

/* Written by each core at the same address: whether the window really is each core's own. */
static PERCORE uint64_t window_probe;

void cores_core_started(void)
{
	window_probe = core_id() + 1;
	smp_started();
}

static void check_window(uint32_t core)
{
	uint64_t seen = *(uint64_t *)map_alias(core, &window_probe);

	if (window_probe != 1 || seen != core + 1)
		panic("window self-test: core 0 has %lu, core %u has %lu at one address", window_probe, core, seen);
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
	boot_ap_prepare(map_core_root(core), mem_va(0));
	if (smp_start(core, id, BOOT_AP_PAGE >> 12))
		panic("core %u (APIC %u) does not start", core, id);
	check_window(core);
}

int cores_init(const struct acpi_info *acpi, const struct conf *conf)
{
	uint32_t limit = MAX(MIN(acpi->apic_count, conf->cores_max), 1u), place = boot_place(acpi);
	uint64_t running = 1;

	smp_set_boot_core(limit);
	window_probe = 1;
	if (set_aside(limit))
		return -1;
	for (uint32_t core = 1; core < limit; core++) {
		if (!(acpi->apic_usable >> (core == place ? 0 : core) & 1))
			continue;
		start_at_boot(core, apic_of(acpi, core));
		running |= 1ull << core;
		smp_set_cores(running, running, running);
	}
	if (cpu_count(running) < conf->cores_min)
		panic("the image wants at least %u cores and the machine has %u: give the guest more vCPUs",
		      conf->cores_min, cpu_count(running));
	return 0;
}
