/* SPDX-License-Identifier: MIT */
/*
 * From lwIP's pbuf chain to the device's list of memory pieces: Ethernet header from the connection's
 * cache, checksum left to the device where it can, and so is cutting a segment that is longer than a
 * frame. The device holds a reference of each pbuf until output_reclaim(). [virtio-1.2 5.1.6.2]
 */
#include "kernel/net/output.h"

#include "kernel/base/bytes.h"
#include "kernel/flow/flow.h"
#include "kernel/mem/mem.h"
#include "kernel/net/checksum.h"
#include "kernel/net/cut.h"
#include "kernel/net/tcp_piece.h"
#include "kernel/net/tcp_queue.h"

#define TOKEN_NOTED 1ul /* in the token: the pbuf has a struct tx_note */
#define RECLAIM_BURST 64u
#define UDP4_AT (ETH_BYTES + IP4_BYTES)
#define UDP_CSUM_AT 6u /* in the UDP header */

_Static_assert(PBUF_LINK_ENCAPSULATION_HLEN >= NIC_TX_ROOM, "what lwIP leaves in front of all headers is room enough");

/* Behind the header of a pbuf that the device has and whose payload may be ring 3's memory. */
struct tx_note {
	struct conn *conn; /* bit 0: parity */
};
_Static_assert(sizeof(struct tx_note) <= PBUF_LINK_ENCAPSULATION_HLEN, "room in front of all headers");
_Static_assert(_Alignof(struct conn) > 1, "room for the parity");

struct output_core {
	struct nic_tx tx; /* the frame that is being described */
	uint32_t offloads;
	uintptr_t direct; /* address of physical 0 */
};

static PERCORE struct output_core own;

uint16_t output_core_init(void)
{
	/* TCP's are written in output_frame(), by us or the device. */
	unsigned flags = NETIF_CHECKSUM_GEN_IP | NETIF_CHECKSUM_GEN_UDP | NETIF_CHECKSUM_GEN_ICMP |
			 NETIF_CHECKSUM_CHECK_UDP | NETIF_CHECKSUM_CHECK_ICMP;

	own.offloads = nic_info()->offloads;
	net_self.is_summed = own.offloads & NIC_RX_CSUM;
	own.direct = (uintptr_t)mem_va(0);
	own.tx.csum_offset = offsetof(struct tcp_hdr, chksum);
	cut_core_init();
	return (uint16_t)flags;
}

/* Whether the device cuts them. */
static inline bool is_cut_there(const struct tcp_pcb *pcb)
{
	return own.offloads & (IP_IS_V4_VAL(pcb->remote_ip) ? NIC_TX_TSO4 : NIC_TX_TSO6);
}

uint32_t output_train_units(const struct tcp_pcb *pcb)
{
	return is_cut_there(pcb) ? UINT32_MAX : MAX(cut_units(), 1u);
}

static struct tx_note *note_of(struct pbuf *p)
{
	return (struct tx_note *)(void *)(p + 1);
}

/* Return: pieces, 0 if the device does not take so many. */
static inline unsigned add_pieces(struct nic_tx *tx, const struct pbuf *p)
{
	struct nic_seg *seg = tx->segs, *end = seg + NIC_TX_SEGS_MAX;
	uintptr_t direct = own.direct;

	for (; p; p = p->next) {
		if (unlikely(!p->len))
			continue;
		if (unlikely(seg == end))
			return 0;
		seg->pa = (uintptr_t)p->payload - direct;
		seg->bytes = p->len;
		seg++;
	}
	return (unsigned)(seg - tx->segs);
}

/* The device has one more frame over memory of ring 3. */
static void note_set(struct pbuf *p, struct conn *c)
{
	note_of(p)->conn = (struct conn *)((uintptr_t)c | c->epoch); /* NOLINT: parity in bit 0 */
	c->busy[c->epoch]++;
	net_self.tx_refs++;
}

static void note_clear(struct pbuf *p)
{
	struct tx_note *note = note_of(p);
	unsigned parity = (uintptr_t)note->conn & 1;
	struct conn *c = (struct conn *)((uintptr_t)note->conn - parity); /* NOLINT */

	c->busy[parity]--;
	net_self.tx_refs--;
	tcp_out_release(c);
}

