/* SPDX-License-Identifier: MIT */
/*
 * In: configuration space (ECAM from MCFG, else ports 0xcf8/0xcfc). Out: devices, their mapped BARs,
 * capabilities and MSI-X vectors. Who calls: nic, later ivshmem. Start reading at cfg.c.
 */
#pragma once
#include "kernel/base/types.h"

/* A base address register; sized once, because that stops the device for a moment. */
struct pci_bar {
	pa_t base;
	uint64_t bytes;
	int error; /* 0, KERR_NOT_FOUND (absent, or ports), KERR_INVALID */
	bool is_64;
};
#define PCI_BARS 6u

struct pci_dev {
	uint8_t bus, dev, fn;
	uint16_t vendor, device;
	uint8_t msix_cap;              /* offset of its MSI-X capability, 0: none; by pci_find() */
	uint16_t msix_count;           /* table entries */
	volatile uint32_t *msix_table; /* mapped by pci_msix_init() */
	struct pci_bar bars[PCI_BARS]; /* by pci_find() */
};

/** pci_init() - @ecam_pa: base of MCFG segment 0 for buses 0..@last_bus, 0: use ports. */
void pci_init(pa_t ecam_pa, uint8_t last_bus);

uint8_t pci_read8(const struct pci_dev *d, uint16_t off);
uint16_t pci_read16(const struct pci_dev *d, uint16_t off);
uint32_t pci_read32(const struct pci_dev *d, uint16_t off);
void pci_write16(const struct pci_dev *d, uint16_t off, uint16_t v);
void pci_write32(const struct pci_dev *d, uint16_t off, uint32_t v);

/**
 * pci_find() - the @nth device with @vendor and any of @devices[@count]; walks bridges too
 * Return: true and @out filled in.
 */
bool pci_find(uint16_t vendor, const uint16_t *devices, unsigned count, unsigned nth, struct pci_dev *out);

/** pci_enable() - memory space and bus mastering on, INTx off. */
void pci_enable(const struct pci_dev *d);

/** pci_bar() - physical address and size of memory BAR @index (0..5). Return: 0 or KERR_NOT_FOUND/KERR_INVALID. */
int pci_bar(const struct pci_dev *d, unsigned index, pa_t *pa, uint64_t *bytes);

#define PCI_CAPS_MAX 48u /* more than fit: a caller that has seen as many is being led in circles */

/** pci_cap_next() - offset of the capability with @id after offset @from (0: first), 0: none. Bounded walk. */
uint8_t pci_cap_next(const struct pci_dev *d, uint8_t id, uint8_t from);

/** pci_msix_init() - map the table, mask all, enable MSI-X. Return: 0, KERR_NOT_FOUND, KERR_INVALID. */
int pci_msix_init(struct pci_dev *d);

/** pci_msix_set() - entry @entry raises @vector on the core with @apic_id; unmasked. KERR_INVALID if no such entry. */
int pci_msix_set(const struct pci_dev *d, uint16_t entry, uint8_t vector, uint32_t apic_id);
