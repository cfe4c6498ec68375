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
#define IPV6_BYTES 40u
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

/* The device has given the buffer back: what it wrote does not change any more. */
static inline const struct virtio_net_hdr *header_of(const struct buf *b)
{
	return (const void *)(b->data + RX_PAD);
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
static struct buf *take(struct virtio_rx *rx, uint32_t *len)
{
	struct virtq_used_elem e = virtq_used_at(&rx->q, 0);
	struct buf *b, *fresh;

	if (e.id >= rx->q.size || !rx->slots[e.id])
		return NULL;
	rx->q.used_next++;
	b = rx->slots[e.id];
	*len = e.len;
	fresh = buf_alloc();
	if (fresh) {
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
static uint16_t count_segments(const struct buf *b, const struct virtio_net_hdr *h)
{
	const uint8_t *frame = b->data + b->off;
	uint16_t gso_size = h->gso_size;
	uint32_t ip_bytes, headers, kind = h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN;

	if ((kind != VIRTIO_NET_HDR_GSO_TCPV4 && kind != VIRTIO_NET_HDR_GSO_TCPV6) || b->len < TCP_FRAME_MIN ||
	    gso_size == 0)
		return 1;
	ip_bytes = kind == VIRTIO_NET_HDR_GSO_TCPV6 ? IPV6_BYTES : (frame[ETHERNET_BYTES] & 15u) * 4u;
	if (ETHERNET_BYTES + ip_bytes + 20 > b->len)
		return 1;
	headers = ETHERNET_BYTES + ip_bytes + (frame[ETHERNET_BYTES + ip_bytes + 12] >> 4) * 4u;
	if (b->frame_bytes <= headers)
		return 1;
	return (uint16_t)((b->frame_bytes - headers + gso_size - 1) / gso_size);
}

_Static_assert(offsetof(struct buf, len) == offsetof(struct buf, off) + 2, "written as one word");

static inline void set_place(struct buf *b, uint32_t off, uint32_t len)
{
	uint32_t place = off | len << 16;

	__builtin_memcpy(&b->off, &place, sizeof(place));
}

/* The fields of a frame's first buffer, in the order in which they lie there: fewer stores. */
static inline void describe(const struct virtio_rx *rx, struct buf *first, uint32_t len)
{
	const struct virtio_net_hdr *h = header_of(first);

	set_place(first, RX_PAD + sizeof(*h), len - (uint32_t)sizeof(*h));
	first->next = NULL;
	first->frame_bytes = len - (uint32_t)sizeof(*h);
	first->flags = h->flags & rx->csum_flags ? BUF_CSUM_GOOD : 0;
	first->segments = 1;
	first->count = 1;
	first->group = 0;
	first->core = 0;
	first->hash = 0;
}

/* @left more buffers of a frame, behind @first. Return: whether all is well with them; chained in any case. */
static bool take_rest(struct virtio_rx *rx, struct buf *first, uint16_t left, bool *broken)
{
	struct buf *last = first;
	bool good = true;

	while (left--) {
		uint32_t len;
		struct buf *b = take(rx, &len);

		if (!b) {
			*broken = true;
			return false;
		}
		good = good && len > 0 && len <= RX_ROOM && first->frame_bytes + len <= NIC_FRAME_MAX;
		set_place(b, RX_PAD, len);
		b->next = NULL;
		last->next = b;
		last = b;
		first->frame_bytes += len;
		first->count++;
	}
	return good;
}

/*
 * The next frame in every case that is not one good buffer: several of them, an impossible length, a
 * pool that is empty. All buffers of a frame are freed if one length is impossible or not all are
 * there; a device shows the elements of a frame at once [virtio-1.2 5.1.6.3.2].
 */
static __attribute__((noinline)) struct buf *take_slowly(struct virtio_rx *rx, uint32_t ready_end, bool *broken)
{
	uint32_t len;
	struct buf *first = take(rx, &len);
	uint16_t num, left;
	bool good;

	if (!first) {
		*broken = true;
		return NULL;
	}
	num = rx->is_mergeable ? header_of(first)->num_buffers : 1;
	left = (uint16_t)(ready_end - rx->q.used_next);
	good = num >= 1 && num <= RX_CHAIN_MAX && num - 1 <= left && len >= FIRST_MIN && len <= RX_ROOM;
	describe(rx, first, len);
	if (num > 1)
		good = take_rest(rx, first, MIN((uint16_t)(num - 1), left), broken) && good;
	if (good) {
		if (header_of(first)->gso_type)
			first->segments = count_segments(first, header_of(first));
		rx->bytes += first->frame_bytes;
		return first;
	}
	buf_free_frame(first);
	rx->bad++;
	return NULL;
}

/* Buffers of the frame that begins in @b, of which the device claims to have written @len bytes; 0: no frame begins so. */
static inline unsigned buffers_in_frame(const struct virtio_rx *rx, const struct buf *b, uint32_t len)
{
	unsigned num = rx->is_mergeable ? header_of(b)->num_buffers : 1;

	return len - FIRST_MIN <= RX_ROOM - FIRST_MIN && num <= RX_CHAIN_MAX ? num : 0;
}

/*
 * @more further buffers behind @first, all of which the ring shows: as take_rest(), without going back to
 * struct virtio_rx for each. Return: whether all is well with them; chained in any case.
 */
static __attribute__((noinline)) bool take_chain(struct virtio_rx *rx, struct buf *first, struct buf **fresh,
						 unsigned more, bool *broken)
{
	const struct virtq_used_elem *used = rx->q.used->ring;
	struct virtq_desc *desc = rx->q.desc;
	le16_t *avail = rx->q.avail->ring;
	struct buf **slots = rx->slots, *last = first;
	uint32_t mask = rx->q.mask, used_next = rx->q.used_next, avail_next = rx->q.avail_next;
	uint32_t total = first->frame_bytes, longest = 0;
	struct buf **at = fresh, **end = fresh + more;

	for (; at != end; used_next++) {
		const struct virtq_used_elem *e = &used[used_next & mask];
		uint32_t id = READ_ONCE(e->id), len = READ_ONCE(e->len);
		struct buf *b = slots[id & mask];

		if (unlikely(id > mask || !b))
			break;
		slots[id] = *at;
		desc[id].addr = (*at++)->pa + RX_PAD;
		avail[avail_next++ & mask] = (le16_t)id;
		longest = MAX(longest, len - 1); /* of 0: the longest of all */
		set_place(b, RX_PAD, len);
		last->next = b;
		last = b;
		total += len;
	}
	last->next = NULL;
	first->count = (uint16_t)(at - fresh + 1);
	*broken = at != end;
	while (at != end)
		buf_free(*at++);
	rx->q.used_next = used_next;
	rx->q.avail_next = avail_next;
	first->frame_bytes = total;
	/* No sum of lengths that are each good can have wrapped. */
	return longest < RX_ROOM && !*broken && total <= NIC_FRAME_MAX;
}

/* take_slowly() until @max frames are in @out or the ring is empty. */
static unsigned take_rest_slowly(struct virtio_rx *rx, uint32_t end, struct buf **out, unsigned max, bool *broken)
{
	unsigned n = 0;

	while (n < max && rx->q.used_next != end && !*broken) {
		out[n] = take_slowly(rx, end, broken);
		n += out[n] != NULL;
	}
	return n;
}

/*
 * At most @max frames out of @ready elements. The fresh buffers lie in @out until frames take their
 * place. The ring is held in locals: to the compiler, everything that is written here could be a part
 * of struct virtio_rx.
 */
static unsigned take_frames(struct virtio_rx *rx, uint16_t ready, struct buf **out, unsigned max, bool *broken)
{
	const struct virtq_used_elem *used = rx->q.used->ring;
	struct virtq_desc *desc = rx->q.desc;
	le16_t *avail = rx->q.avail->ring;
	struct buf **slots = rx->slots, **at = out, **end_out = out + max, **fresh_end;
	uint32_t mask = rx->q.mask, used_next = rx->q.used_next, avail_next = rx->q.avail_next, end = used_next + ready;
	uint64_t bytes = 0;

	fresh_end = out + buf_alloc_burst(out, MIN(ready, max));
	for (; at != end_out && used_next != end; used_next++) {
		const struct virtq_used_elem *e = &used[used_next & mask];
		uint32_t id = READ_ONCE(e->id), len = READ_ONCE(e->len);
		struct buf *b = slots[id & mask];
		unsigned num;

		__builtin_prefetch(slots[used[(used_next + PREFETCH_AHEAD) & mask].id & mask]);
		if (unlikely(id > mask || !b || !(num = buffers_in_frame(rx, b, len)) || num > end - used_next))
			break;
		if (unlikely(num > (unsigned)(fresh_end - at))) {
			unsigned room = (unsigned)(end_out - fresh_end),
				 wanted = end - used_next - (unsigned)(fresh_end - at);

			fresh_end += buf_alloc_burst(fresh_end, MIN(room, wanted));
			if (num > (unsigned)(fresh_end - at))
				break;
		}
		slots[id] = *at;
		desc[id].addr = (*at)->pa + RX_PAD;
		avail[avail_next++ & mask] = (le16_t)id;
		describe(rx, b, len);
		if (num > 1) {
			rx->q.used_next = used_next + 1;
			rx->q.avail_next = avail_next;
			fresh_end -= num - 1;
			if (unlikely(!take_chain(rx, b, fresh_end, num - 1, broken))) {
				buf_free_frame(b);
				rx->bad++;
				*at = *--fresh_end; /* @out has no gaps */
				b = NULL;
			}
			used_next = rx->q.used_next - 1;
			avail_next = rx->q.avail_next;
			if (unlikely(!b))
				continue;
		}
		if (unlikely(header_of(b)->gso_type))
			b->segments = count_segments(b, header_of(b));
		bytes += b->frame_bytes;
		*at++ = b;
	}
	rx->bytes += bytes;
	rx->q.used_next = used_next;
	rx->q.avail_next = avail_next;
	for (struct buf **left = at; left != fresh_end; left++)
		buf_free(*left);
	if (likely(used_next == end || at == end_out))
		return (unsigned)(at - out);
	return (unsigned)(at - out) + take_rest_slowly(rx, end, at, max - (unsigned)(at - out), broken);
}

static __attribute__((noinline)) unsigned take_burst(struct virtio_rx *rx, struct buf **out, unsigned max)
{
	uint16_t ready;
	unsigned frames;
	bool broken = false;

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
	if (unlikely(ready > rx->q.size - rx->idle_count)) {
		rx->bad++;
		virtio_net_distrust(&rx->q);
		return 0;
	}
	frames = take_frames(rx, ready, out, max, &broken);
	rx->frames += frames;
	if (unlikely(broken)) {
		rx->bad++;
		virtio_net_distrust(&rx->q);
	} else if (rx->q.avail_next - rx->q.avail_shown >= rx->show_batch || unlikely(rx->idle_count)) {
		virtq_show(&rx->q);
	}
	return frames;
}

unsigned virtio_rx_burst(uint16_t queue, struct buf **out, unsigned max)
{
	struct virtio_rx *rx = virtio_net.rx[queue];

	/* Many looks find nothing; they save no registers and make no frame on the stack. */
	if (virtq_used_count(&rx->q) == 0 && likely(virtq_is_running(&rx->q) && !rx->idle_count))
		return 0;
	return take_burst(rx, out, max);
}

unsigned virtio_rx_waiting(uint16_t queue)
{
	struct virtio_rx *rx = virtio_net.rx[queue];

	/* Nor is a device believed that shows more than it has. */
	return virtq_is_running(&rx->q) ? MIN(virtq_used_count(&rx->q), rx->q.size) : 0;
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
