/* SPDX-License-Identifier: MIT */
/*
 * Frames in. Each descriptor holds one whole buffer for good: when it comes back its buffer goes up with
 * the frame and a fresh one takes its place at once. What the device says is believed only within what
 * was posted. [virtio-1.2 5.1.6.3, 5.1.6.4]
 */
#include "kernel/base/assert.h"
#include "kernel/base/bytes.h"
#include "kernel/base/err.h"
#include "kernel/base/percore.h"
#include "kernel/mem/mem.h"
#include "kernel/nic/virtio_net.h"

#define SHOW_BATCH 32u
#define PREFETCH_AHEAD 4u
#define FIRST_MIN (sizeof(struct virtio_net_hdr) + ETHERNET_BYTES)
#define TCP_FRAME_MIN (ETHERNET_BYTES + 20u + 20u)

int virtio_rx_alloc(struct virtio_rx *rx, uint16_t index, uint16_t size)
{
	rx->slots = mem_boot_alloc(size * sizeof(*rx->slots), CACHE_LINE);
	rx->idle = mem_boot_alloc(size * sizeof(*rx->idle), CACHE_LINE);
	if (!rx->slots || !rx->idle)
		return KERR_NO_MEMORY;
	for (rx->idle_count = 0; rx->idle_count < size; rx->idle_count++)
		rx->idle[rx->idle_count] = size - 1 - rx->idle_count;
	rx->show_batch = (uint16_t)MIN(SHOW_BATCH, size / 4u);
	return virtq_alloc(&rx->q, index, size);
}

static inline void post(struct virtio_rx *rx, uint16_t id, struct buf *b)
{
	rx->slots[id] = b;
	rx->q.desc[id].addr = b->pa + RX_PAD;
	virtq_offer(&rx->q, id);
}

/* Descriptors that went without a buffer when the pool was empty. */
static void post_idle(struct virtio_rx *rx)
{
	while (rx->idle_count) {
		struct buf *b = buf_alloc();

		if (!b)
			break;
		post(rx, rx->idle[--rx->idle_count], b);
	}
}

void virtio_rx_prepare(struct virtio_rx *rx, uint64_t features)
{
	rx->is_mergeable = features & VIRTIO_NET_F_MRG_RXBUF;
	rx->csum_flags = features & VIRTIO_NET_F_GUEST_CSUM ? VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID
							    : 0;
	virtq_clear(&rx->q);
	for (uint16_t id = 0; id < rx->q.size; id++) {
		rx->q.desc[id].len = RX_ROOM;
		rx->q.desc[id].flags = VIRTQ_DESC_WRITE;
		if (rx->slots[id])
			post(rx, id, rx->slots[id]);
	}
	post_idle(rx);
}

/*
 * The buffer of the next used element, replaced by a fresh one; @len: what the device claims to have
 * written. NULL: it gave back what it did not have.
 */
static inline struct buf *take(struct virtio_rx *rx, uint32_t *len)
{
	struct virtq_used_elem e = virtq_used_at(&rx->q, 0);
	struct buf *b, *fresh;

	if (unlikely(e.id >= rx->q.size || !rx->slots[e.id]))
		return NULL;
	rx->q.used_next++;
	b = rx->slots[e.id];
	*len = e.len;
	fresh = buf_alloc();
	if (likely(fresh != NULL)) {
		post(rx, (uint16_t)e.id, fresh);
	} else {
		rx->slots[e.id] = NULL;
		rx->idle[rx->idle_count++] = (uint16_t)e.id;
		rx->no_buffer++;
	}
	return b;
}

/*
 * TCP segments that the host merged into this frame, at least 1. The device's header length is a hint
 * that backends fill in differently, so the headers are looked at. One division for up to 64 KiB.
 */
static uint16_t count_segments(const struct buf *b, uint16_t gso_size)
{
	const uint8_t *frame = b->data + b->off;
	uint32_t ip_bytes, headers;

	if (b->len < TCP_FRAME_MIN || gso_size == 0)
		return 1;
	ip_bytes = (frame[ETHERNET_BYTES] & 15u) * 4u;
	if (ETHERNET_BYTES + ip_bytes + 20 > b->len)
		return 1;
	headers = ETHERNET_BYTES + ip_bytes + (frame[ETHERNET_BYTES + ip_bytes + 12] >> 4) * 4u;
	if (b->frame_bytes <= headers)
		return 1;
	return (uint16_t)((b->frame_bytes - headers + gso_size - 1) / gso_size);
}

