/* SPDX-License-Identifier: MIT */
/*
 * Data into lwIP's queue of unsent segments, in the form in which its tcp_write() leaves it, from several
 * ranges at once and without a walk for each: short ranges copied, others referenced where they lie. The
 * pbuf over a range of a receive buffer is the one that lies with the buffer, and keeps it from being
 * posted again until lwIP and the device have let go.
 */
#include "kernel/net/tcp_queue.h"

#include "kernel/base/bytes.h"
#include "kernel/mem/mem.h"
#include "kernel/net/pressure.h"
#include "kernel/nic/nic.h"

/* As pbuf_alloc(PBUF_TRANSPORT, n, PBUF_RAM) lays one out: itself, room for headers, data. */
#define HEADED_BYTES LWIP_MEM_ALIGN_SIZE(LWIP_MEM_ALIGN_SIZE(sizeof(struct pbuf)) + PBUF_TRANSPORT)
#define PBUF_BYTES LWIP_MEM_ALIGN_SIZE(sizeof(struct pbuf))
#define COPIES_BYTES 512u                 /* a block that short ranges are gathered in, its pbuf included */
#define PIECES_MAX (NIC_TX_SEGS_MAX - 1u) /* of one segment; its Ethernet header never lies apart */
#define NO_APPEND (TCP_SYN | TCP_FIN | TCP_RST)

/* One more range over a receive buffer whose own pbuf is in use. */
struct lent_piece {
	struct pbuf_custom custom;
	struct buf *buf;
};

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

/* ---- pieces ---- */
static void free_own(struct pbuf *p)
{
	struct buf *b = buf_of_pbuf(p);

	rx_of(b)->is_pbuf_used = 0;
	rx_put(b);
}

static void free_extra(struct pbuf *p)
{
	struct lent_piece *piece = (struct lent_piece *)(void *)p;

	rx_put(piece->buf);
	mem_free(piece);
}

static inline void set_custom(struct pbuf_custom *custom, const uint8_t *data, uint32_t bytes)
{
	custom->pbuf = (struct pbuf){ .payload = (void *)(uintptr_t)data,
				      .tot_len = (u16_t)bytes,
				      .len = (u16_t)bytes,
				      .type_internal = (u8_t)PBUF_REF,
				      .flags = PBUF_FLAG_IS_CUSTOM,
				      .ref = 1 };
}

/* With the pbuf that lies with the buffer and is not in use. */
static inline struct pbuf *lent_own(struct rx_buf *x, const uint8_t *data, uint32_t bytes)
{
	set_custom(&x->pbuf, data, bytes);
	x->pbuf.custom_free_function = free_own;
	x->is_pbuf_used = 1;
	x->refs++;
	return &x->pbuf.pbuf;
}

static struct pbuf *lent_piece(struct buf *b, const uint8_t *data, uint32_t bytes)
{
	struct rx_buf *x = rx_of(b);
	struct lent_piece *extra;

	if (likely(!x->is_pbuf_used))
		return lent_own(x, data, bytes);
	extra = mem_alloc(sizeof(*extra));
	if (!extra)
		return NULL;
	extra->buf = b;
	set_custom(&extra->custom, data, bytes);
	extra->custom.custom_free_function = free_extra;
	x->refs++;
	return &extra->custom.pbuf;
}

/* A block of its own, with room behind them for what is copied next. */
static struct pbuf *copied_piece(const void *data, uint32_t bytes)
{
	struct pbuf *p = port_malloc(COPIES_BYTES);

	if (!p)
		return NULL;
	*p = (struct pbuf){ .payload = (char *)p + PBUF_BYTES,
			    .tot_len = (u16_t)bytes,
			    .len = (u16_t)bytes,
			    .type_internal = (u8_t)PBUF_RAM,
			    .ref = 1 };
	memcpy(p->payload, data, bytes);
	return p;
}

struct pbuf *piece_again(struct pbuf *p, uint32_t skip)
{
	const uint8_t *data = (const uint8_t *)p->payload + skip;
	uint32_t bytes = p->len - skip;

	if (p->flags & PBUF_FLAG_IS_CUSTOM) {
		const struct pbuf_custom *custom = (const struct pbuf_custom *)(const void *)p;

		return lent_piece(custom->custom_free_function == free_own
					  ? buf_of_pbuf(p)
					  : ((const struct lent_piece *)(const void *)p)->buf,
				  data, bytes);
	}
	if (p->type_internal == (u8_t)PBUF_RAM)
		return copied_piece(data, bytes);
	return pbuf_alloc_reference((void *)(uintptr_t)data, (u16_t)bytes, PBUF_ROM);
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
	part = MIN(part, (uint32_t)((char *)p + COPIES_BYTES - end));
	memcpy(end, data, part);
	p->len = (u16_t)(p->len + part);
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
		part = MIN(MIN(bytes - taken, w->space), (uint32_t)(COPIES_BYTES - PBUF_BYTES));
		p = copied_piece(data + taken, part);
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
		p = lent_own(x, r->data, part);
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
		p = r->lent ? lent_piece(r->lent, data, part)
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