static void free_frame(void *token)
{
	struct pbuf *p = (struct pbuf *)((uintptr_t)token & ~TOKEN_NOTED); /* NOLINT */

	if (likely(!((uintptr_t)token & (TOKEN_NOTED | CUT_TOKEN)))) {
		pbuf_free(p);
		return;
	}
	if ((uintptr_t)token & CUT_TOKEN) {
		p = cut_done(token);
		if (!p)
			return;
	}
	note_clear(p);
	if (p->ref > 1)
		p->ref--;
	else
		(void)pieces_free(p);
}

void output_reclaim(void)
{
	void *tokens[RECLAIM_BURST];
	unsigned count;

	do {
		count = flow_tx_reclaim(tokens, RECLAIM_BURST);
		for (unsigned i = 0; i < count; i++)
			free_frame(tokens[i]);
	} while (count == RECLAIM_BURST);
}

/* ---- frames ---- */
static struct tcp_hdr *tcp_of(const struct pbuf *framed, unsigned tcp_at)
{
	return (struct tcp_hdr *)(void *)((char *)framed->payload + tcp_at);
}

static APART uint16_t pseudo6_of(const uint8_t *frame, unsigned bytes)
{
	return checksum_pseudo_ip6(frame + ETH_BYTES, IP_PROTOCOL_TCP, bytes);
}

/* What the device is to find in the checksum field. @bytes: TCP header and data. */
static inline uint16_t pseudo_of(const struct pbuf *framed, unsigned tcp_at, unsigned bytes)
{
	const uint8_t *frame = framed->payload;
	const struct ip_hdr *ip = (const struct ip_hdr *)(const void *)(frame + ETH_BYTES);

	if (likely(tcp_at == TCP4_AT))
		return checksum_pseudo(ip->src.addr, ip->dest.addr, IP_PROTOCOL_TCP, bytes);
	return pseudo6_of(frame, bytes);
}

/* The sum of a frame from @skip on, in as many pieces as it has; @skip: within the first. */
static uint32_t sum_of(const struct pbuf *p, unsigned skip)
{
	uint32_t sum = port_chksum((const uint8_t *)p->payload + skip, p->len - (int)skip);
	unsigned at = p->len - skip;

	while (unlikely((p = p->next) != NULL)) {
		uint16_t part = port_chksum(p->payload, p->len);

		sum += at & 1 ? __builtin_bswap16(part) : part;
		at += p->len;
	}
	return sum;
}

/* Of a device that does not. */
static APART void sum_up(const struct pbuf *p, unsigned tcp_at)
{
	tcp_of(p, tcp_at)->chksum = (uint16_t)~checksum_fold(sum_of(p, tcp_at));
}

/* The common case of send_pieces(). */
static WITHIN err_t send_piece(struct pbuf *p, uint16_t flags)
{
	struct nic_tx *tx = &own.tx;

	tx->flags = flags;
	tx->seg_count = 1;
	tx->segs[0].pa = (uintptr_t)p->payload - own.direct;
	tx->segs[0].bytes = p->len;
	tx->token = p;
	if (unlikely(!flow_tx(tx))) {
		net_self.is_sending_blocked = true;
		return ERR_MEM;
	}
	p->ref++; /* pbuf_ref(), as often as there are segments */
	return ERR_OK;
}

/* How the device is to cut a train. */
static void describe_train(struct nic_tx *tx, const struct pbuf *p, const struct tcp_pcb *pcb)
{
	uint32_t tcp_at = tx->csum_start, header = tcp_at + TCPH_HDRLEN_BYTES(tcp_of(p, tcp_at)),
		 unit = tcp_train_unit(pcb);

	if (p->tot_len - header <= unit)
		return;
	tx->flags |= tcp_at == TCP4_AT ? NIC_TX_IS_TSO4 : NIC_TX_IS_TSO6;
	tx->header_bytes = (uint16_t)header;
	tx->mss = (uint16_t)unit;
}

/* @flags: NIC_TX_NEEDS_CSUM, or 0. */
static APART err_t send_pieces(struct pbuf *p, struct conn *c, uint16_t flags)
{
	struct nic_tx *tx = &own.tx;

	tx->flags = flags;
	tx->seg_count = (uint16_t)add_pieces(tx, p);
	if (unlikely(!tx->seg_count)) { /* nobody makes one */
		net_self.stats.dropped_no_memory++;
		return ERR_OK; /* as if lost */
	}
	if (c && flags)
		describe_train(tx, p, pcb_of(c));
	tx->token = c ? (void *)((uintptr_t)p | TOKEN_NOTED) : p; /* NOLINT */
	if (unlikely(!flow_tx(tx))) {
		net_self.is_sending_blocked = true;
		return ERR_MEM;
	}
	if (c)
		note_set(p, c);
	pbuf_ref(p);
	return ERR_OK;
}

