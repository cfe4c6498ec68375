/* SPDX-License-Identifier: MIT */
/*
 * Data into lwIP's queue of unsent segments, in the form in which its tcp_write() leaves it, from several
 * ranges at once and without a walk for each: short ranges copied, others referenced where they lie.
 */
#include "kernel/net/tcp_queue.h"

#include "kernel/base/bytes.h"
#include "kernel/net/pressure.h"
#include "kernel/net/tcp_piece.h"
#include "kernel/nic/nic.h"

/* As pbuf_alloc(PBUF_TRANSPORT, n, PBUF_RAM) lays one out: itself, room for headers, data. */
#define HEADED_BYTES LWIP_MEM_ALIGN_SIZE(LWIP_MEM_ALIGN_SIZE(sizeof(struct pbuf)) + PBUF_TRANSPORT)
#define PIECES_MAX (NIC_TX_SEGS_MAX - 1u) /* of one segment; its Ethernet header never lies apart */
#define NO_APPEND (TCP_SYN | TCP_FIN | TCP_RST)

/* The end of the unsent queue. What was added to its last segment is in the pcb only after finish_segment(). */
struct writer {
	struct tcp_pcb *pcb;
	struct tcp_seg *tail; /* NULL: empty */
	struct pbuf *last;    /* of the tail, where it takes more */
	uint32_t limit;       /* bytes of one segment */
	uint32_t space;       /* bytes that the tail still takes */
	uint32_t pieces;      /* that it still takes */
	uint32_t room;        /* bytes that the queue still takes */
	uint32_t pbufs;       /* that the queue still takes */
	uint32_t added_bytes, added_pbufs;
	bool is_settled; /* with what was added */
};

/* ---- segments ---- */
struct tcp_seg *segment_new(const struct tcp_pcb *pcb, uint32_t seq, const void *copy, uint32_t bytes)
{
	uint32_t options = tcp_option_bytes(pcb);
	struct pbuf *p = port_malloc(HEADED_BYTES + options + bytes);
	struct tcp_seg *seg = port_malloc(sizeof(*seg));
	struct tcp_hdr *tcp;

	if (unlikely(!p || !seg)) {
		pressure_wanted();
		port_free(p);
		port_free(seg);
		return NULL;
	}
	if (bytes)
		memcpy((char *)p + HEADED_BYTES + options, copy, bytes);
	tcp = (struct tcp_hdr *)(void *)((char *)p + HEADED_BYTES - TCP_HLEN);
	*p = (struct pbuf){ .payload = tcp,
			    .len = (u16_t)(TCP_HLEN + options + bytes),
			    .tot_len = (u16_t)(TCP_HLEN + options + bytes),
			    .type_internal = (u8_t)PBUF_RAM,
			    .ref = 1 };
	tcp->src = be16(pcb->local_port);
	tcp->dest = be16(pcb->remote_port);
	tcp->seqno = be32(seq);
	TCPH_HDRLEN_FLAGS_SET(tcp, (TCP_HLEN + options) / 4, 0);
	tcp->urgp = 0;
	*seg = (struct tcp_seg){ .p = p, .len = (u16_t)bytes, .flags = options ? TF_SEG_OPTS_TS : 0, .tcphdr = tcp };
	return seg;
}

void segment_settle(struct tcp_seg *seg)
{
	uint32_t left = seg->p->tot_len;

	for (struct pbuf *p = seg->p; p; p = p->next) {
		p->tot_len = (u16_t)left;
		left -= p->len;
	}
}

/* ---- the queue ---- */
/* What waits to be sent again stands there too, and may stand last: what follows it in the stream is under way. */
static bool is_end_of_stream(const struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
	return be32(seg->tcphdr->seqno) + TCP_TCPLEN(seg) == pcb->snd_lbb;
}

static void find_tail(struct writer *w)
{
	struct tcp_seg *seg = w->pcb->unsent;

	if (likely(!seg))
		return;
	while (seg->next)
		seg = seg->next;
	w->tail = seg;
	if ((TCPH_FLAGS(seg->tcphdr) & NO_APPEND) || seg->len >= w->limit || !is_end_of_stream(w->pcb, seg))
		return;
	w->last = seg->p;
	w->pieces = PIECES_MAX - 1;
	for (struct pbuf *p = seg->p->next; p && w->pieces; p = p->next, w->pieces--)
		w->last = p;
	if (w->pieces)
		w->space = w->limit - seg->len;
}

static void finish_segment(struct writer *w)
{
	struct tcp_pcb *pcb = w->pcb;
	struct tcp_seg *seg = w->tail;

	if (!w->added_pbufs && !w->added_bytes)
		return;
	seg->len = (u16_t)(seg->len + w->added_bytes);
	seg->p->tot_len = (u16_t)(seg->p->tot_len + w->added_bytes);
	if (!w->is_settled)
		segment_settle(seg);
	pcb->snd_lbb += w->added_bytes;
	pcb->snd_buf -= w->added_bytes;
	pcb->snd_queuelen = (u16_t)(pcb->snd_queuelen + w->added_pbufs);
	w->added_bytes = w->added_pbufs = 0;
}

