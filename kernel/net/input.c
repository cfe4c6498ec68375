/* SPDX-License-Identifier: MIT */
/*
 * Frames of one batch: their headers are checked, each connection is found and brought into the cache
 * while the others are looked at, then each frame runs through TCP or UDP, or goes to the boot core.
 * Every length that a frame claims is checked here and nowhere later. [RFC 791, RFC 1122 3.2.1]
 */
#include "kernel/net/input.h"

#include "kernel/base/bytes.h"
#include "kernel/flow/flow.h"
#include "kernel/net/binding.h"
#include "kernel/net/checksum.h"
#include "kernel/net/ip6.h"
#include "kernel/net/icmp.h"
#include "kernel/net/merge.h"
#include "kernel/net/neighbour.h"
#include "kernel/net/output.h"
#include "kernel/net/pressure.h"
#include "kernel/net/udp.h"
#include "kernel/net/word.h"

#define FRAGMENT_BITS 0x3fffu   /* more fragments, or an offset */
#define FIRST_NOT_UNICAST 224u  /* first byte of multicast and broadcast addresses: never a sender's */
#define PART_MAX 14u            /* frames that are looked at together */
#define LENT_RESERVE 4u         /* one in so many receive buffers is never lent */
#define RX_FRAMES_MAX 1024u     /* QEMU's longest receive queue */
#define CACHED_CONNECTIONS 512u /* as many as the cache keeps anyway */
#define PREFETCH_FROM 4u        /* frames in a batch that make looking ahead worth its instructions */

void rx_free_pbuf(struct pbuf *p)
{
	buf_free(buf_of_pbuf(p));
}

static struct pbuf *pbuf_over(struct buf *b, unsigned off, unsigned bytes, unsigned total)
{
	struct pbuf *p = &rx_of(b)->pbuf.pbuf;

	rx_of(b)->pbuf.custom_free_function = rx_free_pbuf;
	p->next = NULL;
	p->payload = b->data + off;
	p->len = (u16_t)bytes;
	p->tot_len = (u16_t)total;
	p->type_internal = (u8_t)PBUF_REF;
	p->flags = PBUF_FLAG_IS_CUSTOM;
	p->ref = 1;
	p->if_idx = 0;
	return p;
}

struct pbuf *input_pbufs(struct buf *b, unsigned off, unsigned bytes)
{
	struct pbuf *first = NULL, **link = &first;
	struct buf *next;

	off += b->off;
	while (b && bytes) {
		unsigned end = (unsigned)b->off + b->len, take = MIN(end - off, bytes);

		next = b->next;
		*link = pbuf_over(b, off, take, bytes);
		link = &(*link)->next;
		bytes -= take;
		b = next;
		off = b ? b->off : 0;
	}
	buf_free_frame(b);
	return first;
}

/* ---- what is it ---- */
static enum frame_kind bad(void)
{
	net_self.stats.bad_frames++;
	return FRAME_BAD;
}

static bool is_header_good(const uint8_t *ip, unsigned bytes)
{
	return bytes == IP4_BYTES ? checksum_is_ip4_good(ip) : port_chksum(ip, (int)bytes) == 0xffff;
}

/* Any IPv4 packet of @room bytes at most, whose first buffer has @here of them. */
static APART enum frame_kind classify_ip4(struct frame *f, const uint8_t *ip, unsigned here, unsigned room)
{
	unsigned header = (ip[0] & 15u) * 4, total = half_at(ip + 2);
	unsigned need = ip[9] == IP_PROTOCOL_TCP ? TCP_BYTES : 8u;

	if (ip[0] >> 4 != 4 || header < IP4_BYTES || total < header || total > room || here < header ||
	    ip[12] >= FIRST_NOT_UNICAST || !is_header_good(ip, header))
		return bad();
	if (half_at(ip + 6) & FRAGMENT_BITS)
		return bad(); /* fragments are not put together (Limits) */
	if (total - header < need || here < header + need)
		return bad();
	f->ip_bytes = (uint16_t)header;
	f->l4_bytes = (uint16_t)(total - header);
	f->tuple.is_ip6 = 0;
	memcpy(&f->tuple.remote, ip + 12, 8);
	memcpy(&f->tuple.remote_port, ip + header, 4);
	if (f->tuple.local != net_shared.address || !net_shared.address)
		return ip[9] == IP_PROTOCOL_UDP ? FRAME_SLOW : bad(); /* DHCP, or not for us */
	if (ip[9] == IP_PROTOCOL_TCP)
		return FRAME_TCP;
	if (ip[9] == IP_PROTOCOL_UDP)
		return binding_is_taken(BINDING_UDP, be16(f->tuple.local_port)) ? FRAME_UDP : FRAME_SLOW;
	return ip[9] == IP_PROTOCOL_ICMP ? FRAME_SLOW : bad();
}

/* TCP over IPv4 without options or fragments. */
static bool is_plain_tcp(const uint8_t *eth)
{
	return half_at(eth + 12) == ETH_TYPE_IP4 && eth[14] == 0x45 && eth[23] == IP_PROTOCOL_TCP &&
	       !(half_at(eth + 20) & FRAGMENT_BITS);
}

