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
#include "kernel/net/demux.h"
#include "kernel/net/neighbour.h"

#define TOKEN_NOTED 1ul        /* in the token: the pbuf has a struct tx_note */
#define TRAIN_BYTES_MAX 65000u /* of one merged frame */
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
	uint16_t mss;
};

struct output_core {
	struct train train;
	struct nic_tx single;
	uint32_t offloads;
};

static PERCORE struct output_core own;

uint16_t output_core_init(void)
{
	unsigned flags = NETIF_CHECKSUM_GEN_IP | NETIF_CHECKSUM_GEN_UDP | NETIF_CHECKSUM_GEN_ICMP;

	own.offloads = nic_info()->offloads;
	if (!(own.offloads & NIC_TX_CSUM))
		flags |= NETIF_CHECKSUM_GEN_TCP;
	return (uint16_t)flags;
}

static struct tx_note *note_of(struct pbuf *p)
{
	return (struct tx_note *)(void *)(p + 1);
}

/* Whether @p was allocated with room for headers, and so for a note. */
static bool has_room(const struct pbuf *p)
{
	return (p->type_internal & PBUF_TYPE_FLAG_STRUCT_DATA_CONTIGUOUS) &&
	       (const char *)p->payload - (const char *)(p + 1) >= (long)(sizeof(struct tx_note) + ETH_BYTES);
}

static unsigned add_pieces(struct nic_tx *tx, const struct pbuf *p, unsigned skip)
{
	unsigned at = tx->seg_count;

	for (; p; p = p->next) {
		if (p->len <= skip) {
			skip -= p->len;
			continue;
		}
		if (at == NIC_TX_SEGS_MAX)
			return 0;
		tx->segs[at].pa = mem_pa((const uint8_t *)p->payload + skip);
		tx->segs[at++].bytes = p->len - skip;
		skip = 0;
	}
	return at;
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
		IPH_LEN_SET(ip, be16(IP4_BYTES + TCP_BYTES + t->payload_bytes));
		IPH_CHKSUM_SET(ip, 0);
		IPH_CHKSUM_SET(ip, (uint16_t)~port_chksum(ip, IP4_BYTES));
		t->tx.flags = NIC_TX_NEEDS_CSUM | NIC_TX_IS_TSO4;
		t->tx.header_bytes = ETH_BYTES + IP4_BYTES + TCP_BYTES;
		t->tx.mss = t->mss;
	}
	tcp->chksum = checksum_pseudo(ip->src.addr, ip->dest.addr, IP_PROTOCOL_TCP, TCP_BYTES + t->payload_bytes);
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

/* Full data segments, in order, without options or anything but ACK and PSH. */
static bool train_joins(const struct train *t, const struct conn *c, const struct tcp_hdr *tcp, unsigned bytes)
{
	return t->tx.seg_count && t->conn == c && t->next_seq == be32(tcp->seqno) && t->last_bytes == t->mss &&
	       bytes <= t->last_bytes && t->payload_bytes + bytes <= TRAIN_BYTES_MAX &&
	       !(TCPH_FLAGS(tcp_of(t->tail)) & TCP_PSH);
}