static inline void account(struct writer *w, uint32_t bytes)
{
	w->space -= bytes;
	w->room -= bytes;
	w->added_bytes += bytes;
}

/* A new segment at the end, with @bytes of @copy in it. */
static bool begin_segment(struct writer *w, const void *copy, uint32_t bytes)
{
	struct tcp_pcb *pcb = w->pcb;
	struct tcp_seg *seg;

	finish_segment(w);
	w->is_settled = false;
	seg = segment_new(pcb, pcb->snd_lbb, copy, bytes);
	if (unlikely(!seg))
		return false;
	if (w->tail)
		w->tail->next = seg;
	else
		pcb->unsent = seg;
	w->tail = seg;
	w->last = seg->p;
	w->space = w->limit - bytes;
	w->room -= bytes;
	w->pieces = PIECES_MAX - 1;
	w->pbufs--;
	pcb->snd_lbb += bytes;
	pcb->snd_buf -= bytes;
	pcb->snd_queuelen++;
	return true;
}

static inline void add_piece(struct writer *w, struct pbuf *p, uint32_t bytes)
{
	w->last->next = p;
	w->last = p;
	w->pieces--;
	w->pbufs--;
	w->added_pbufs++;
	w->is_settled = false;
	account(w, bytes);
}

static inline bool has_space(const struct writer *w)
{
	return w->space && w->pieces;
}

/* Behind what is already gathered in the last piece. Return: bytes that found room there. */
static uint32_t gather(struct writer *w, const uint8_t *data, uint32_t bytes)
{
	struct pbuf *p = w->last;
	uint32_t part = MIN(bytes, w->space);
	char *end;

	if (p == w->tail->p || p->type_internal != (u8_t)PBUF_RAM)
		return 0;
	end = (char *)p->payload + p->len;
	part = MIN(part, (uint32_t)((char *)p + PIECE_COPIES_BYTES - end));
	memcpy(end, data, part);
	p->len = (u16_t)(p->len + part);
	w->is_settled = false;
	account(w, part);
	return part;
}

/*
 * @bytes, few, at @data. Return: how many were taken. What a segment begins with is no longer than one may be on the wire:
 * of a frame in one piece output.c does not ask whether the device has to cut it.
 */
static uint32_t write_copy(struct writer *w, const uint8_t *data, uint32_t bytes)
{
	uint32_t taken = 0, part;
	struct pbuf *p;

	bytes = MIN(bytes, w->room);
	if (has_space(w))
		taken = gather(w, data, bytes);
	for (; taken < bytes && w->pbufs; taken += part) {
		if (!has_space(w)) {
			part = MIN(bytes - taken, tcp_train_unit(w->pcb));
			if (!begin_segment(w, data + taken, part))
				break;
			continue;
		}
		part = MIN(MIN(bytes - taken, w->space), (uint32_t)(PIECE_COPIES_BYTES - PIECE_PBUF_BYTES));
		p = piece_copied(data + taken, part);
		if (!p)
			break;
		add_piece(w, p, part);
	}
	return taken;
}

/*
 * Whole ranges of lent buffers, as many from @r on as the last segment takes: what an echo of a long message
 * consists of. Return: the first range that is something else. @taken: grows by what was queued.
 */
static const struct net_range *write_lent(struct writer *w, const struct net_range *r, const struct net_range *end,
					  uint32_t *taken)
{
	uint32_t most = MIN(w->space, w->room), left = MIN(w->pieces, w->pbufs), bytes = 0;
	struct pbuf *last = w->last;
	const struct net_range *first = r;

	if ((uint32_t)(end - r) > left)
		end = r + left;
	for (; r != end; r++) {
		uint32_t part = r->bytes;
		struct rx_buf *x;
		struct pbuf *p;

		if (!r->lent || part <= TCP_COPY_MAX || part > most - bytes)
			break;
		x = rx_of(r->lent);
		if (x->is_pbuf_used)
			break;
		p = piece_own(x, r->data, part);
		last->next = p;
		last = p;
		bytes += part;
	}
	left = (uint32_t)(r - first);
	w->last = last;
	w->pieces -= left;
	w->pbufs -= left;
	w->added_pbufs += left;
	account(w, bytes);
	*taken += bytes;
	return r;
}

static uint32_t write_reference(struct writer *w, const struct net_range *r)
{
	uint32_t bytes = MIN(r->bytes, w->room), taken = 0, part;

	for (; taken < bytes && w->pbufs > 1; taken += part) {
		bool is_new = !has_space(w);
		const uint8_t *data = r->data + taken;
		struct pbuf *p;

		part = MIN(bytes - taken, is_new ? w->limit : w->space);
		p = r->lent ? piece_lent(r->lent, data, part)
			    : pbuf_alloc_reference((void *)(uintptr_t)data, (u16_t)part, PBUF_ROM);
		if (unlikely(!p))
			break;
		if (unlikely(is_new && !begin_segment(w, NULL, 0))) {
			pbuf_free(p);
			break;
		}
		add_piece(w, p, part);
	}
	return taken;
}

