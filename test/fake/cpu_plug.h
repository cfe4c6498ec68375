/* SPDX-License-Identifier: MIT */
/*
 * QEMU's registers of CPU hotplug and the general-purpose events beside them, as the device has them
 * [QEMU docs/specs/acpi_cpu_hotplug, hw/acpi/cpu.c], or as a device that means harm could. It is what ports lead to
 * (test/fake/machine.h).
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define FAKE_PLUG_CPUS 96u
#define FAKE_PLUG_TOLD 64u

struct fake_plug_cpu {
	bool is_there, is_inserted, is_removing;
	uint32_t apic_id;
};

struct fake_plug {
	uint32_t count; /* vCPUs there can ever be; 0: no such registers */
	struct fake_plug_cpu cpu[FAKE_PLUG_CPUS];
	bool is_modern; /* or still a bitmap */
	uint32_t selector;
	uint8_t command;
	uint32_t ost_event;
	uint8_t gpe_status, gpe_enabled;
	unsigned accesses; /* of any port */
	/* what the operating system said: _OST of a vCPU */
	struct {
		uint32_t cpu, event, status;
	} told[FAKE_PLUG_TOLD];
	unsigned told_count, ejects;
	/* harm */
	bool is_sticky;     /* events cannot be cleared */
	bool is_endless;    /* a new one for each that is cleared */
	bool is_mad;        /* whatever is read is drawn by lot */
	bool is_possessive; /* nothing is ejected */
};
extern struct fake_plug fake_plug;

/** fake_plug_reset() - @count vCPUs may come, the first is there; the registers begin as a bitmap. */
void fake_plug_reset(uint32_t count);
/** fake_plug_add() - device_add; fake_plug_del() - device_del: the guest is asked. Both raise the event. */
void fake_plug_add(uint32_t cpu);
void fake_plug_del(uint32_t cpu);
/** fake_plug_in(), fake_plug_out() - an access to a port of @bytes. */
uint32_t fake_plug_in(uint16_t port, unsigned bytes);
void fake_plug_out(uint16_t port, uint32_t v, unsigned bytes);
