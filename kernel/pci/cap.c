/* SPDX-License-Identifier: MIT */
/* The list of capabilities, which a device may have made into a loop or led astray. [PCI 3.0 6.7] */
#include "kernel/pci/pci.h"
#include "kernel/pci/pci_hw.h"

uint8_t pci_cap_next(const struct pci_dev *d, uint8_t id, uint8_t from)
{
	uint8_t at;

	if (!(pci_read16(d, PCI_STATUS) & PCI_STATUS_CAPS))
		return 0;
	at = pci_read8(d, from ? (uint16_t)(from + 1) : PCI_CAP_POINTER) & 0xfc;
	for (unsigned i = 0; i < PCI_CAPS_MAX && at >= PCI_CAP_FIRST; i++) {
		uint16_t head = pci_read16(d, at);

		if ((head & 0xff) == id)
			return at;
		at = (uint8_t)(head >> 8) & 0xfc;
	}
	return 0;
}
