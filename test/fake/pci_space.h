/* SPDX-License-Identifier: MIT */
/* Configuration space of a few functions that a test fills in as it likes, with BARs that answer sizing. */
#pragma once
#include "kernel/pci/pci.h"

struct fake_function {
	uint8_t bus, dev, fn;
	uint64_t bar_bytes[6]; /* size of the BAR that begins here; 0: reads 0 */
	union {
		uint8_t space[256];
		uint32_t words[64];
	};
};

/** fake_pci_reset() - no functions. */
void fake_pci_reset(void);
/** fake_pci_add() - a function with ids, header type and an empty list of capabilities. */
struct fake_function *fake_pci_add(uint8_t bus, uint8_t dev, uint8_t fn, uint16_t vendor, uint16_t device,
				   uint8_t header);
/** fake_pci_bar() - a memory BAR of @bytes at @pa; two words if @is_64. */
void fake_pci_bar(struct fake_function *f, unsigned bar, uint64_t pa, uint64_t bytes, bool is_64);
/** fake_pci_put16/32() - a value into the space. */
void fake_pci_put16(struct fake_function *f, unsigned off, uint16_t v);
void fake_pci_put32(struct fake_function *f, unsigned off, uint32_t v);
uint32_t fake_pci_get32(const struct fake_function *f, unsigned off);
/** fake_pci_reads() - reads since the reset: walks must be bounded. */
unsigned fake_pci_reads(void);
