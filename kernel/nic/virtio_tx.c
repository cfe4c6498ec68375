/* SPDX-License-Identifier: MIT */
/*
 * Frames out: a chain of descriptors each, the virtio header first, or one that begins with it, dealt in a circle so
 * that no list of free ones is needed. Nothing interrupts when they are done; the owner asks. A token goes back exactly
 * once: when the device returns its chain, or, after the device was reset, because it cannot have it
 * any more. [virtio-1.2 5.1.6.2]
 */
#include "kernel/base/assert.h"
#include "kernel/base/bytes.h"
#include "kernel/base/err.h"
#include "kernel/cpu/cpu.h"
#include "kernel/mem/mem.h"
#include "kernel/nic/virtio_net.h"

#define TABLE_FROM 8u /* pieces; a table is worth it for long frames, which would fill the ring */

int virtio_tx_alloc(struct virtio_tx *tx, uint16_t index, uint16_t size)
{
	struct virtio_net_hdr *plain = mem_boot_alloc(sizeof(*plain), CACHE_LINE);

	tx->slots = mem_boot_alloc(size * sizeof(*tx->slots), CACHE_LINE);
	tx->hdrs = mem_boot_alloc(size * sizeof(*tx->hdrs), CACHE_LINE);
	tx->tables = mem_boot_alloc_raw(size * sizeof(*tx->tables), CACHE_LINE);
	if (!plain || !tx->slots || !tx->hdrs || !tx->tables)
		return KERR_NO_MEMORY;
	tx->tables_pa = mem_pa(tx->tables);
	tx->hdrs_pa = mem_pa(tx->hdrs);
	tx->plain_pa = mem_pa(plain);
	tx->direct = (uintptr_t)mem_va(0);
	return virtq_alloc(&tx->q, index, size);
}

/* Chains that were offered and have not come back; each takes one place in either ring. */
static inline uint16_t in_flight(const struct virtio_tx *tx)
{
	return (uint16_t)(tx->q.avail_next - tx->q.used_next);
}

enum virtq_state virtio_tx_prepare(struct virtio_tx *tx, uint64_t features)
{
	tx->has_tables = (features & VIRTIO_F_INDIRECT_DESC) && tx->q.size >= TX_TABLE; /* [virtio-1.2 2.7.5.3.1] */
	tx->drain_left += in_flight(tx);
	tx->drain_at = 0;
	tx->head = 0;
	tx->tail = 0;
	virtq_clear(&tx->q);
	for (uint32_t id = 0; id < tx->q.size; id++)
		tx->q.desc[id].next = (le16_t)((id + 1) & tx->q.mask);
	return tx->drain_left ? VIRTQ_DRAINING : VIRTQ_RUNNING;
}

/*
 * The header in as few stores as its layout allows; num_buffers stays 0. Only TSO uses the fields
 * between the flags and csum_start. [virtio-1.2 5.1.6.2.1, 5.1.6.2.2]
 */
static inline pa_t fill_header(struct virtio_tx *tx, uint32_t head, const struct nic_tx *f)
{
	uint64_t low = VIRTIO_NET_HDR_F_NEEDS_CSUM | (uint64_t)f->csum_start << 48;

	if (f->flags & (NIC_TX_IS_TSO4 | NIC_TX_IS_TSO6))
		low |= (f->flags & NIC_TX_IS_TSO4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6) << 8 |
		       (uint32_t)f->header_bytes << 16 | (uint64_t)f->mss << 32;
	__builtin_memcpy(&tx->hdrs[head], &low, sizeof(low));
	tx->hdrs[head].csum_offset = f->csum_offset;
	return tx->hdrs_pa + head * sizeof(struct virtio_net_hdr);
}

/* desc[].next is always the one behind: see virtio_tx_prepare(). */
static inline void fill(struct virtq_desc *d, pa_t pa, uint32_t bytes, uint16_t flags)
{
	d->addr = pa;
	d->len = bytes;
	d->flags = flags;
}

/* The same, and that descriptor @next follows: in two stores. */
static inline void fill_whole(struct virtq_desc *d, pa_t pa, uint32_t bytes, uint32_t next)
{
	uint64_t rest = bytes | (uint64_t)VIRTQ_DESC_NEXT << 32 | (uint64_t)next << 48;

	d->addr = pa;
	__builtin_memcpy(&d->len, &rest, sizeof(rest));
}

/* The frame stays its sender's. */
static APART bool refuse(struct virtio_tx *tx)
{
	tx->full++;
	tx->is_starved = true;
	return false;
}

