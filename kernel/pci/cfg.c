/* SPDX-License-Identifier: MIT */
/* Which functions there are: buses are found from bridge to bridge, each looked at once. */
#include "kernel/pci/cfg.h"

#include "kernel/pci/access.h"
#include "kernel/pci/pci_hw.h"

static uint8_t last_bus;

void pci_init(pa_t ecam_pa, uint8_t ecam_last_bus)
{
	last_bus = access_init(ecam_pa, ecam_last_bus);
	bar_assign_all();
}

uint8_t cfg_bridge_bus(const struct pci_dev *bridge)
{
	uint8_t bus = (uint8_t)(pci_read32(bridge, PCI_BRIDGE_BUSES) >> 8);

	/* Firmware numbers downward; anything else would lead the walk in circles. */
	return bus > bridge->bus && bus <= last_bus ? bus : 0;
}

bool cfg_probe(struct pci_dev *d, uint8_t bus, unsigned slot)
{
	uint32_t id;

	*d = (struct pci_dev){ .bus = bus, .dev = (uint8_t)(slot / 8), .fn = (uint8_t)(slot % 8) };
	id = pci_read32(d, PCI_VENDOR);
	d->vendor = (uint16_t)id;
	d->device = (uint16_t)(id >> 16);
	return d->vendor != 0xffff;
}

uint8_t cfg_header_kind(const struct pci_dev *d)
{
	return pci_read8(d, PCI_HEADER_TYPE) & PCI_HEADER_KIND;
}

bool cfg_next(struct cfg_walk *w, struct pci_dev *out)
{
	for (;;) {
		unsigned slot = w->slot++;

		if (slot == CFG_SLOTS)
			return false;
		if (!cfg_probe(out, w->bus, slot)) {
			if (slot % 8 == 0)
				w->slot = slot + 8;
			continue;
		}
		if (slot % 8 == 0 && !(pci_read8(out, PCI_HEADER_TYPE) & PCI_HEADER_MULTI))
			w->slot = slot + 8;
		return true;
	}
}

/* The @nth match on @bus and below it; counts @nth down. @depth bounds the stack whatever bridges say. */
static bool find_below(uint8_t bus, unsigned depth, const struct cfg_match *m, unsigned *nth, struct pci_dev *out)
{
	struct cfg_walk w = { .bus = bus };

	while (cfg_next(&w, out)) {
		struct pci_dev d = *out;
		uint8_t below;

		for (unsigned i = 0; i < m->count; i++)
			if (d.vendor == m->vendor && d.device == m->devices[i] && (*nth)-- == 0)
				return true;
		if (depth == 0 || cfg_header_kind(&d) != PCI_HEADER_BRIDGE)
			continue;
		below = cfg_bridge_bus(&d);
		if (below && find_below(below, depth - 1, m, nth, out))
			return true;
	}
	return false;
}

bool pci_find(uint16_t vendor, const uint16_t *devices, unsigned count, unsigned nth, struct pci_dev *out)
{
	struct cfg_match m = { .vendor = vendor, .devices = devices, .count = count };

	if (!find_below(0, CFG_DEPTH_MAX, &m, &nth, out))
		return false;
	bar_read_all(out);
	out->msix_cap = pci_cap_next(out, PCI_CAP_MSIX, 0);
	if (out->msix_cap)
		out->msix_count = (pci_read16(out, out->msix_cap + PCI_MSIX_CONTROL) & PCI_MSIX_ENTRIES) + 1;
	return true;
}

void pci_enable(const struct pci_dev *d)
{
	uint16_t command = pci_read16(d, PCI_COMMAND);

	pci_write16(d, PCI_COMMAND, command | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_OFF);
}
