/* SPDX-License-Identifier: MIT */
/*
 * Configuration space of one function, all 256 bytes and the sizes of its BARs, as a device may claim: capability chains, MSI-X
 * table, virtio structures. Walks end, and what is mapped is inside the BAR and as long as what is used of it.
 */
#include <stdlib.h>
#include "kernel/nic/virtio_pci.h"
#include "kernel/pci/pci_hw.h"
#include "test/fake/mem.h"
#include "test/fake/pci_space.h"
#include "test/fuzz/fuzz.h"

#define BAR_PA 0xfe000000u
#define BAR_STEP 0x100000u
#define BAR_BYTES 0x2000u
#define READS_MAX 200000u

static const uint16_t ids[] = { 0x1041, 0x1000 };

/* All that a driver does with what it found. */
static void use(struct virtio_pci *v)
{
	struct virtio_pci_queue q = { .size = 64, .msix_entry = 0, .desc = 0x1000, .avail = 0x2000, .used = 0x3000 };

	for (uint32_t entry = 0; entry <= UINT16_MAX; entry = entry < 64 ? entry + 1 : entry * 2 + 1) {
		int err = pci_msix_set(&v->pci, (uint16_t)entry, 33, entry);

		FUZZ_CHECK(!err == (v->pci.msix_table && entry < v->pci.msix_count && entry < 255));
	}
	(void)virtio_pci_reset(v);
	(void)virtio_pci_queue_count(v);
	virtio_pci_status_add(v, VIRTIO_ACKNOWLEDGE);
	FUZZ_CHECK(virtio_pci_status(v) & VIRTIO_ACKNOWLEDGE);
	virtio_pci_accept(v, virtio_pci_features(v));
	for (uint32_t off = 0; off < 80; off++)
		for (unsigned width = 1; width <= 4; width *= 2)
			(void)virtio_pci_config(v, off / width * width, width);
	for (q.index = 0; q.index < 4; q.index++) {
		(void)virtio_pci_queue_size(v, q.index);
		if (!virtio_pci_queue_enable(v, &q))
			*q.doorbell = q.index;
	}
	(void)virtio_pci_generation(v);
}

static uint8_t *bars[6];

/* Bit 7 of @kind: as good as it looks, with memory behind it; bit 6: of 64 bits. Else the lower bits are its size. */
static void add_bar(struct fake_function *fn, unsigned i, uint8_t kind, struct feed *f)
{
	bars[i] = malloc(BAR_BYTES);
	FUZZ_CHECK(bars[i]);
	memset(bars[i], 0, BAR_BYTES);
	feed_take(f, bars[i], 64);
	if (kind & 0x80) {
		fake_pci_bar(fn, i, BAR_PA + i * BAR_STEP, BAR_BYTES, (kind & 0x40) && i < 5);
		fake_mem_device(BAR_PA + i * BAR_STEP, BAR_BYTES, bars[i]);
	} else if (kind & 0x3f) {
		fn->bar_bytes[i] = 16ull << (kind & 0x1f);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct feed f = { data, data + bytes };
	struct fake_function *fn;
	struct virtio_pci v;
	struct pci_dev d;

	fake_pci_reset();
	fake_mem_reset(SIZE_MAX);
	fn = fake_pci_add(0, 1, 0, 0x1af4, ids[0], 0);
	feed_take(&f, fn->space, sizeof(fn->space));
	fake_pci_put32(fn, PCI_VENDOR, 0x1af4 | (uint32_t)ids[0] << 16);
	for (unsigned i = 0; i < 6; i++)
		add_bar(fn, i, feed_u8(&f), &f);
	pci_init(0, 255);
	for (unsigned nth = 0; nth < 2; nth++) {
		if (!pci_find(0x1af4, ids, 2, nth, &d))
			continue;
		for (unsigned i = 0; i < 6; i++) {
			pa_t pa;
			uint64_t n;

			FUZZ_CHECK(pci_bar(&d, i, &pa, &n) || pa + n > pa);
		}
		if (!virtio_pci_open(&v, &d))
			use(&v);
	}
	FUZZ_CHECK(fake_pci_reads() < READS_MAX);
	for (unsigned i = 0; i < 6; i++)
		free(bars[i]);
	return 0;
}
