/* SPDX-License-Identifier: MIT */
/* Where a virtio device keeps its registers in PCI memory space, and how wide each access is. [virtio-1.2 4.1] */
#include "kernel/nic/virtio_pci.h"

#include "kernel/base/err.h"
#include "kernel/base/log.h"
#include "kernel/cpu/cpu.h"
#include "kernel/mem/map.h"

#define RESET_WAIT_US 1000000u
#define DEVICE_BYTES_MAX 4096u

/* One structure's place as a capability gives it, checked against its BAR. */
struct place {
	pa_t pa;
	uint32_t bytes;
	uint8_t cap;
};

/* False if the capability cannot be used: then the next of its type may be. [virtio-1.2 4.1.4.1] */
static bool read_place(const struct pci_dev *d, uint8_t cap, uint32_t cap_bytes, uint32_t align, struct place *out)
{
	uint8_t bar = pci_read8(d, cap + VIRTIO_CAP_BAR);
	uint32_t off, bytes;
	uint64_t bar_bytes;
	pa_t bar_pa;

	if (cap + cap_bytes > 256 || pci_read8(d, cap + VIRTIO_CAP_LEN) < cap_bytes || bar > 5 ||
	    pci_bar(d, bar, &bar_pa, &bar_bytes))
		return false;
	off = pci_read32(d, cap + VIRTIO_CAP_OFFSET);
	bytes = pci_read32(d, cap + VIRTIO_CAP_LENGTH);
	if (bytes == 0 || off % align || (uint64_t)off + bytes > bar_bytes)
		return false;
	*out = (struct place){ .pa = bar_pa + off, .bytes = bytes, .cap = cap };
	return true;
}

/* The first usable capability of @type; devices put the one they prefer first. */
static bool find_place(const struct pci_dev *d, uint8_t type, uint32_t cap_bytes, uint32_t align, struct place *out)
{
	uint8_t cap = 0;

	for (unsigned i = 0; i < PCI_CAPS_MAX; i++) {
		cap = pci_cap_next(d, VIRTIO_CAP_ID, cap);
		if (!cap || cap > 256 - VIRTIO_CAP_BYTES)
			return false;
		if (pci_read8(d, cap + VIRTIO_CAP_TYPE) == type && read_place(d, cap, cap_bytes, align, out))
			return true;
	}
	return false;
}

static int map_structures(struct virtio_pci *v)
{
	struct place common, notify, device;

	if (!find_place(&v->pci, VIRTIO_CAP_COMMON, VIRTIO_CAP_BYTES, 4, &common) ||
	    common.bytes < sizeof(struct virtio_common) ||
	    !find_place(&v->pci, VIRTIO_CAP_NOTIFY, VIRTIO_CAP_NOTIFY_BYTES, 2, &notify)) {
		log_line("virtio: no usable common and notify structures (legacy-only device? disable-modern=off is "
			 "needed)");
		return KERR_UNSUPPORTED;
	}
	v->notify_bytes = notify.bytes;
	v->notify_multiplier = pci_read32(&v->pci, notify.cap + VIRTIO_CAP_MULTIPLIER);
	if (v->notify_multiplier % 2) { /* 0 or an even power of two [virtio-1.2 4.1.4.4.1] */
		log_line("virtio: notify multiplier %u is odd", v->notify_multiplier);
		return KERR_INVALID;
	}
	v->common = map_device(common.pa, sizeof(struct virtio_common));
	v->notify = map_device(notify.pa, notify.bytes);
	v->device = NULL;
	v->device_bytes = 0;
	if (find_place(&v->pci, VIRTIO_CAP_DEVICE, VIRTIO_CAP_BYTES, 4, &device)) {
		v->device_bytes = MIN(device.bytes, DEVICE_BYTES_MAX);
		v->device = map_device(device.pa, v->device_bytes);
		if (!v->device)
			return KERR_NO_MEMORY;
	}
	return v->common && v->notify ? 0 : KERR_NO_MEMORY;
}

