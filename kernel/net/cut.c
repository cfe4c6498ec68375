/* SPDX-License-Identifier: MIT */
/*
 * A device without segmentation gets each segment of a train as a frame: a copy of the train's headers with its own number,
 * length and sum, and the payload where it lies. The copies of one train are one block, which goes when the last of its
 * frames is back, in whatever order the device returns them. [RFC 9293 3.1, virtio-1.2 5.1.6.2.1]
 */
#include "kernel/net/cut.h"

#include "kernel/base/bytes.h"
#include "kernel/flow/flow.h"
#include "kernel/mem/mem.h"
#include "kernel/net/checksum.h"
#include "kernel/net/output.h"
#include "kernel/net/tcp_piece.h"

#define UNITS_MAX 16u  /* beyond that what a train costs by itself does not show */
#define SHORT_COPY 80u /* bytes of headers: IPv4 with a timestamp, */
#define LONG_COPY 128u /* all others */
#define DESCRIPTORS \
	3u /* of a frame: virtio's header, ours, payload; one more for each piece that it does not begin with */
#define PIECES_MAX NIC_TX_SEGS_MAX
#define CSUM_AT offsetof(struct tcp_hdr, chksum)
#define SEQ_AT offsetof(struct tcp_hdr, seqno)
#define FLAGS_AT 12u                                       /* length, flags, window: a word */
#define FLAGS_OF_LAST ((uint32_t)(TCP_FIN | TCP_PSH) << 8) /* in it */
#define FLAGS_OF_FIRST (0x80u << 8)                        /* CWR [RFC 3168 6.1.2] */

struct train {
	struct pbuf *p;
	uint32_t left; /* frames that the device has */
	uint32_t pad;
	uint8_t headers[];
};
_Static_assert(sizeof(struct train) + UNITS_MAX * LONG_COPY <= MEM_BLOCK_MAX, "one block");
_Static_assert(ETH_BYTES + IP6_BYTES + 60 <= LONG_COPY && TCP4_AT + 32 <= SHORT_COPY, "headers");

/* What is left of the payload, and the frame that is being described. */
struct cutter {
	struct train *train;
	const struct pbuf *at;
	const uint8_t *data; /* in it */
	uint32_t here;       /* bytes from there on */
	uint32_t seq, flags; /* of the next frame */
	uint32_t unit;
	unsigned tcp_at, header, stride;
	uint64_t sum; /* of all headers: the TCP header without number, flags and checksum, and the addresses */
};

static PERCORE struct {
	struct nic_tx tx;
	uint32_t units;
	bool has_sums;    /* of the device */
	uintptr_t direct; /* address of physical 0 */
} own;

void cut_core_init(void)
{
	uint32_t room = flow_tx_room();

	own.units = room > PIECES_MAX ? MIN(UNITS_MAX, (room - PIECES_MAX) / DESCRIPTORS) : 0;
	own.has_sums = nic_info()->offloads & NIC_TX_CSUM;
	own.direct = (uintptr_t)mem_va(0);
	own.tx.csum_offset = CSUM_AT;
}

uint32_t cut_units(void)
{
	return own.units;
}

struct pbuf *cut_done(void *token)
{
	struct train *t = (struct train *)((uintptr_t)token & ~CUT_TOKEN); /* NOLINT */
	struct pbuf *p = t->p;

	if (--t->left)
		return NULL;
	mem_free(t);
	return p;
}