static inline void describe(const struct virtio_rx *rx, struct buf *first, uint32_t len)
{
	const struct virtio_net_hdr *h = (const void *)(first->data + RX_PAD);
	uint8_t gso_type = READ_ONCE(h->gso_type);

	first->off = RX_PAD + sizeof(*h);
	first->len = (uint16_t)(len - sizeof(*h));
	first->frame_bytes = len - (uint32_t)sizeof(*h);
	first->flags = READ_ONCE(h->flags) & rx->csum_flags ? BUF_CSUM_GOOD : 0;
	first->segments = 1;
	first->count = 1;
	if (unlikely((gso_type & ~VIRTIO_NET_HDR_GSO_ECN) == VIRTIO_NET_HDR_GSO_TCPV4))
		first->segments = 0; /* counted when the frame is whole */
}

/*
 * A frame of @num buffers, @left used elements behind its first: chained, or all of them freed if one
 * length is impossible or not all are there (a device shows the elements of a frame at once
 * [virtio-1.2 5.1.6.3.2]). *@broken: an element was not ours.
 */
static struct buf *take_chain(struct virtio_rx *rx, struct buf *first, uint32_t len, uint16_t left, bool *broken)
{
	uint16_t num = rx->is_mergeable ? ((struct virtio_net_hdr *)(void *)(first->data + RX_PAD))->num_buffers : 1;
	bool good = num >= 1 && num <= RX_CHAIN_MAX && num - 1 <= left && len >= FIRST_MIN && len <= RX_ROOM;
	struct buf *last = first;

	describe(rx, first, len);
	for (uint16_t i = 1; i < num && i <= left; i++) {
		struct buf *b = take(rx, &len);

		if (!b) {
			*broken = true;
			break;
		}
		good = good && len > 0 && len <= RX_ROOM && first->frame_bytes + len <= NIC_FRAME_MAX;
		b->off = RX_PAD;
		b->len = (uint16_t)len;
		last->next = b;
		last = b;
		first->frame_bytes += len;
		first->count++;
	}
	if (good && !*broken)
		return first;
	buf_free_frame(first);
	rx->bad++;
	return NULL;
}

static inline struct buf *take_frame(struct virtio_rx *rx, uint16_t ready_end, bool *broken)
{
	const struct virtio_net_hdr *h;
	uint32_t len = 0;
	struct buf *b;

	__builtin_prefetch(rx->slots[virtq_used_at(&rx->q, PREFETCH_AHEAD).id & rx->q.mask]);
	b = take(rx, &len);
	if (unlikely(!b)) {
		*broken = true;
		return NULL;
	}
	h = (const void *)(b->data + RX_PAD);
	if (likely(len - FIRST_MIN <= RX_ROOM - FIRST_MIN && (READ_ONCE(h->num_buffers) == 1 || !rx->is_mergeable))) {
		describe(rx, b, len);
	} else {
		b = take_chain(rx, b, len, (uint16_t)(ready_end - rx->q.used_next), broken);
		if (!b)
			return NULL;
	}
	if (unlikely(b->segments == 0))
		b->segments = count_segments(b, h->gso_size);
	return b;
}

unsigned virtio_rx_burst(uint16_t queue, struct buf **out, unsigned max)
{
	struct virtio_rx *rx = virtio_net.rx[queue];
	uint16_t ready, ready_end;
	unsigned frames = 0;
	uint64_t bytes = 0;
	bool broken;

	if (unlikely(!virtq_is_running(&rx->q))) {
		virtio_net_leave(&rx->q);
		return 0;
	}
	if (unlikely(rx->idle_count)) {
		post_idle(rx);
		virtq_show(&rx->q);
	}
	ready = virtq_used_count(&rx->q);
	if (!ready)
		return 0;
	ready_end = (uint16_t)(rx->q.used_next + ready);
	broken = ready > rx->q.size - rx->idle_count;
	while (frames < max && rx->q.used_next != ready_end && likely(!broken)) {
		struct buf *b = take_frame(rx, ready_end, &broken);

		if (unlikely(!b))
			continue;
		bytes += b->frame_bytes;
		out[frames++] = b;
	}
	rx->frames += frames;
	rx->bytes += bytes;
	if (unlikely(broken)) {
		rx->bad++;
		virtio_net_distrust(&rx->q);
	} else if ((uint16_t)(rx->q.avail_next - rx->q.avail_shown) >= rx->show_batch || unlikely(rx->idle_count)) {
		virtq_show(&rx->q);
	}
	return frames;
}

bool virtio_rx_arm(uint16_t queue)
{
	struct virtio_rx *rx = virtio_net.rx[queue];

	if (!virtq_is_running(&rx->q)) {
		virtio_net_leave(&rx->q);
		return core_id() == 0; /* the core that is to do the reset stays awake */
	}
	post_idle(rx);
	virtq_show(&rx->q);
	return virtq_irq_arm(&rx->q);
}

void virtio_rx_disarm(uint16_t queue)
{
	struct virtio_rx *rx = virtio_net.rx[queue];

	if (virtq_is_running(&rx->q))
		virtq_irq_disarm(&rx->q);
}
