/* SPDX-License-Identifier: MIT */
/*
 * A virtio device behind modern PCI: its registers as functions. All multi-queue knowledge of the bus
 * ends here; a fake of this interface is a device on the host (test/fake/virtio_dev.c).
 */
#pragma once
#include "kernel/nic/virtio_hw.h"
#include "kernel/pci/pci.h"

struct virtio_pci {
	struct pci_dev pci;
	volatile struct virtio_common *common;
	volatile uint8_t *notify;
	uint32_t notify_bytes;
	uint32_t notify_multiplier;
	volatile uint8_t *device; /* NULL: none */
	uint32_t device_bytes;
};

/* A queue as the device is told of it. */
struct virtio_pci_queue {
	uint16_t index;
	uint16_t size;       /* a power of two, at most virtio_pci_queue_size() */
	uint16_t msix_entry; /* VIRTIO_NO_VECTOR: never interrupts */
	pa_t desc, avail, used;
	volatile uint16_t *doorbell; /* out: write index here */
};

/**
 * virtio_pci_open() - find, check and map the structures of @dev; MSI-X on, all entries masked
 * Return: 0, or KERR_UNSUPPORTED, KERR_INVALID, KERR_NO_MEMORY after a line that says what is wrong. [virtio-1.2 4.1.4]
 */
int virtio_pci_open(struct virtio_pci *v, const struct pci_dev *dev);

/** virtio_pci_reset() - write 0 to the status and wait until it reads 0: 0 or KERR_TIMEOUT. [virtio-1.2 4.1.4.3.2] */
int virtio_pci_reset(struct virtio_pci *v);

uint8_t virtio_pci_status(struct virtio_pci *v);
void virtio_pci_status_add(struct virtio_pci *v, uint8_t bits);
uint8_t virtio_pci_generation(struct virtio_pci *v);

uint64_t virtio_pci_features(struct virtio_pci *v);
void virtio_pci_accept(struct virtio_pci *v, uint64_t features);

uint16_t virtio_pci_queue_count(struct virtio_pci *v);
/** virtio_pci_queue_size() - most descriptors of queue @index, 0: no such queue. */
uint16_t virtio_pci_queue_size(struct virtio_pci *v, uint16_t index);
/** virtio_pci_queue_enable() - 0, KERR_INVALID (size, notify offset out of bounds), KERR_UNSUPPORTED (no vector left). */
int virtio_pci_queue_enable(struct virtio_pci *v, struct virtio_pci_queue *q);

/**
 * virtio_pci_config() - the field of @width (1, 2, 4) bytes at @off of the device configuration, 0 beyond its end
 * Fields of several reads belong together only if virtio_pci_generation() is the same before and after.
 */
uint32_t virtio_pci_config(struct virtio_pci *v, uint32_t off, unsigned width);
