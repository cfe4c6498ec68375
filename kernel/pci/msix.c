/* SPDX-License-Identifier: MIT */
/* The MSI-X table of a device [PCI 3.0 6.8.2] and what a message to a local APIC looks like [SDM 3A 11.11]. */
#include "kernel/base/err.h"
#include "kernel/mem/map.h"
#include "kernel/pci/pci.h"
#include "kernel/pci/pci_hw.h"

#define MESSAGE_ADDRESS 0xfee00000u /* bits 19:12: APIC id */
#define APIC_ID_MAX 254u

int pci_msix_init(struct pci_dev *d)
{
	uint32_t place;
	uint64_t off, need, bar_bytes;
	pa_t bar_pa;
	uint16_t control;
	int err;

	if (!d->msix_cap || !d->msix_count)
		return KERR_NOT_FOUND;
	place = pci_read32(d, d->msix_cap + PCI_MSIX_TABLE);
	off = place & ~PCI_MSIX_BAR;
	need = (uint64_t)d->msix_count * PCI_MSIX_WORDS * sizeof(uint32_t);
	err = pci_bar(d, place & PCI_MSIX_BAR, &bar_pa, &bar_bytes);
	if (err || need > bar_bytes || off > bar_bytes - need)
		return KERR_INVALID;
	d->msix_table = map_device(bar_pa + off, need);
	if (!d->msix_table)
		return KERR_NO_MEMORY;

	control = pci_read16(d, d->msix_cap + PCI_MSIX_CONTROL);
	pci_write16(d, d->msix_cap + PCI_MSIX_CONTROL, control | PCI_MSIX_ENABLE | PCI_MSIX_MASK_ALL);
	for (uint32_t i = 0; i < d->msix_count; i++)
		d->msix_table[i * PCI_MSIX_WORDS + PCI_MSIX_VECTOR_CONTROL] = PCI_MSIX_MASKED;
	pci_write16(d, d->msix_cap + PCI_MSIX_CONTROL, (control | PCI_MSIX_ENABLE) & (uint16_t)~PCI_MSIX_MASK_ALL);
	return 0;
}

int pci_msix_set(const struct pci_dev *d, uint16_t entry, uint8_t vector, uint32_t apic_id)
{
	volatile uint32_t *row;

	if (!d->msix_table || entry >= d->msix_count || apic_id > APIC_ID_MAX)
		return KERR_INVALID;
	row = d->msix_table + (uint32_t)entry * PCI_MSIX_WORDS;
	row[PCI_MSIX_VECTOR_CONTROL] = PCI_MSIX_MASKED; /* not to be changed while unmasked [PCI 3.0 6.8.2.9] */
	row[PCI_MSIX_ADDR_LO] = MESSAGE_ADDRESS | apic_id << 12;
	row[PCI_MSIX_ADDR_HI] = 0;
	row[PCI_MSIX_DATA] = vector;
	row[PCI_MSIX_VECTOR_CONTROL] = 0;
	return 0;
}
