/* SPDX-License-Identifier: MIT */
/*
 * Frames out: a chain of descriptors each, the virtio header first. Nothing interrupts when they are
 * done; the owner asks. A token goes back exactly once: when the device returns its chain, or, after
 * the device was reset, because it cannot have it any more. [virtio-1.2 5.1.6.2]
 */
#include "kernel/base/assert.h"
#include "kernel/base/bytes.h"
#include "kernel/base/err.h"
#include "kernel/mem/mem.h"
#include "kernel/nic/virtio_net.h"

int virtio_tx_alloc(struct virtio_tx *tx, uint16_t index, uint16_t size)
{
	struct virtio_net_hdr *plain = mem_boot_alloc(sizeof(*plain), CACHE_LINE);

	tx->slots = mem_boot_alloc(size * sizeof(*tx->slots), CACHE_LINE);
	tx->next = mem_boot_alloc(size * sizeof(*tx->next), CACHE_LINE);
	tx->hdrs = mem_boot_alloc(size * sizeof(*tx->hdrs), CACHE_LINE);
	if (!plain || !tx->slots || !tx->next || !tx->hdrs)
		return KERR_NO_MEMORY;
	tx->hdrs_pa = mem_pa(tx->hdrs);
	tx->plain_pa = mem_pa(plain);
	return virtq_alloc(&tx->q, index, size);
}

/* All descriptors free, linked in order; desc[].next agrees with next[] from here on. */
static void link_all(struct virtio_tx *tx)
{
	for (uint16_t id = 0; id < tx->q.size; id++) {
		tx->next[id] = (id + 1u) & tx->q.mask;
		tx->q.desc[id].next = tx->next[id];
	}
	tx->free_head = 0;
	tx->free_count = tx->q.size;
}

enum virtq_state virtio_tx_prepare(struct virtio_tx *tx)
{
	virtq_clear(&tx->q);
	tx->drained = 0;
	link_all(tx);
	return tx->in_flight ? VIRTQ_DRAINING : VIRTQ_RUNNING;
}

/* [virtio-1.2 5.1.6.2.1, 5.1.6.2.2] */
static pa_t fill_header(struct virtio_tx *tx, uint16_t head, const struct nic_tx *f)
{
	struct virtio_net_hdr *h = &tx->hdrs[head];
	bool is_tso = f->flags & NIC_TX_IS_TSO4;

	*h = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = is_tso ? VIRTIO_NET_HDR_GSO_TCPV4 : 0,
		.hdr_len = is_tso ? f->header_bytes : 0,
		.gso_size = is_tso ? f->mss : 0,
		.csum_start = f->csum_start,
		.csum_offset = f->csum_offset,
	};
	return tx->hdrs_pa + head * sizeof(*h);
}

bool virtio_tx(uint16_t queue, const struct nic_tx *f)
{
	struct virtio_tx *tx = virtio_net.tx[queue];
	struct virtq_desc *d;
	uint16_t head, id, pieces = f->seg_count;
	uint32_t bytes = 0;

	kcheck(pieces >= 1 && pieces <= NIC_TX_SEGS_MAX);
	if (unlikely(!virtq_is_running(&tx->q) || tx->free_count <= pieces)) {
		tx->full++;
		return false;
	}
	head = id = tx->free_head;
	d = &tx->q.desc[id];
	d->addr = likely(f->flags == 0) ? tx->plain_pa : fill_header(tx, id, f);
	d->len = sizeof(struct virtio_net_hdr);
	for (uint16_t i = 0; i < pieces; i++) {
		d->flags = VIRTQ_DESC_NEXT;
		id = tx->next[id];
		d = &tx->q.desc[id];
		d->addr = f->segs[i].pa;
		d->len = f->segs[i].bytes;
		bytes += f->segs[i].bytes;
	}
	d->flags = 0;
	tx->free_head = tx->next[id];
	tx->free_count -= pieces + 1;
	tx->slots[head] = (struct virtio_tx_slot){ f->token, pieces + 1, id };
	tx->in_flight++;
	virtq_offer(&tx->q, head);
	tx->frames++;
	tx->bytes += bytes;
	return true;
}

void virtio_tx_flush(uint16_t queue)
{
	struct virtio_tx *tx = virtio_net.tx[queue];

	if (tx->q.avail_next != tx->q.avail_shown && virtq_is_running(&tx->q))
		tx->kicks += virtq_show(&tx->q);
}

/* Tokens of what the device had when it was reset; the ring is new and the device knows none of it. */
static unsigned drain(struct virtio_tx *tx, void **tokens, unsigned max)
{
	unsigned got = 0;

	for (; tx->drained < tx->q.size && got < max; tx->drained++) {
		struct virtio_tx_slot *s = &tx->slots[tx->drained];

		if (s->count && s->token)
			tokens[got++] = s->token;
		tx->in_flight -= s->count != 0;
		s->count = 0;
	}
	if (tx->drained == tx->q.size) {
		uint32_t was = VIRTQ_DRAINING;

		kassert(tx->in_flight == 0);
		/* Not if the boot core asked to stop again meanwhile. */
		(void)__atomic_compare_exchange_n(&tx->q.state, &was, VIRTQ_RUNNING, false, __ATOMIC_RELEASE,
						  __ATOMIC_RELAXED);
	}
	return got;
}

static unsigned not_running(struct virtio_tx *tx, void **tokens, unsigned max)
{
	if (load_acquire(&tx->q.state) == VIRTQ_DRAINING)
		return drain(tx, tokens, max);
	virtio_net_leave(&tx->q);
	return 0;
}

unsigned virtio_tx_reclaim(uint16_t queue, void **tokens, unsigned max)
{
	struct virtio_tx *tx = virtio_net.tx[queue];
	unsigned got = 0;
	uint16_t ready;

	if (unlikely(!virtq_is_running(&tx->q)))
		return not_running(tx, tokens, max);
	ready = virtq_used_count(&tx->q);
	if (unlikely(ready > tx->in_flight)) {
		virtio_net_distrust(&tx->q);
		return 0;
	}
	for (; ready && got < max; ready--) {
		uint32_t head = virtq_used_at(&tx->q, 0).id;
		struct virtio_tx_slot *s;

		if (unlikely(head >= tx->q.size || !tx->slots[head].count)) {
			virtio_net_distrust(&tx->q);
			break;
		}
		s = &tx->slots[head];
		tx->q.used_next++;
		tx->next[s->tail] = tx->free_head;
		tx->q.desc[s->tail].next = tx->free_head;
		tx->free_head = (uint16_t)head;
		tx->free_count += s->count;
		s->count = 0;
		tx->in_flight--;
		tokens[got] = s->token;
		got += s->token != NULL;
	}
	return got;
}

unsigned virtio_tx_pending(uint16_t queue)
{
	return virtio_net.tx[queue]->in_flight;
}