static inline bool send(struct virtio_tx *tx, const struct nic_tx *f, uint32_t pieces)
{
	struct virtq_desc *desc = tx->q.desc;
	uint32_t mask = tx->q.mask, at = tx->head, head = at & mask, i = 0;
	struct virtio_tx_slot *slot = &tx->slots[head];

	/* One descriptor more than pieces, for the header. */
	if (unlikely(at - tx->tail + pieces > mask || !virtq_is_running(&tx->q)))
		return refuse(tx);
	slot->token = f->token;
	slot->count = pieces + 1;
	fill(&desc[head], f->flags ? fill_header(tx, head, f) : tx->plain_pa, sizeof(struct virtio_net_hdr),
	     VIRTQ_DESC_NEXT);
	for (; i < pieces - 1; i++) {
		fill(&desc[++at & mask], f->segs[i].pa, f->segs[i].bytes, VIRTQ_DESC_NEXT);
		tx->bytes += f->segs[i].bytes;
	}
	fill(&desc[++at & mask], f->segs[i].pa, f->segs[i].bytes, 0);
	tx->bytes += f->segs[i].bytes;
	tx->head = at + 1;
	virtq_offer(&tx->q, (uint16_t)head);
	return true;
}

/* The same with all descriptors of the frame in a table of its own. [virtio-1.2 2.7.5.3] */
static bool send_by_table(struct virtio_tx *tx, const struct nic_tx *f)
{
	uint32_t mask = tx->q.mask, head = tx->head & mask, count = f->seg_count, i = 0;
	struct virtq_desc *table = tx->tables[head];
	struct virtio_tx_slot *slot = &tx->slots[head];
	uint64_t bytes = 0;

	if (unlikely(tx->head - tx->tail > mask || !virtq_is_running(&tx->q)))
		return refuse(tx);
	slot->token = f->token;
	slot->count = 1;
	fill_whole(&table[0], f->flags ? fill_header(tx, head, f) : tx->plain_pa, sizeof(struct virtio_net_hdr), 1);
	for (; i < count; i++) {
		fill_whole(&table[i + 1], f->segs[i].pa, f->segs[i].bytes, i + 2);
		bytes += f->segs[i].bytes;
	}
	table[count].flags = 0;
	fill(&tx->q.desc[head], tx->tables_pa + head * sizeof(*tx->tables), (count + 1) * sizeof(*table),
	     VIRTQ_DESC_INDIRECT);
	tx->bytes += bytes;
	tx->head++;
	virtq_offer(&tx->q, (uint16_t)head);
	return true;
}

static __attribute__((noinline)) bool send_many(struct virtio_tx *tx, const struct nic_tx *f)
{
	if (f->seg_count >= TABLE_FROM && tx->has_tables)
		return send_by_table(tx, f);
	return send(tx, f, f->seg_count);
}

bool virtio_tx(uint16_t queue, const struct nic_tx *f)
{
	struct virtio_tx *tx = virtio_net.tx[queue];

	kcheck(f->seg_count >= 1 && f->seg_count <= NIC_TX_SEGS_MAX);
	/* The two common shapes without a loop. */
	if (f->seg_count == 1)
		return send(tx, f, 1);
	if (f->seg_count == 2)
		return send(tx, f, 2);
	return send_many(tx, f);
}

/* Header and frame in one descriptor, as one that knows no older layout takes them [virtio-1.2 2.7.4, 5.1.6.6]. */
bool virtio_tx_short(uint16_t queue, void *token, uint8_t *frame, uint32_t bytes, uint16_t csum_offset)
{
	struct virtio_tx *tx = virtio_net.tx[queue];
	uint32_t mask = tx->q.mask, at = tx->head, head = at & mask;
	struct virtio_tx_slot *slot = &tx->slots[head];
	uint64_t low = VIRTIO_NET_HDR_F_NEEDS_CSUM | (uint64_t)NIC_TX_HEADERS << 48;
	uint32_t high = csum_offset; /* and num_buffers, 0 */

	if (unlikely(at - tx->tail > mask || !virtq_is_running(&tx->q)))
		return refuse(tx);
	frame -= NIC_TX_ROOM;
	bytes += NIC_TX_ROOM;
	__builtin_memcpy(frame, &low, sizeof(low));
	__builtin_memcpy(frame + sizeof(low), &high, sizeof(high));
	slot->token = token;
	slot->count = 1;
	fill(&tx->q.desc[head], (uintptr_t)frame - tx->direct, bytes, 0);
	tx->bytes += bytes - NIC_TX_ROOM;
	tx->head = at + 1;
	virtq_offer(&tx->q, (uint16_t)head);
	return true;
}
_Static_assert(NIC_TX_ROOM == sizeof(struct virtio_net_hdr), "all of it lies in front of the frame");