/* ---- headers ---- */
static inline uint32_t word_of(const uint8_t *p)
{
	uint32_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

static void put_half(uint8_t *p, uint16_t value)
{
	memcpy(p, &value, sizeof(value));
}

/* How long the packet is, where its IP header says so. @bytes: behind that. */
static void set_length(uint8_t *frame, unsigned tcp_at, uint32_t bytes)
{
	uint8_t *ip = frame + ETH_BYTES;

	if (tcp_at == TCP6_AT) {
		put_half(ip + 4, be16((uint16_t)bytes));
		return;
	}
	put_half(ip + 2, be16((uint16_t)(IP4_BYTES + bytes)));
	put_half(ip + 10, 0);
	put_half(ip + 10, (uint16_t)~port_chksum(ip, IP4_BYTES));
}

/* The first frame's header, from which the others are copied. */
static void begin_headers(struct cutter *k, const struct pbuf *p)
{
	uint8_t *frame = k->train->headers, *tcp = frame + k->tcp_at;

	memcpy(frame, p->payload, k->header);
	k->seq = be32(word_of(tcp + SEQ_AT));
	k->flags = word_of(tcp + FLAGS_AT);
	memset(tcp + SEQ_AT, 0, 4);
	memset(tcp + FLAGS_AT, 0, 4);
	put_half(tcp + CSUM_AT, 0);
	set_length(frame, k->tcp_at, k->header - k->tcp_at + k->unit);
	k->sum = port_chksum(tcp, (int)(k->header - k->tcp_at));
	if (k->tcp_at == TCP4_AT)
		k->sum += checksum_pseudo(word_of(frame + 26), word_of(frame + 30), IP_PROTOCOL_TCP, 0);
	else
		k->sum += checksum_pseudo_ip6(frame + ETH_BYTES, IP_PROTOCOL_TCP, 0);
}

/* Its copy for the @n-th frame. */
static inline uint8_t *copy_header(const struct cutter *k, uint32_t n)
{
	uint8_t *frame = k->train->headers + n * k->stride;

	if (n && likely(k->stride == SHORT_COPY))
		memcpy(frame, k->train->headers, SHORT_COPY);
	else if (n)
		memcpy(frame, k->train->headers, LONG_COPY);
	return frame;
}

/* ---- payload ---- */
/* The sum of @bytes at @data in @p, which may be known since they were received. */
static inline uint16_t sum_of(const struct pbuf *p, const uint8_t *data, uint32_t bytes)
{
	if (likely(piece_is_own(p) && bytes == p->len)) {
		const struct rx_buf *x = (const struct rx_buf *)(const void *)p;

		if (likely(x->sum && x->len == bytes &&
			   data == buf_of_pbuf((struct pbuf *)(uintptr_t)p)->data + x->start))
			return x->sum;
	}
	return port_chksum(data, (int)bytes);
}

/* The next @bytes as pieces behind the first of the frame. Return: their sum, 0 where the device finds it. */
static uint64_t take_payload(struct cutter *k, uint32_t bytes)
{
	struct nic_seg *seg = own.tx.segs + 1;
	uint64_t sum = 0;
	uint32_t done = 0;

	while (done < bytes) {
		uint32_t part = MIN(bytes - done, k->here);

		if (unlikely(!part)) {
			k->at = k->at->next;
			k->data = k->at->payload;
			k->here = k->at->len;
			continue;
		}
		seg->pa = (uintptr_t)k->data - own.direct;
		seg->bytes = part;
		seg++;
		if (!own.has_sums) {
			uint16_t of_part = sum_of(k->at, k->data, part);

			sum += done & 1 ? __builtin_bswap16(of_part) : of_part;
		}
		k->data += part;
		k->here -= part;
		done += part;
	}
	own.tx.seg_count = (uint16_t)(seg - own.tx.segs);
	return sum;
}

static void send_one(struct cutter *k, uint32_t n, uint32_t bytes, uint32_t not_flags)
{
	uint8_t *frame = copy_header(k, n), *tcp = frame + k->tcp_at;
	uint32_t seq = be32(k->seq), flags = k->flags & ~not_flags, l4_bytes = k->header - k->tcp_at + bytes;
	uint64_t sum = k->sum + be16((uint16_t)l4_bytes), payload = take_payload(k, bytes);
	uint16_t field;

	if (unlikely(bytes != k->unit))
		set_length(frame, k->tcp_at, l4_bytes);
	memcpy(tcp + SEQ_AT, &seq, sizeof(seq));
	memcpy(tcp + FLAGS_AT, &flags, sizeof(flags));
	if (own.has_sums)
		field = k->tcp_at == TCP4_AT
				? checksum_pseudo(word_of(frame + 26), word_of(frame + 30), IP_PROTOCOL_TCP, l4_bytes)
				: checksum_pseudo_ip6(frame + ETH_BYTES, IP_PROTOCOL_TCP, l4_bytes);
	else
		field = (uint16_t)~checksum_fold(sum + seq + flags + payload);
	put_half(tcp + CSUM_AT, field);
	own.tx.segs[0].pa = (uintptr_t)frame - own.direct;
	own.tx.segs[0].bytes = k->header;
	k->seq += bytes;
	/* There was room for all of them. A reset of the device that began since loses a frame like any other. */
	if (unlikely(!flow_tx(&own.tx)))
		k->train->left--;
}

static unsigned pieces_of(const struct pbuf *p)
{
	unsigned n = 0;

	for (; p; p = p->next)
		n++;
	return n;
}

err_t cut_send(struct pbuf *p, unsigned tcp_at, uint32_t unit)
{
	struct cutter k = { .at = p, .tcp_at = tcp_at, .unit = unit };
	uint32_t left, count, n = 0;

	k.header = tcp_at + TCPH_HDRLEN_BYTES((const struct tcp_hdr *)(const void *)((char *)p->payload + tcp_at));
	k.data = (const uint8_t *)p->payload + k.header;
	k.here = p->len - k.header;
	k.stride = k.header <= SHORT_COPY ? SHORT_COPY : LONG_COPY;
	left = p->tot_len - k.header;
	count = (left + unit - 1) / unit;
	if (unlikely(count > own.units))
		return ERR_BUF;
	if (flow_tx_room() < count * DESCRIPTORS + pieces_of(p))
		return ERR_MEM;
	k.train = mem_alloc(sizeof(*k.train) + count * k.stride);
	if (unlikely(!k.train))
		return ERR_MEM;
	*k.train = (struct train){ .p = p, .left = count };
	own.tx.token = (void *)((uintptr_t)k.train | CUT_TOKEN); /* NOLINT */
	own.tx.flags = own.has_sums ? NIC_TX_NEEDS_CSUM : 0;
	own.tx.csum_start = (uint16_t)tcp_at;
	begin_headers(&k, p);
	for (; left > unit; left -= unit, n++)
		send_one(&k, n, unit, FLAGS_OF_LAST | (n ? FLAGS_OF_FIRST : 0));
	send_one(&k, n, left, n ? FLAGS_OF_FIRST : 0);
	if (likely(k.train->left))
		return ERR_OK;
	mem_free(k.train);
	return ERR_MEM;
}