static WITHIN enum frame_kind classify(struct frame *f)
{
	const struct buf *b = f->b;
	const uint8_t *eth = b->data + b->off;
	unsigned total;

	if (unlikely(b->flags & (BUF_RESOLVE | BUF_QUOTED)))
		return FRAME_SLOW;
	if (unlikely(b->len < ETH_BYTES + IP4_BYTES))
		return bad();
	if (likely(is_plain_tcp(eth) && b->len >= ETH_BYTES + IP4_BYTES + TCP_BYTES)) {
		f->tuple.is_ip6 = 0;
		memcpy(&f->tuple.remote, eth + 26, 8);
		memcpy(&f->tuple.remote_port, eth + 34, 4);
		total = half_at(eth + 16);
		f->ip_bytes = IP4_BYTES;
		f->l4_bytes = (uint16_t)(total - IP4_BYTES);
		if (likely(total >= IP4_BYTES + TCP_BYTES && total <= b->frame_bytes - ETH_BYTES &&
			   checksum_is_ip4_good(eth + ETH_BYTES) && f->tuple.local == net_shared.address &&
			   eth[26] < FIRST_NOT_UNICAST))
			return FRAME_TCP;
		return bad();
	}
	if (half_at(eth + 12) == ETH_TYPE_IP4)
		return classify_ip4(f, eth + ETH_BYTES, b->len - ETH_BYTES, b->frame_bytes - ETH_BYTES);
	if (half_at(eth + 12) == ETH_TYPE_IP6)
		return ip6_classify(f);
	return half_at(eth + 12) == ETH_TYPE_ARP ? FRAME_SLOW : bad();
}

/* ---- the batch ---- */
static PERCORE struct frame frames[PART_MAX]; /* too many for the stack */

/* Bring what the frames will touch into the cache, one step for all before the next step. */
static APART void look_ahead(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (frames[i].kind == FRAME_TCP)
			frames[i].likely_pcb = demux_candidate(frames[i].hash);
	for (unsigned i = 0; i < count; i++)
		if (frames[i].likely_pcb && frames[i].likely_pcb->unacked)
			__builtin_prefetch(frames[i].likely_pcb->unacked);
	for (unsigned i = 0; i < count; i++) {
		const struct tcp_seg *seg = frames[i].likely_pcb ? frames[i].likely_pcb->unacked : NULL;

		if (seg) {
			__builtin_prefetch(seg->p);
			__builtin_prefetch(seg->tcphdr);
		}
	}
}

static APART void to_boot_core(struct buf *b)
{
	net_self.stats.slow_path++;
	if (core_id() == 0 || (b->flags & BUF_QUOTED)) { /* about a segment that may be this core's */
		slow_path_input(b);
	} else if (b->flags & BUF_RESOLVE) {
		output_buf(b); /* back from the boot core */
	} else if (!flow_hand(0, b)) {
		net_self.stats.dropped_no_buffer++;
		buf_free_frame(b);
	}
}

static void input_one(const struct frame *f)
{
	switch ((enum frame_kind)f->kind) {
	case FRAME_TCP:
		tcp_in_frame(f);
		break;
	case FRAME_UDP:
		udp_in_frame(f);
		break;
	case FRAME_SLOW:
		to_boot_core(f->b);
		break;
	case FRAME_BAD:
	case FRAME_NR:
		buf_free_frame(f->b);
		break;
	}
}

/* The same of a device that sums up and merges nothing. Return: frames that are left. */
static APART unsigned look_and_merge(struct buf **bufs, unsigned count, bool is_cached)
{
	struct merge m = { 0 };
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++) {
		struct frame *f = &frames[n];

		f->b = bufs[i];
		f->likely_pcb = NULL;
		f->kind = (uint8_t)classify(f);
		if (merge_add(&m, f))
			continue;
		n++;
		if (f->kind == FRAME_TCP) {
			f->hash = demux_hash(&f->tuple);
			if (unlikely(!is_cached))
				demux_prefetch(f->hash);
		}
	}
	merge_end(&m);
	return n;
}

static inline void look(struct buf **bufs, unsigned count, bool is_cached)
{
	for (unsigned i = 0; i < count; i++) {
		struct frame *f = &frames[i];

		f->b = bufs[i];
		f->likely_pcb = NULL;
		f->kind = (uint8_t)classify(f);
		if (f->kind == FRAME_TCP) {
			f->hash = demux_hash(&f->tuple);
			if (unlikely(!is_cached))
				demux_prefetch(f->hash);
		}
	}
}

static void input_batch(struct buf **bufs, unsigned count)
{
	bool is_cached = net_self.stats.connections <= CACHED_CONNECTIONS;

	if (likely(net_self.is_summed))
		look(bufs, count, is_cached);
	else
		count = look_and_merge(bufs, count, is_cached);
	if (unlikely(!is_cached) && count >= PREFETCH_FROM)
		look_ahead(count);
	demux_mark();
	for (unsigned i = 0; i < count; i++)
		input_one(&frames[i]);
}

void input_again(struct buf *b)
{
	input_batch(&b, 1);
}

static PERCORE struct unseen {
	uint64_t tick;   /* what had arrived by then is among the next RX_FRAMES_MAX frames, */
	uint32_t frames; /* so many of which have been looked at */
} unseen;

/* No receive queue holds more than RX_FRAMES_MAX: when so many have been taken, all has been seen that lay there before. */
static void note_seen(unsigned count, bool is_all)
{
	unseen.frames += count;
	if (likely(is_all))
		net_self.seen_tick = net_self.now_tick;
	else if (unseen.frames < RX_FRAMES_MAX)
		return;
	else
		net_self.seen_tick = unseen.tick;
	unseen.tick = net_self.now_tick;
	unseen.frames = 0;
}

void net_input(struct buf **bufs, unsigned count, bool is_all)
{
	note_seen(count, is_all);
	if (!count)
		return;
	net_self.stats.frames_in += count;
	net_self.is_low = buf_available() < buf_total() / LENT_RESERVE;
	while (count) {
		unsigned part = MIN(count, PART_MAX);

		input_batch(bufs, part);
		bufs += part;
		count -= part;
	}
	if (unlikely(net_self.is_low))
		pressure_relieve();
}