uint32_t virtio_tx_room(uint16_t queue)
{
	struct virtio_tx *tx = virtio_net.tx[queue];

	return virtq_is_running(&tx->q) ? tx->q.mask + 1 - (tx->head - tx->tail) : 0;
}

void virtio_tx_flush(uint16_t queue)
{
	struct virtio_tx *tx = virtio_net.tx[queue];
	uint16_t count = (uint16_t)(tx->q.avail_next - tx->q.avail_shown);

	if (!count || !virtq_is_running(&tx->q))
		return;
	tx->frames += count;
	tx->kicks += virtq_show(&tx->q);
}

/* Tokens of what the device had when it was reset; the ring is new and the device knows none of it. */
static unsigned drain(struct virtio_tx *tx, void **tokens, unsigned max)
{
	uint32_t was = VIRTQ_DRAINING;
	unsigned got = 0;

	for (; tx->drain_at < tx->q.size && got < max; tx->drain_at++) {
		struct virtio_tx_slot *s = &tx->slots[tx->drain_at];

		bool is_out = s->count && !s->is_done;

		if (is_out && s->token)
			tokens[got++] = s->token;
		tx->drain_left -= is_out;
		s->count = 0;
		s->is_done = 0;
	}
	if (tx->drain_at < tx->q.size)
		return got;
	kassert(tx->drain_left == 0);
	/* Not if the boot core asked to stop again meanwhile. */
	(void)__atomic_compare_exchange_n(&tx->q.state, &was, VIRTQ_RUNNING, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
	return got;
}

static unsigned not_running(struct virtio_tx *tx, void **tokens, unsigned max)
{
	if (load_acquire(&tx->q.state) == VIRTQ_DRAINING)
		return drain(tx, tokens, max);
	virtio_net_leave(&tx->q);
	return 0;
}

/* Chains behind the oldest that came back before it. */
static uint32_t skip_done(struct virtio_tx *tx, uint32_t tail)
{
	uint32_t mask = tx->q.mask;

	while (tail != tx->head && tx->slots[tail & mask].is_done) {
		struct virtio_tx_slot *s = &tx->slots[tail & mask];

		tail += s->count;
		s->count = 0;
		s->is_done = 0;
	}
	return tail;
}

static __attribute__((noinline)) unsigned reclaim(struct virtio_tx *tx, void **tokens, unsigned max)
{
	struct virtio_tx_slot *slots = tx->slots;
	const struct virtq_used_elem *used = tx->q.used->ring;
	uint32_t ready, used_next = tx->q.used_next, mask = tx->q.mask, tail = tx->tail;
	unsigned got = 0;

	if (unlikely(!virtq_is_running(&tx->q)))
		return not_running(tx, tokens, max);
	ready = virtq_used_count(&tx->q);
	if (!ready)
		return 0;
	if (unlikely(ready > in_flight(tx))) {
		virtio_net_distrust(&tx->q);
		return 0;
	}
	MARK_STAGE(STAGE_BUSY);
	for (; ready && got < max; ready--, used_next++) {
		uint32_t head = READ_ONCE(used[used_next & mask].id);
		struct virtio_tx_slot *s = &slots[head & mask];

		if (unlikely(head > mask || !s->count || s->is_done)) {
			virtio_net_distrust(&tx->q);
			break;
		}
		tokens[got] = s->token;
		got += s->token != NULL;
		/* Descriptors are dealt in a circle and become free in that order; most come back in it. */
		if (likely(head == (tail & mask))) {
			tail += s->count;
			s->count = 0;
		} else {
			s->is_done = 1;
		}
	}
	tx->q.used_next = used_next;
	tx->tail = skip_done(tx, tail);
	tx->is_starved = false;
	return got;
}

unsigned virtio_tx_reclaim(uint16_t queue, void **tokens, unsigned max)
{
	struct virtio_tx *tx = virtio_net.tx[queue];

	/* As in virtio_rx_burst(). */
	if (virtq_used_count(&tx->q) == 0 && likely(virtq_is_running(&tx->q)))
		return 0;
	return reclaim(tx, tokens, max);
}

unsigned virtio_tx_pending(uint16_t queue)
{
	const struct virtio_tx *tx = virtio_net.tx[queue];

	return in_flight(tx) + tx->drain_left;
}

bool virtio_tx_starved(uint16_t queue)
{
	struct virtio_tx *tx = virtio_net.tx[queue];

	/* While the device is being reset nothing comes back; who does the reset wakes us. */
	return tx->is_starved && virtio_tx_pending(queue) && virtq_is_running(&tx->q);
}