/* A segment of @c in several pieces, of a device that does not cut trains. Return: ERR_BUF: it is no train. */
static APART err_t send_train(struct pbuf *p, struct conn *c, unsigned tcp_at)
{
	uint32_t unit = tcp_train_unit(pcb_of(c)), header = tcp_at + TCPH_HDRLEN_BYTES(tcp_of(p, tcp_at));
	err_t err;

	if (p->tot_len - header <= unit)
		return ERR_BUF;
	err = cut_send(p, tcp_at, unit);
	if (unlikely(err == ERR_BUF)) { /* the unit has become shorter, and nobody has cut the train yet */
		net_self.stats.dropped_no_memory++;
		return ERR_OK; /* as if lost */
	}
	if (unlikely(err != ERR_OK)) {
		net_self.is_sending_blocked = true;
		return err;
	}
	note_set(p, c);
	pbuf_ref(p);
	return ERR_OK;
}

err_t output_frame(struct pbuf *p, struct conn *c, unsigned tcp_at)
{
	uint16_t flags = 0;
	err_t err;

	if (unlikely(p->next && c && tcp_at && !is_cut_there(pcb_of(c)))) {
		err = send_train(p, c, tcp_at);
		if (err != ERR_BUF)
			return err;
	}

	if (likely(tcp_at)) {
		tcp_of(p, tcp_at)->chksum = pseudo_of(p, tcp_at, p->tot_len - tcp_at);
		own.tx.csum_start = (uint16_t)tcp_at;
		flags = NIC_TX_NEEDS_CSUM;
		if (unlikely(!(own.offloads & NIC_TX_CSUM))) {
			flags = 0;
			sum_up(p, tcp_at);
		}
	}
	return likely(!p->next) ? send_piece(p, flags) : send_pieces(p, c, flags);
}

bool output_is_short(const struct pbuf *p)
{
	return !p->next && (own.offloads & NIC_TX_CSUM);
}

err_t output_short(struct pbuf *p)
{
	if (unlikely(!flow_tx_short(p, p->payload, p->len, offsetof(struct tcp_hdr, chksum)))) {
		net_self.is_sending_blocked = true;
		return ERR_MEM;
	}
	p->ref++;
	return ERR_OK;
}

void output_sum_datagram(struct pbuf *p)
{
	uint8_t *udp = (uint8_t *)p->payload + UDP4_AT;
	uint16_t sum;

	if (likely(own.offloads & NIC_TX_CSUM))
		return;
	sum = (uint16_t)~port_chksum(udp, p->len - (int)UDP4_AT);
	sum = sum ? sum : 0xffff; /* 0 would say that there is none */
	memcpy(udp + UDP_CSUM_AT, &sum, sizeof(sum));
}

/* Of a device that does not sum. */
static APART bool send_summed(struct pbuf *p)
{
	struct nic_tx *tx = &own.tx;

	tx->flags = 0;
	tx->seg_count = 1;
	tx->segs[0].pa = (uintptr_t)p->payload - own.direct;
	tx->segs[0].bytes = p->len;
	tx->token = p;
	return flow_tx(tx);
}

bool output_datagram(struct pbuf *p)
{
	bool is_taken = likely(own.offloads & NIC_TX_CSUM) ? flow_tx_short(p, p->payload, p->len, UDP_CSUM_AT)
							   : send_summed(p);

	if (unlikely(!is_taken))
		net_self.is_sending_blocked = true;
	return is_taken;
}

void output_buf(struct buf *b)
{
	struct nic_tx *tx = &own.tx;
	struct pbuf_custom *custom = &rx_of(b)->pbuf;

	memset(custom, 0, sizeof(*custom));
	custom->custom_free_function = rx_free_pbuf;
	custom->pbuf.flags = PBUF_FLAG_IS_CUSTOM;
	custom->pbuf.ref = 1;
	tx->flags = 0;
	tx->token = &custom->pbuf;
	tx->seg_count = 1;
	tx->segs[0].pa = b->pa + b->off;
	tx->segs[0].bytes = b->len;
	if (!flow_tx(tx))
		buf_free(b);
}
