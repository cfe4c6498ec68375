/* SPDX-License-Identifier: MIT */
/* How a word of configuration space is reached: memory-mapped (ECAM) [PCIe 5.0 7.2.2] or by two ports. */
#include "kernel/pci/pci.h"

#include "kernel/cpu/cpu.h"
#include "kernel/mem/map.h"
#include "kernel/pci/access.h"

#define PORT_ADDRESS 0xcf8
#define PORT_DATA 0xcfc
#define PORT_ENABLE 0x80000000u
#define PORT_SPACE 256u
#define ECAM_BUS_BYTES 0x100000ull

static pa_t ecam_pa; /* 0: ports */
static uint8_t ecam_last_bus;
static volatile uint8_t *ecam_buses[256]; /* mapped when first looked at: few of them exist */

uint8_t access_init(pa_t pa, uint8_t last_bus)
{
	ecam_pa = pa;
	ecam_last_bus = last_bus;
	return pa ? last_bus : 255;
}

/* NULL where the window does not reach: such a function is absent. */
static volatile uint8_t *ecam_at(const struct pci_dev *d, uint16_t off)
{
	if (d->bus > ecam_last_bus || off >= PAGE_BYTES)
		return NULL;
	if (!ecam_buses[d->bus])
		ecam_buses[d->bus] = map_device(ecam_pa + d->bus * ECAM_BUS_BYTES, ECAM_BUS_BYTES);
	if (!ecam_buses[d->bus])
		return NULL;
	return ecam_buses[d->bus] + ((uint32_t)(d->dev & 31) << 15 | (uint32_t)(d->fn & 7) << 12 | off);
}

/* Point the data port at the word that holds @off. False beyond what ports can reach. */
static bool port_select(const struct pci_dev *d, uint16_t off)
{
	if (off >= PORT_SPACE)
		return false;
	cpu_out32(PORT_ADDRESS, PORT_ENABLE | (uint32_t)d->bus << 16 | (uint32_t)(d->dev & 31) << 11 |
					(uint32_t)(d->fn & 7) << 8 | (off & 0xfcu));
	return true;
}

uint32_t pci_read32(const struct pci_dev *d, uint16_t off)
{
	if (ecam_pa) {
		volatile uint8_t *at = ecam_at(d, off & 0xfffcu);

		return at ? *(volatile uint32_t *)at : UINT32_MAX;
	}
	return port_select(d, off) ? cpu_in32(PORT_DATA) : UINT32_MAX;
}

uint16_t pci_read16(const struct pci_dev *d, uint16_t off)
{
	return (uint16_t)(pci_read32(d, off) >> (off & 2) * 8);
}

uint8_t pci_read8(const struct pci_dev *d, uint16_t off)
{
	return (uint8_t)(pci_read32(d, off) >> (off & 3) * 8);
}

void pci_write32(const struct pci_dev *d, uint16_t off, uint32_t v)
{
	if (ecam_pa) {
		volatile uint8_t *at = ecam_at(d, off & 0xfffcu);

		if (at)
			*(volatile uint32_t *)at = v;
	} else if (port_select(d, off)) {
		cpu_out32(PORT_DATA, v);
	}
}

/* Two bytes really: the other half of a word may have bits that are cleared by writing them. */
void pci_write16(const struct pci_dev *d, uint16_t off, uint16_t v)
{
	if (ecam_pa) {
		volatile uint8_t *at = ecam_at(d, off & 0xfffeu);

		if (at)
			*(volatile uint16_t *)at = v;
	} else if (port_select(d, off)) {
		cpu_out16((uint16_t)(PORT_DATA + (off & 2)), v);
	}
}