/* Return: false if it is not a segment that could be merged. @p begins at the Ethernet header. */
static bool train_take(struct pbuf *p, struct conn *c)
{
	struct train *t = &own.train;
	const struct tcp_hdr *tcp = tcp_of(p);
	unsigned header = ETH_BYTES + IP4_BYTES + TCP_BYTES, bytes, count;

	if (p->tot_len <= header || (TCPH_FLAGS(tcp) & ~(TCP_ACK | TCP_PSH)) || TCPH_HDRLEN(tcp) != 5)
		return false;
	bytes = p->tot_len - header;
	if (train_joins(t, c, tcp, bytes) && (count = add_pieces(&t->tx, p, header)) != 0) {
		TCPH_FLAGS_SET(tcp_of(t->head), TCPH_FLAGS(tcp_of(t->head)) | TCPH_FLAGS(tcp));
		note_of(t->tail)->next = p;
	} else {
		if (bytes < pcb_of(c)->mss || !train_send())
			return false; /* too short to be followed */
		t->tx.seg_count = 0;
		count = add_pieces(&t->tx, p, 0);
		if (!count)
			return false;
		t->tx.flags = NIC_TX_NEEDS_CSUM;
		t->tx.csum_start = ETH_BYTES + IP4_BYTES;
		t->tx.csum_offset = offsetof(struct tcp_hdr, chksum);
		t->head = p;
		t->conn = c;
		t->mss = pcb_of(c)->mss;
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

static err_t send_single(struct pbuf *p, struct conn *c, bool needs_csum)
{
	struct nic_tx *tx = &own.single;
	bool is_noted = c && p->next;
	struct pbuf *flat = NULL;

	tx->flags = 0;
	if (needs_csum) {
		tx->flags = NIC_TX_NEEDS_CSUM;
		tx->csum_start = ETH_BYTES + IP4_BYTES;
		tx->csum_offset = offsetof(struct tcp_hdr, chksum);
	}
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

/* Puts the Ethernet header in front. Return: false if the neighbour's address is not known. */
static bool put_link_header(struct pbuf *p, be32_t to, struct conn *c)
{
	uint8_t l2[ETH_BYTES];
	const uint8_t *header = l2;

	if (c && c->l2_version == neighbour_version()) {
		header = c->l2;
	} else {
		uint32_t version = neighbour_version();

		if (!neighbour_link_header(to, l2))
			return false;
		if (c) {
			memcpy(c->l2, l2, ETH_BYTES);
			c->l2_version = version;
		}
	}
	p->payload = (char *)p->payload - ETH_BYTES;
	p->len = (u16_t)(p->len + ETH_BYTES);
	p->tot_len = (u16_t)(p->tot_len + ETH_BYTES);
	memcpy(p->payload, header, ETH_BYTES);
	return true;
}

static void undo_link_header(struct pbuf *p)
{
	p->payload = (char *)p->payload + ETH_BYTES;
	p->len = (u16_t)(p->len - ETH_BYTES);
	p->tot_len = (u16_t)(p->tot_len - ETH_BYTES);
}

/* A copy goes to the boot core, which finds the neighbour and sends it. @p begins at the IP header. */
static err_t send_unresolved(struct pbuf *p, bool needs_csum)
{
	struct buf *b = p->tot_len <= BUF_BYTES - ETH_BYTES ? buf_alloc() : NULL;
	struct ip_hdr *ip;

	if (!b) {
		net_self.stats.dropped_no_buffer++;
		return ERR_OK; /* as if lost */
	}
	b->off = 0;
	b->len = (uint16_t)(p->tot_len + ETH_BYTES);
	b->frame_bytes = b->len;
	b->flags = BUF_RESOLVE;
	b->core = (uint8_t)core_id();
	b->count = 1;
	b->segments = 1;
	pbuf_copy_partial(p, b->data + ETH_BYTES, p->tot_len, 0);
	ip = (struct ip_hdr *)(void *)(b->data + ETH_BYTES);
	if (needs_csum) {
		struct tcp_hdr *tcp = (struct tcp_hdr *)(void *)(b->data + ETH_BYTES + IP4_BYTES);
		uint32_t bytes = p->tot_len - IP4_BYTES;

		tcp->chksum = checksum_pseudo(ip->src.addr, ip->dest.addr, IP_PROTOCOL_TCP, bytes);
		tcp->chksum = (uint16_t)~port_chksum(tcp, (int)bytes);
	}
	if (core_id() == 0) {
		neighbour_resolve(b);
	} else if (!flow_hand(0, b)) {
		net_self.stats.dropped_no_buffer++;
		buf_free(b);
	}
	return ERR_OK;
}

err_t output_ip4(struct netif *netif, struct pbuf *p, const ip4_addr_t *to)
{
	bool is_tcp = ((const struct ip_hdr *)p->payload)->_proto == IP_PROTOCOL_TCP;
	bool needs_csum = is_tcp && (own.offloads & NIC_TX_CSUM);
	struct conn *c = is_tcp ? net_self.tx_conn : NULL;
	err_t err;

	(void)netif;
	if (unlikely(!has_room(p))) { /* never lwIP's way; the header would overwrite the pbuf */
		net_self.stats.dropped_no_memory++;
		return ERR_BUF;
	}
	if (unlikely(!put_link_header(p, ip4_addr_get_u32(to), c)))
		return send_unresolved(p, needs_csum);
	if (is_tcp)
		net_self.stats.segments_out++;
	if (c && needs_csum && (own.offloads & NIC_TX_TSO4) && train_take(p, c))
		return ERR_OK;
	if (unlikely(!train_send())) {
		undo_link_header(p);
		return ERR_MEM;
	}
	if (needs_csum) {
		const struct ip_hdr *ip = ip_of(p);

		tcp_of(p)->chksum = checksum_pseudo(ip->src.addr, ip->dest.addr, IP_PROTOCOL_TCP,
						    p->tot_len - ETH_BYTES - IP4_BYTES);
	}
	err = send_single(p, c, needs_csum);
	if (unlikely(err != ERR_OK))
		undo_link_header(p);
	return err;
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

void output_ack(const struct demux_tuple *t, uint32_t seq, uint32_t ack)
{
	struct pbuf *p = pbuf_alloc(PBUF_IP, TCP_BYTES, PBUF_RAM);
	ip4_addr_t local = { t->local }, remote = { t->remote };
	struct tcp_hdr *tcp;

	if (!p)
		return;
	tcp = p->payload;
	memset(tcp, 0, TCP_BYTES);
	tcp->src = t->local_port;
	tcp->dest = t->remote_port;
	tcp->seqno = be32(seq);
	tcp->ackno = be32(ack);
	TCPH_HDRLEN_FLAGS_SET(tcp, TCP_BYTES / 4, TCP_ACK);
	if (!(own.offloads & NIC_TX_CSUM)) {
		tcp->chksum = checksum_pseudo(t->local, t->remote, IP_PROTOCOL_TCP, TCP_BYTES);
		tcp->chksum = (uint16_t)~port_chksum(tcp, TCP_BYTES);
	}
	ip4_output_if(p, &local, &remote, DEFAULT_TTL, 0, IP_PROTOCOL_TCP, &net_self.netif);
	pbuf_free(p);
}
