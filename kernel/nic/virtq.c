/* SPDX-License-Identifier: MIT */
/* The memory of a split ring: one piece, each part where its alignment rule and the cache want it. [virtio-1.2 2.7] */
#include "kernel/nic/virtq.h"

#include "kernel/base/bytes.h"
#include "kernel/base/err.h"
#include "kernel/mem/mem.h"

static size_t avail_off(uint16_t size)
{
	return size * sizeof(struct virtq_desc);
}

static size_t used_off(uint16_t size)
{
	return ALIGN_UP(avail_off(size) + sizeof(struct virtq_avail) + (size + 1u) * sizeof(le16_t), CACHE_LINE);
}

static size_t ring_bytes(uint16_t size)
{
	return used_off(size) + sizeof(struct virtq_used) + size * sizeof(struct virtq_used_elem) + sizeof(le16_t);
}

int virtq_alloc(struct virtq *q, uint16_t index, uint16_t size)
{
	uint8_t *memory = mem_boot_alloc(ring_bytes(size), PAGE_BYTES);

	if (!memory)
		return KERR_NO_MEMORY;
	*q = (struct virtq){
		.desc = (struct virtq_desc *)(void *)memory,
		.avail = (struct virtq_avail *)(void *)(memory + avail_off(size)),
		.used = (struct virtq_used *)(void *)(memory + used_off(size)),
		.index = index,
		.size = size,
		.mask = size - 1u,
		.state = VIRTQ_PARKED,
		.msix_entry = VIRTIO_NO_VECTOR,
	};
	return 0;
}

void virtq_clear(struct virtq *q)
{
	memset(q->desc, 0, ring_bytes(q->size));
	q->avail_next = 0;
	q->avail_shown = 0;
	q->used_next = 0;
}

int virtq_enable(struct virtq *q, struct virtio_pci *v, bool has_event_idx)
{
	struct virtio_pci_queue told = {
		.index = q->index,
		.size = q->size,
		.msix_entry = q->msix_entry,
		.desc = mem_pa(q->desc),
		.avail = mem_pa(q->avail),
		.used = mem_pa(q->used),
	};
	int err = virtio_pci_queue_enable(v, &told);

	q->doorbell = told.doorbell;
	q->has_event_idx = has_event_idx;
	if (!has_event_idx)
		q->avail->flags = VIRTQ_AVAIL_NO_INTERRUPT;
	return err;
}
