/* SPDX-License-Identifier: MIT */
/*
 * Memory BARs: their size and place [PCI 3.0 6.2.5.1], and their assignment where firmware made none.
 * Addresses are dealt upward from one window below 4 GiB that no PC chipset of QEMU puts RAM, ECAM or
 * the APICs into; a bridge's window is what was dealt to the buses behind it. [PCI-to-PCI 1.2 3.2.5]
 */
#include "kernel/base/err.h"
#include "kernel/base/log.h"
#include "kernel/mem/mem.h"
#include "kernel/pci/cfg.h"
#include "kernel/pci/pci_hw.h"

#define WINDOW_PA 0xe0000000ull
#define WINDOW_END 0xfec00000ull
#define BARS_BRIDGE 2u

static uint16_t bar_off(unsigned index)
{
	return (uint16_t)(PCI_BAR0 + 4 * index);
}

/* The bits of a BAR that can be written, found by writing ones. */
static uint32_t bar_mask(const struct pci_dev *d, unsigned index)
{
	uint32_t before = pci_read32(d, bar_off(index)), mask;

	pci_write32(d, bar_off(index), UINT32_MAX);
	mask = pci_read32(d, bar_off(index));
	pci_write32(d, bar_off(index), before);
	return mask;
}

/* One of @count BARs; the function decodes no memory meanwhile. A wrong one: reserved type, half, no power of two. */
static void bar_read(const struct pci_dev *d, unsigned index, unsigned count, struct pci_bar *out)
{
	uint32_t low = pci_read32(d, bar_off(index)), type = low & PCI_BAR_TYPE;
	uint64_t mask;

	*out = (struct pci_bar){ .error = KERR_NOT_FOUND };
	if (low & PCI_BAR_IO)
		return;
	out->error = KERR_INVALID;
	out->is_64 = type == PCI_BAR_TYPE_64;
	if ((type != PCI_BAR_TYPE_32 && !out->is_64) || (out->is_64 && index + 1 >= count))
		return;
	out->base = low & ~PCI_BAR_FLAGS;
	mask = bar_mask(d, index) & ~PCI_BAR_FLAGS;
	if (out->is_64) {
		out->base |= (uint64_t)pci_read32(d, bar_off(index + 1)) << 32;
		mask |= (uint64_t)bar_mask(d, index + 1) << 32;
	} else if (mask) {
		mask |= 0xffffffffull << 32;
	}
	out->bytes = ~mask + 1;
	if (!mask)
		out->error = KERR_NOT_FOUND;
	else if (out->bytes && !(out->bytes & (out->bytes - 1)))
		out->error = 0;
}

/* Decoding off if it is on: each change makes a hypervisor rebuild its memory map. Return: what it was. */
static uint16_t decode_stop(const struct pci_dev *d)
{
	uint16_t command = pci_read16(d, PCI_COMMAND);

	if (command & PCI_COMMAND_MEMORY)
		pci_write16(d, PCI_COMMAND, command & (uint16_t)~PCI_COMMAND_MEMORY);
	return command;
}

void bar_read_all(struct pci_dev *d)
{
	uint16_t command = decode_stop(d);
	bool is_upper = false;

	for (unsigned i = 0; i < PCI_BARS; i++) {
		if (is_upper)
			d->bars[i] = (struct pci_bar){ .error = KERR_NOT_FOUND };
		else
			bar_read(d, i, PCI_BARS, &d->bars[i]);
		is_upper = d->bars[i].is_64 && !d->bars[i].error;
	}
	if (command & PCI_COMMAND_MEMORY)
		pci_write16(d, PCI_COMMAND, command);
}

int pci_bar(const struct pci_dev *d, unsigned index, pa_t *pa, uint64_t *bytes)
{
	const struct pci_bar *b = &d->bars[index % PCI_BARS];

	if (index >= PCI_BARS || b->error)
		return index >= PCI_BARS ? KERR_NOT_FOUND : b->error;
	if (!b->base || (b->base & (b->bytes - 1)) || b->base + b->bytes < b->base || mem_is_ram(b->base, b->bytes))
		return KERR_INVALID;
	*pa = b->base;
	*bytes = b->bytes;
	return 0;
}