int virtio_pci_open(struct virtio_pci *v, const struct pci_dev *dev)
{
	int err;

	v->pci = *dev;
	pci_enable(&v->pci);
	err = map_structures(v);
	if (err)
		return err;
	err = pci_msix_init(&v->pci);
	if (err)
		log_line("virtio: no usable MSI-X table (vectors=0?)");
	return err == KERR_NOT_FOUND ? KERR_UNSUPPORTED : err;
}

int virtio_pci_reset(struct virtio_pci *v)
{
	tsc_t until = cpu_tsc() + cpu_us_to_tsc(RESET_WAIT_US);

	v->common->device_status = 0;
	while (v->common->device_status) {
		if (cpu_tsc() > until)
			return KERR_TIMEOUT;
		cpu_pause();
	}
	return 0;
}

uint8_t virtio_pci_status(struct virtio_pci *v)
{
	return v->common->device_status;
}

void virtio_pci_status_add(struct virtio_pci *v, uint8_t bits)
{
	v->common->device_status = v->common->device_status | bits;
}

uint8_t virtio_pci_generation(struct virtio_pci *v)
{
	return v->common->config_generation;
}

uint64_t virtio_pci_features(struct virtio_pci *v)
{
	uint64_t low, high;

	v->common->device_feature_select = 0;
	low = v->common->device_feature;
	v->common->device_feature_select = 1;
	high = v->common->device_feature;
	return high << 32 | low;
}

void virtio_pci_accept(struct virtio_pci *v, uint64_t features)
{
	v->common->driver_feature_select = 0;
	v->common->driver_feature = (uint32_t)features;
	v->common->driver_feature_select = 1;
	v->common->driver_feature = (uint32_t)(features >> 32);
}

uint16_t virtio_pci_queue_count(struct virtio_pci *v)
{
	return v->common->num_queues;
}

uint16_t virtio_pci_queue_size(struct virtio_pci *v, uint16_t index)
{
	v->common->queue_select = index;
	return v->common->queue_size;
}

/* A 64-bit register is written as two halves, which every device takes. [virtio-1.2 4.1.3.1] */
static void write_address(volatile le32_t reg[2], pa_t pa)
{
	reg[0] = (uint32_t)pa;
	reg[1] = (uint32_t)(pa >> 32);
}

int virtio_pci_queue_enable(struct virtio_pci *v, struct virtio_pci_queue *q)
{
	volatile struct virtio_common *c = v->common;
	uint64_t notify_off;

	c->queue_select = q->index;
	if (q->size == 0 || q->size > c->queue_size)
		return KERR_INVALID;
	notify_off = (uint64_t)c->queue_notify_off * v->notify_multiplier;
	if (notify_off + sizeof(uint16_t) > v->notify_bytes)
		return KERR_INVALID;
	q->doorbell = (volatile uint16_t *)(volatile void *)(v->notify + notify_off);
	c->queue_size = q->size;
	write_address(c->queue_desc, q->desc);
	write_address(c->queue_driver, q->avail);
	write_address(c->queue_device, q->used);
	c->queue_msix_vector = q->msix_entry;
	/* A device that cannot give the vector says so by reading back as none. [virtio-1.2 4.1.5.1.2.1] */
	if (c->queue_msix_vector != q->msix_entry)
		return KERR_UNSUPPORTED;
	c->queue_enable = 1;
	return 0;
}

/* As wide as the field: devices need not take any other access. [virtio-1.2 4.1.3.1] */
uint32_t virtio_pci_config(struct virtio_pci *v, uint32_t off, unsigned width)
{
	volatile uint8_t *at;

	if (off + width > v->device_bytes)
		return 0;
	at = v->device + off;
	if (width == 4)
		return *(volatile le32_t *)(volatile void *)at;
	if (width == 2)
		return *(volatile le16_t *)(volatile void *)at;
	return *at;
}
