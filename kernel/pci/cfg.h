/* SPDX-License-Identifier: MIT */
/* Walking the buses, shared by looking for a device and by giving out addresses. */
#pragma once
#include "kernel/pci/pci.h"

#define CFG_SLOTS 256u   /* 32 devices of 8 functions */
#define CFG_DEPTH_MAX 8u /* bridges behind bridges */

struct cfg_match {
	uint16_t vendor;
	const uint16_t *devices;
	unsigned count;
};

/* Where a walk over one bus is; starts as {.bus = bus}. */
struct cfg_walk {
	uint8_t bus;
	unsigned slot; /* next device * 8 + function */
};

/** cfg_next() - the next function on the bus. False at its end. */
bool cfg_next(struct cfg_walk *w, struct pci_dev *out);

/** cfg_probe() - whether @slot of @bus holds a function; fills in @d's address and ids. */
bool cfg_probe(struct pci_dev *d, uint8_t bus, unsigned slot);

/** cfg_header_kind() - PCI_HEADER_NORMAL, PCI_HEADER_BRIDGE or another. */
uint8_t cfg_header_kind(const struct pci_dev *d);

/** cfg_bridge_bus() - the bus behind a bridge, 0 if it is not numbered in a way that can be walked. */
uint8_t cfg_bridge_bus(const struct pci_dev *bridge);

/** bar_read_all() - fill in @d->bars. */
void bar_read_all(struct pci_dev *d);

/**
 * bar_assign_all() - give memory BARs and bridge windows addresses where the firmware has given none
 * qboot leaves that to the kernel; SeaBIOS and OVMF do it, and then nothing is touched.
 */
void bar_assign_all(void);