/* @bytes, naturally aligned, from @next upward; 0 if the window is full. */
static uint64_t deal(uint64_t *next, uint64_t bytes)
{
	uint64_t base = ALIGN_UP(*next, bytes);

	if (base < *next || bytes > WINDOW_END - WINDOW_PA || base > WINDOW_END - bytes)
		return 0;
	*next = base + bytes;
	return base;
}

static void assign_function(const struct pci_dev *d, unsigned count, uint64_t *next)
{
	(void)decode_stop(d);
	for (unsigned i = 0; i < count; i++) {
		struct pci_bar b;
		uint64_t base;

		bar_read(d, i, count, &b);
		if (!b.error) {
			base = deal(next, b.bytes);
			if (!base)
				log_line("pci: no address for BAR %u of %02x:%02x.%u (%lu bytes)", i, d->bus, d->dev,
					 d->fn, (unsigned long)b.bytes);
			pci_write32(d, bar_off(i), (uint32_t)base);
			if (b.is_64)
				pci_write32(d, bar_off(i + 1), 0);
		}
		i += b.is_64 && !b.error;
	}
}

static void assign_bus(uint8_t bus, unsigned depth, uint64_t *next);

static void assign_bridge(const struct pci_dev *d, unsigned depth, uint64_t *next)
{
	uint8_t below = cfg_bridge_bus(d);
	uint64_t base, end;

	assign_function(d, BARS_BRIDGE, next);
	if (!below || depth == 0)
		return;
	base = ALIGN_UP(*next, PCI_BRIDGE_GRAIN);
	end = base;
	assign_bus(below, depth - 1, &end);
	pci_write32(d, PCI_BRIDGE_PREFETCH, PCI_BRIDGE_CLOSED);
	pci_write32(d, PCI_BRIDGE_PREFETCH_HIGH, 0);
	pci_write32(d, PCI_BRIDGE_PREFETCH_HIGH + 4, 0);
	if (end == base) {
		pci_write32(d, PCI_BRIDGE_MEMORY, PCI_BRIDGE_CLOSED);
		return;
	}
	/* Everything goes through the non-prefetchable window: 32-bit addresses fit and nothing is lost. */
	*next = ALIGN_UP(end, PCI_BRIDGE_GRAIN);
	pci_write32(d, PCI_BRIDGE_MEMORY, (uint32_t)((*next - 1) & 0xfff00000u) | (uint32_t)(base >> 16));
	pci_enable(d);
}

static void assign_bus(uint8_t bus, unsigned depth, uint64_t *next)
{
	struct cfg_walk w = { .bus = bus };
	struct pci_dev d;

	while (cfg_next(&w, &d)) {
		uint8_t kind = cfg_header_kind(&d);

		if (kind == PCI_HEADER_NORMAL)
			assign_function(&d, PCI_BARS, next);
		else if (kind == PCI_HEADER_BRIDGE)
			assign_bridge(&d, depth, next);
	}
}

/* Whether any memory BAR on bus 0 has an address: then firmware has been here. */
static bool is_assigned(void)
{
	struct cfg_walk w = { .bus = 0 };
	struct pci_dev d;

	while (cfg_next(&w, &d)) {
		unsigned count = cfg_header_kind(&d) == PCI_HEADER_NORMAL ? PCI_BARS : BARS_BRIDGE;

		for (unsigned i = 0; i < count; i++) {
			uint32_t low = pci_read32(&d, bar_off(i));

			if (!(low & PCI_BAR_IO) && (low & ~PCI_BAR_FLAGS))
				return true;
			if ((low & (PCI_BAR_IO | PCI_BAR_TYPE)) == PCI_BAR_TYPE_64 && i + 1 < count &&
			    pci_read32(&d, bar_off(++i)))
				return true;
		}
	}
	return false;
}

void bar_assign_all(void)
{
	uint64_t next = WINDOW_PA;

	if (!is_assigned())
		assign_bus(0, CFG_DEPTH_MAX, &next);
}
