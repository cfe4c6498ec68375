/* SPDX-License-Identifier: MIT */
/*
 * In: the RSDP's address. Out: which processors there are or may come, where timer, power, interrupts and PCI
 * configuration are; what the machine has to tell beside its devices. Who calls: kernel/main.c at start, cores and ctl for
 * the events. Start reading at tables.c; events.c is the rest.
 */
#pragma once
#include "kernel/base/percore.h"
#include "kernel/base/types.h"

#define ACPI_ISA_IRQS 16u

struct acpi_info {
	uint32_t apic_count;          /* processors listed, those that may come later among them */
	uint32_t apic_ids[CORES_MAX]; /* in the order of the list, which is that of CPU hotplug's selectors [QEMU] */
	uint64_t apic_usable;         /* bitmap of these: there now */
	uint16_t pm_timer_port;       /* 0: none */
	uint16_t pm1a_control_port;   /* 0: none */
	uint8_t s5_type;              /* SLP_TYPa of \_S5 */
	uint16_t pm1a_event_port;     /* 0: none */
	uint16_t smi_command_port;    /* 0: none; where acpi_enable is written so that events come as SCI */
	uint8_t acpi_enable;
	uint16_t gpe0_port; /* 0: none; status bits of general-purpose events, the enable bits behind them */
	uint8_t gpe0_bytes; /* of each of both */
	uint32_t sci_gsi;   /* global interrupt of events */
	bool sci_is_edge, sci_is_low;
	uint32_t isa_gsi[ACPI_ISA_IRQS];  /* global interrupt of each ISA interrupt */
	uint8_t isa_flags[ACPI_ISA_IRQS]; /* and how it is signalled, as the MADT says; 0: as the bus does */
	pa_t ioapic_pa;                   /* of the I/O APIC that serves ISA interrupts, 0: none */
	uint32_t ioapic_gsi;              /* its first global interrupt */
	pa_t ecam_pa;                     /* of PCI segment 0, 0: none */
	uint8_t ecam_last_bus;
};

/**
 * acpi_read() - walk RSDP, RSDT or XSDT, MADT, FADT, MCFG; every length and checksum checked
 * @rsdp: physical, 0: search 0xe0000..0xfffff. @map: physical range to readable memory, NULL if it is not to be read.
 * Return: 0 (absent tables leave their fields 0), KERR_NOT_FOUND without a valid RSDP. [ACPI 6.5 5.2]
 */
int acpi_read(pa_t rsdp, const void *(*map)(pa_t pa, size_t bytes), struct acpi_info *out);

/** acpi_events_init() - boot core, after ioapic_init(): have events interrupt it, if this machine has any. None is enabled yet. */
void acpi_events_init(const struct acpi_info *acpi);
/** acpi_on_button() - @fn is called when the power button was pressed from now on. */
void acpi_on_button(void (*fn)(void));
/**
 * acpi_on_gpe() - @fn is called when general-purpose event @number has come, and about once a second without (@is_told false)
 * Return: 0, or KERR_NOT_FOUND: the machine has no such event.
 */
int acpi_on_gpe(unsigned number, void (*fn)(bool is_told));
/**
 * acpi_events_take() - boot core, after an interrupt (@is_rung) and now and then: tell of what has happened
 * Return: whether anything had.
 */
bool acpi_events_take(tsc_t now, bool is_rung);
