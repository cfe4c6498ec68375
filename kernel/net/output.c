/* SPDX-License-Identifier: MIT */
/*
 * From lwIP's pbuf chain to the device's list of memory pieces: Ethernet header from the connection's
 * cache, checksum left to the device where it can, consecutive full segments of one connection merged
 * under the first one's header where the device can split them again. The device holds a reference of
 * each pbuf until output_reclaim(). [virtio-1.2 5.1.6.2]
 */
#include "kernel/net/output.h"

#include "kernel/base/bytes.h"
#include "kernel/flow/flow.h"
#include "kernel/mem/mem.h"
#include "kernel/net/checksum.h"

#define TOKEN_NOTED 1ul                                        /* in the token: the pbuf has a struct tx_note */
#define FRAME_HEADER_BYTES (ETH_BYTES + IP4_BYTES + TCP_BYTES) /* and options */
#define TRAIN_BYTES_MAX 65000u                                 /* of one merged frame */
#define RECLAIM_BURST 64u

/* Behind the header of a pbuf that the device has and whose payload is ring 3's memory, or that is merged. */
struct tx_note {
	struct conn *conn; /* NULL: nobody counts it; bit 0: parity */
	struct pbuf *next; /* more pbufs of the same frame */
};
_Static_assert(sizeof(struct tx_note) <= PBUF_LINK_ENCAPSULATION_HLEN, "room in front of all headers");
_Static_assert(_Alignof(struct conn) > 1, "room for the parity");

/* The frame that is being put together; more segments may join it until output_flush(). */
struct train {
	struct nic_tx tx; /* seg_count 0: none */
	struct pbuf *head, *tail;
	const struct conn *conn; /* compared only: it may be gone */
	uint32_t next_seq;
	uint32_t payload_bytes;
	uint32_t last_bytes; /* payload of the last segment: full ones may be followed */
	uint16_t mss;        /* payload of a full segment */
	uint16_t tcp_bytes;  /* header with options, the same in all segments */
};

struct output_core {
	struct train train;
	struct nic_tx single;
	uint32_t offloads;
	uintptr_t direct; /* address of physical 0 */
};

static PERCORE struct output_core own;

uint16_t output_core_init(void)
{
	unsigned flags = NETIF_CHECKSUM_GEN_IP | NETIF_CHECKSUM_GEN_UDP | NETIF_CHECKSUM_GEN_ICMP |
			 NETIF_CHECKSUM_CHECK_UDP | NETIF_CHECKSUM_CHECK_ICMP;

	own.offloads = nic_info()->offloads;
	own.direct = (uintptr_t)mem_va(0);
	own.single.csum_start = own.train.tx.csum_start = ETH_BYTES + IP4_BYTES;
	own.single.csum_offset = own.train.tx.csum_offset = offsetof(struct tcp_hdr, chksum);
	if (!(own.offloads & NIC_TX_CSUM))
		flags |= NETIF_CHECKSUM_GEN_TCP;
	return (uint16_t)flags;
}

static struct tx_note *note_of(struct pbuf *p)
{
	return (struct tx_note *)(void *)(p + 1);
}

static inline unsigned add_pieces(struct nic_tx *tx, const struct pbuf *p, unsigned skip)
{
	struct nic_seg *seg = &tx->segs[tx->seg_count], *end = &tx->segs[NIC_TX_SEGS_MAX];

	for (; p; p = p->next) {
		if (unlikely(p->len <= skip)) {
			skip -= p->len;
			continue;
		}
		if (unlikely(seg == end))
			return 0;
		seg->pa = (uintptr_t)p->payload - own.direct + skip;
		seg->bytes = p->len - skip;
		seg++;
		skip = 0;
	}
	return (unsigned)(seg - tx->segs);
}

/* The device has one more frame over memory of ring 3. */
static void note_set(struct pbuf *p, struct conn *c)
{
	struct tx_note *note = note_of(p);

	note->next = NULL;
	note->conn = NULL;
	if (!c || !p->next)
		return;
	note->conn = (struct conn *)((uintptr_t)c | c->epoch); /* NOLINT: parity in bit 0 */
	c->busy[c->epoch]++;
	net_self.tx_refs++;
}

