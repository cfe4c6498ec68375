/* SPDX-License-Identifier: MIT */
/*
 * In: the RSDP's address. Out: which processors there are, where timer, power and PCI configuration
 * are. Who calls: kernel/main.c once. Start reading at tables.c.
 */
#pragma once
#include "kernel/base/percore.h"
#include "kernel/base/types.h"

struct acpi_info {
	uint32_t apic_count; /* usable processors now, the boot core among them */
	uint32_t apic_ids[CORES_MAX];
	uint16_t pm_timer_port;     /* 0: none */
	uint16_t pm1a_control_port; /* 0: none */
	uint8_t s5_type;            /* SLP_TYPa of \_S5 */
	pa_t ecam_pa;               /* of PCI segment 0, 0: none */
	uint8_t ecam_last_bus;
};

/**
 * acpi_read() - walk RSDP, RSDT or XSDT, MADT, FADT, MCFG; every length and checksum checked
 * @rsdp: physical, 0: search 0xe0000..0xfffff. @map: physical range to readable memory, NULL if it is not to be read.
 * Return: 0 (absent tables leave their fields 0), KERR_NOT_FOUND without a valid RSDP. [ACPI 6.5 5.2]
 */
int acpi_read(pa_t rsdp, const void *(*map)(pa_t pa, size_t bytes), struct acpi_info *out);