/* What is short; and while receive buffers are, what would keep one for little. */
static bool is_copied(const struct net_range *r)
{
	return r->bytes <= TCP_COPY_MAX || unlikely(net_self.is_low && r->lent && r->bytes < BUF_BYTES / 2);
}

uint32_t tcp_queue_write(struct conn *c, const struct net_range *ranges, unsigned count, bool has_more)
{
	struct tcp_pcb *pcb = pcb_of(c);
	struct writer w = { .pcb = pcb, .limit = tcp_train_limit(pcb), .room = pcb->snd_buf };
	const struct net_range *r = ranges, *end = ranges + count;
	uint32_t taken = 0, part;

	if ((pcb->state != ESTABLISHED && pcb->state != CLOSE_WAIT) || !tcp_queue_has_room(pcb))
		return 0;
	w.pbufs = TCP_SND_QUEUELEN - pcb->snd_queuelen;
	find_tail(&w);
	for (; r != end; r++) {
		if (w.space && likely(!net_self.is_low)) {
			r = write_lent(&w, r, end, &taken);
			if (r == end)
				break;
		}
		part = is_copied(r) ? write_copy(&w, r->data, r->bytes) : write_reference(&w, r);
		taken += part;
		if (part < r->bytes)
			break;
	}
	finish_segment(&w);
	c->queued += taken;
	if (r == end && w.tail && !has_more)
		TCPH_SET_FLAG(w.tail->tcphdr, TCP_PSH);
	return taken;
}

/* Bytes in the oldest buffer; 0: there is none, or it is none that add_back() would take where @room bytes are left. */
static uint32_t next_back(const struct conn *c, uint32_t room)
{
	const struct rx_buf *x = c->rx_head ? rx_of(c->rx_head) : NULL;

	return x && x->len > TCP_COPY_MAX && x->len <= room && rx_is_whole(x) ? x->len : 0;
}

/*
 * Whole buffers from the head of the receive queue, behind what the last segment has, as far as it takes them and @bytes reach;
 * the queue's references become the segment's. Return: bytes in them.
 */
static uint32_t add_back(struct writer *w, struct conn *c, uint32_t bytes)
{
	uint32_t most = MIN(bytes, w->space), left = most, pieces = MIN(w->pieces, w->pbufs), n = 0;
	bool is_first = w->last == w->tail->p;
	struct pbuf *last = w->last;
	struct buf *b = c->rx_head;

	for (; left && n < pieces; n++) {
		struct rx_buf *x = rx_of(b);
		uint32_t len = x->len;

		if (unlikely(len > left || len <= TCP_COPY_MAX || !rx_is_whole(x)))
			break;
		last->next = &x->pbuf.pbuf;
		last = &x->pbuf.pbuf;
		piece_set(&x->pbuf, b->data + x->start, len, left);
		x->pbuf.custom_free_function = piece_free_own;
		x->owner = NULL;
		x->is_pbuf_used = 1;
		left -= len;
		b = x->next;
	}
	if (!n)
		return 0;
	last->next = NULL;
	w->last = last;
	w->pieces -= n;
	w->pbufs -= n;
	w->added_pbufs += n;
	w->is_settled = is_first && !left;
	account(w, most - left);
	tcp_rx_take_off(c, b, n, most - left);
	return most - left;
}

uint32_t tcp_queue_back(struct conn *c, uint32_t bytes, bool has_more)
{
	struct tcp_pcb *pcb = pcb_of(c);
	struct writer w = { .pcb = pcb, .limit = tcp_train_limit(pcb), .room = pcb->snd_buf };
	uint32_t taken = 0, next;

	if (!tcp_queue_has_room(pcb))
		return 0;
	w.pbufs = TCP_SND_QUEUELEN - pcb->snd_queuelen;
	find_tail(&w);
	while ((next = next_back(c, MIN(MIN(bytes - taken, w.room), w.limit))) && w.pbufs > 1) {
		if ((next > w.space || !w.pieces) && unlikely(!begin_segment(&w, NULL, 0)))
			break;
		taken += add_back(&w, c, MIN(bytes - taken, w.room));
	}
	finish_segment(&w);
	c->queued += taken;
	if (taken == bytes && w.tail && !has_more)
		TCPH_SET_FLAG(w.tail->tcphdr, TCP_PSH);
	return taken;
}

bool tcp_queue_ends_stream(const struct tcp_pcb *pcb)
{
	const struct tcp_seg *last = pcb->unsent;

	while (last && last->next)
		last = last->next;
	return !last || is_end_of_stream(pcb, last);
}

void tcp_queue_end(struct tcp_pcb *pcb, void (*end)(struct tcp_pcb *pcb))
{
	struct tcp_seg *again = tcp_queue_ends_stream(pcb) ? NULL : pcb->unsent, **link = &again;

	if (again)
		pcb->unsent = NULL;
	end(pcb);
	if (!again)
		return;
	while (*link)
		link = &(*link)->next;
	*link = pcb->unsent;
	pcb->unsent = again;
}
