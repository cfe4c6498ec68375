/* SPDX-License-Identifier: MIT */
/* Stands in for kernel/pci/access.c. */
#include "test/fake/pci_space.h"

#include <stdlib.h>
#include <string.h>
#include "kernel/pci/access.h"
#include "kernel/pci/pci_hw.h"

#define FUNCTIONS_MAX 32

static struct fake_function functions[FUNCTIONS_MAX];
static unsigned count;
static unsigned reads;

void fake_pci_reset(void)
{
	count = 0;
	reads = 0;
}

struct fake_function *fake_pci_add(uint8_t bus, uint8_t dev, uint8_t fn, uint16_t vendor, uint16_t device,
				   uint8_t header)
{
	struct fake_function *f = &functions[count++];

	memset(f, 0, sizeof(*f));
	f->bus = bus;
	f->dev = dev;
	f->fn = fn;
	fake_pci_put16(f, PCI_VENDOR, vendor);
	fake_pci_put16(f, PCI_DEVICE, device);
	f->space[PCI_HEADER_TYPE] = header;
	return f;
}

void fake_pci_bar(struct fake_function *f, unsigned bar, uint64_t pa, uint64_t bytes, bool is_64)
{
	f->bar_bytes[bar] = bytes;
	fake_pci_put32(f, PCI_BAR0 + 4 * bar, (uint32_t)pa | (is_64 ? PCI_BAR_TYPE_64 : 0));
	if (is_64)
		fake_pci_put32(f, PCI_BAR0 + 4 * bar + 4, (uint32_t)(pa >> 32));
}

void fake_pci_put16(struct fake_function *f, unsigned off, uint16_t v)
{
	memcpy(f->space + off, &v, sizeof(v));
}

void fake_pci_put32(struct fake_function *f, unsigned off, uint32_t v)
{
	memcpy(f->space + off, &v, sizeof(v));
}

uint32_t fake_pci_get32(const struct fake_function *f, unsigned off)
{
	return f->words[off / 4];
}

unsigned fake_pci_reads(void)
{
	return reads;
}

uint8_t access_init(pa_t ecam_pa, uint8_t last_bus)
{
	(void)ecam_pa;
	return last_bus;
}

static struct fake_function *find(const struct pci_dev *d)
{
	for (unsigned i = 0; i < count; i++)
		if (functions[i].bus == d->bus && functions[i].dev == d->dev && functions[i].fn == d->fn)
			return &functions[i];
	return NULL;
}

uint32_t pci_read32(const struct pci_dev *d, uint16_t off)
{
	const struct fake_function *f = find(d);

	if (++reads > 100000)
		abort(); /* led in circles */
	return f && off < 256 ? f->words[off / 4] : UINT32_MAX;
}

uint16_t pci_read16(const struct pci_dev *d, uint16_t off)
{
	return (uint16_t)(pci_read32(d, off) >> (off & 2) * 8);
}

uint8_t pci_read8(const struct pci_dev *d, uint16_t off)
{
	return (uint8_t)(pci_read32(d, off) >> (off & 3) * 8);
}

/* A BAR keeps its flags and takes only the address bits above its size. */
static uint32_t bar_value(const struct fake_function *f, unsigned bar, uint32_t v)
{
	uint32_t flags = f->words[PCI_BAR0 / 4 + bar] & PCI_BAR_FLAGS;

	if (bar > 0 && (f->words[PCI_BAR0 / 4 + bar - 1] & 7) == PCI_BAR_TYPE_64 && f->bar_bytes[bar - 1])
		return f->bar_bytes[bar - 1] > UINT32_MAX ? v & ~(uint32_t)((f->bar_bytes[bar - 1] - 1) >> 32) : v;
	if (!f->bar_bytes[bar])
		return flags;
	return (v & ~(uint32_t)(f->bar_bytes[bar] - 1) & ~PCI_BAR_FLAGS) | flags;
}

void pci_write32(const struct pci_dev *d, uint16_t off, uint32_t v)
{
	struct fake_function *f = find(d);
	unsigned bars;

	if (!f || off >= 256)
		return;
	bars = (f->space[PCI_HEADER_TYPE] & PCI_HEADER_KIND) == PCI_HEADER_BRIDGE ? 2 : 6;
	if (off >= PCI_BAR0 && off < PCI_BAR0 + 4 * bars)
		v = bar_value(f, (off - PCI_BAR0) / 4u, v);
	fake_pci_put32(f, off & 0xfcu, v);
}

void pci_write16(const struct pci_dev *d, uint16_t off, uint16_t v)
{
	struct fake_function *f = find(d);

	if (f && off < 255)
		fake_pci_put16(f, off & 0xfeu, v);
}
