/* SPDX-License-Identifier: MIT */
/*
 * In: the RSDP's address. Out: which processors there are, where timer, power, interrupts and PCI
 * configuration are. Who calls: kernel/main.c once. Start reading at tables.c.
 */
#pragma once
#include "kernel/base/percore.h"
#include "kernel/base/types.h"

#define ACPI_ISA_IRQS 16u

struct acpi_info {
	uint32_t apic_count; /* usable processors now, the boot core among them */
	uint32_t apic_ids[CORES_MAX];
	uint16_t pm_timer_port;     /* 0: none */
	uint16_t pm1a_control_port; /* 0: none */
	uint8_t s5_type;            /* SLP_TYPa of \_S5 */
	uint16_t pm1a_event_port;   /* 0: none */
	uint16_t smi_command_port;  /* 0: none; where acpi_enable is written so that events come as SCI */
	uint8_t acpi_enable;
	uint32_t sci_gsi;                /* global interrupt of events */
	uint32_t isa_gsi[ACPI_ISA_IRQS]; /* global interrupt of each ISA interrupt */
	pa_t ioapic_pa;                  /* of the I/O APIC that serves ISA interrupts, 0: none */
	uint32_t ioapic_gsi;             /* its first global interrupt */
	pa_t ecam_pa;                    /* of PCI segment 0, 0: none */
	uint8_t ecam_last_bus;
};

/**
 * acpi_read() - walk RSDP, RSDT or XSDT, MADT, FADT, MCFG; every length and checksum checked
 * @rsdp: physical, 0: search 0xe0000..0xfffff. @map: physical range to readable memory, NULL if it is not to be read.
 * Return: 0 (absent tables leave their fields 0), KERR_NOT_FOUND without a valid RSDP. [ACPI 6.5 5.2]
 */
int acpi_read(pa_t rsdp, const void *(*map)(pa_t pa, size_t bytes), struct acpi_info *out);
