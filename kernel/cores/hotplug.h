/* SPDX-License-Identifier: MIT */
/*
 * vCPUs that the machine adds and takes back, as the registers of QEMU's CPU hotplug tell of them
 * [QEMU docs/specs/acpi_cpu_hotplug]. A selector there is a core's number here. Boot core only. Private to kernel/cores.
 */
#pragma once
#include "kernel/abi/page.h"
#include "kernel/acpi/acpi.h"

/**
 * hotplug_init() - find the registers, put them into their modern mode and have a change raise an interrupt
 * @acpi: stays. @limit: cores that there is room for; what comes beyond is told of, too, to be refused.
 * After acpi_events_init(), whose interrupt leads to what cores.c is told.
 * Return: false if this machine has none: what is there at the start is all there will ever be.
 */
bool hotplug_init(const struct acpi_info *acpi, uint32_t limit);

/** hotplug_present() - bitmap of the vCPUs that are there now, of those below the limit. */
uint64_t hotplug_present(void);
/** hotplug_apic_id() - of vCPU @core, which is present. */
uint32_t hotplug_apic_id(uint32_t core);

/** hotplug_poll() - take all that has changed, as happens by itself after an interrupt and once a second; calls for each one of the next two. */
void hotplug_poll(void);
/**
 * cores_inserted() - vCPU @core is there; it may be any number, one beyond the limit is to be refused
 * cores_removal_asked() - the host wants back one of those below the limit.
 */
void cores_inserted(uint32_t core);
void cores_removal_asked(uint32_t core);

/**
 * hotplug_eject() - @core runs nothing any more: give it back
 * hotplug_refuse() - it stays, if it was asked for, or is not used, if it has come (@is_insert), and why.
 */
void hotplug_eject(uint32_t core);
void hotplug_refuse(uint32_t core, enum ix_page_refusal why, bool is_insert);

/** hotplug_spurious() - interrupts that told of no change so far. */
uint32_t hotplug_spurious(void);