static void note_clear(struct pbuf *p)
{
	struct tx_note *note = note_of(p);
	unsigned parity = (uintptr_t)note->conn & 1;
	struct conn *c = (struct conn *)((uintptr_t)note->conn - parity); /* NOLINT */

	if (!c)
		return;
	c->busy[parity]--;
	net_self.tx_refs--;
	tcp_out_release(c);
}

static void free_frame(void *token)
{
	struct pbuf *p = (struct pbuf *)((uintptr_t)token & ~TOKEN_NOTED); /* NOLINT */

	if (!((uintptr_t)token & TOKEN_NOTED)) {
		pbuf_free(p);
		return;
	}
	while (p) {
		struct pbuf *next = note_of(p)->next;

		note_clear(p);
		pbuf_free(p);
		p = next;
	}
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

/* ---- merged frames ---- */
static struct ip_hdr *ip_of(const struct pbuf *framed)
{
	return (struct ip_hdr *)(void *)((char *)framed->payload + ETH_BYTES);
}
static struct tcp_hdr *tcp_of(const struct pbuf *framed)
{
	return (struct tcp_hdr *)(void *)((char *)framed->payload + ETH_BYTES + IP4_BYTES);
}

/* Return: false if the device's queue is full; the frame waits. */
static bool train_send(void)
{
	struct train *t = &own.train;
	struct ip_hdr *ip;
	struct tcp_hdr *tcp;

	if (!t->tx.seg_count)
		return true;
	ip = ip_of(t->head);
	tcp = tcp_of(t->head);
	if (t->head != t->tail) {
		IPH_LEN_SET(ip, be16((uint16_t)(IP4_BYTES + t->tcp_bytes + t->payload_bytes)));
		IPH_CHKSUM_SET(ip, 0);
		IPH_CHKSUM_SET(ip, (uint16_t)~port_chksum(ip, IP4_BYTES));
		t->tx.flags = NIC_TX_NEEDS_CSUM | NIC_TX_IS_TSO4;
		t->tx.header_bytes = (uint16_t)(ETH_BYTES + IP4_BYTES + t->tcp_bytes);
		t->tx.mss = t->mss;
	}
	tcp->chksum = checksum_pseudo(ip->src.addr, ip->dest.addr, IP_PROTOCOL_TCP, t->tcp_bytes + t->payload_bytes);
	t->tx.token = (void *)((uintptr_t)t->head | TOKEN_NOTED); /* NOLINT */
	if (!flow_tx(&t->tx)) {
		net_self.is_sending_blocked = true;
		return false;
	}
	t->tx.seg_count = 0;
	return true;
}

void output_flush(void)
{
	train_send();
}

/* Full data segments, in order, with the same options (one timestamp), and nothing but ACK and PSH. */
static bool train_joins(const struct train *t, const struct conn *c, const struct tcp_hdr *tcp, unsigned bytes)
{
	return t->tx.seg_count && t->conn == c && t->next_seq == be32(tcp->seqno) && t->last_bytes == t->mss &&
	       bytes <= t->last_bytes && t->payload_bytes + bytes <= TRAIN_BYTES_MAX &&
	       !(TCPH_FLAGS(tcp_of(t->tail)) & TCP_PSH) && TCPH_HDRLEN_BYTES(tcp) == t->tcp_bytes &&
	       !memcmp(tcp + 1, tcp_of(t->head) + 1, t->tcp_bytes - TCP_BYTES);
}

/* Return: false if it is not a segment that could be merged. @p begins at the Ethernet header. */
static bool train_take(struct pbuf *p, struct conn *c)
{
	struct train *t = &own.train;
	const struct tcp_hdr *tcp = tcp_of(p);
	unsigned tcp_bytes = TCPH_HDRLEN_BYTES(tcp), header = ETH_BYTES + IP4_BYTES + tcp_bytes, bytes, count;
	unsigned full = pcb_of(c)->mss - (tcp_bytes - TCP_BYTES);

	if (p->tot_len <= header || (TCPH_FLAGS(tcp) & ~(TCP_ACK | TCP_PSH)))
		return false;
	bytes = p->tot_len - header;
	if (train_joins(t, c, tcp, bytes) && (count = add_pieces(&t->tx, p, header)) != 0) {
		TCPH_FLAGS_SET(tcp_of(t->head), TCPH_FLAGS(tcp_of(t->head)) | TCPH_FLAGS(tcp));
		note_of(t->tail)->next = p;
	} else {
		if (bytes < full || !train_send())
			return false; /* too short to be followed */
		t->tx.seg_count = 0;
		count = add_pieces(&t->tx, p, 0);
		if (!count)
			return false;
		t->tx.flags = NIC_TX_NEEDS_CSUM;
		t->head = p;
		t->conn = c;
		t->mss = (uint16_t)full;
		t->tcp_bytes = (uint16_t)tcp_bytes;
		t->payload_bytes = 0;
	}
	t->tx.seg_count = (uint16_t)count;
	t->tail = p;
	t->payload_bytes += bytes;
	t->last_bytes = bytes;
	t->next_seq = be32(tcp->seqno) + bytes;
	note_set(p, c);
	pbuf_ref(p);
	return true;
}

/* ---- single frames ---- */
/* More pieces than the device takes: one copy instead. */
static struct pbuf *flatten(struct pbuf *p)
{
	struct pbuf *flat = pbuf_alloc(PBUF_RAW, p->tot_len, PBUF_RAM);

	if (flat && pbuf_copy(flat, p) != ERR_OK) {
		pbuf_free(flat);
		flat = NULL;
	}
	return flat;
}

/* The common case of send_single(): one piece. */
static err_t send_piece(struct pbuf *p, bool needs_csum)
{
	struct nic_tx *tx = &own.single;

	tx->flags = needs_csum ? NIC_TX_NEEDS_CSUM : 0;
	tx->seg_count = 1;
	tx->segs[0].pa = (uintptr_t)p->payload - own.direct;
	tx->segs[0].bytes = p->len;
	tx->token = p;
	if (unlikely(!flow_tx(tx))) {
		net_self.is_sending_blocked = true;
		return ERR_MEM;
	}
	pbuf_ref(p);
	return ERR_OK;
}

static err_t send_single(struct pbuf *p, struct conn *c, bool needs_csum)
{
	struct nic_tx *tx = &own.single;
	bool is_noted = c && p->next;
	struct pbuf *flat = NULL;

	tx->flags = needs_csum ? NIC_TX_NEEDS_CSUM : 0;
	tx->seg_count = 0;
	tx->seg_count = (uint16_t)add_pieces(tx, p, 0);
	if (unlikely(!tx->seg_count)) {
		flat = flatten(p);
		if (!flat)
			return ERR_MEM;
		is_noted = false;
		p = flat;
		tx->seg_count = (uint16_t)add_pieces(tx, p, 0);
	}
	tx->token = is_noted ? (void *)((uintptr_t)p | TOKEN_NOTED) : p; /* NOLINT */
	if (unlikely(!flow_tx(tx))) {
		net_self.is_sending_blocked = true;
		if (flat)
			pbuf_free(flat);
		return ERR_MEM;
	}
	if (is_noted)
		note_set(p, c);
	if (!flat)
		pbuf_ref(p);
	return ERR_OK;
}

err_t output_frame(struct pbuf *p, struct conn *c, bool is_tcp)
{
	bool needs_csum = is_tcp && (own.offloads & NIC_TX_CSUM);
	struct train *t = &own.train;

	if (c && (own.offloads & NIC_TX_TSO4) &&
	    (t->tx.seg_count || p->tot_len >= pcb_of(c)->mss + FRAME_HEADER_BYTES) && train_take(p, c))
		return ERR_OK;
	if (unlikely(t->tx.seg_count) && !train_send())
		return ERR_MEM;
	if (needs_csum) {
		const struct ip_hdr *ip = ip_of(p);

		tcp_of(p)->chksum = checksum_pseudo(ip->src.addr, ip->dest.addr, IP_PROTOCOL_TCP,
						    p->tot_len - ETH_BYTES - IP4_BYTES);
	}
	return likely(!p->next) ? send_piece(p, needs_csum) : send_single(p, c, needs_csum);
}

void output_buf(struct buf *b)
{
	struct nic_tx *tx = &own.single;
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
	if (!train_send() || !flow_tx(tx))
		buf_free(b);
}
