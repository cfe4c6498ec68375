/* SPDX-License-Identifier: MIT */
/*
 * The short answer, the other half of header prediction (tcp_fast.c): a segment of a few copied bytes, or a FIN
 * after the peer's, is queued and sent here, field for field as lwIP's tcp_write(), tcp_close() and tcp_output()
 * would leave the pcb. Whatever is not exactly that is left to lwIP. [RFC 9293 3.7 and 3.8, RFC 7323 A]
 */
#include "kernel/base/bytes.h"
#include "kernel/mem/mem.h"
#include "kernel/net/neighbour.h"
#include "kernel/net/output.h"
#include "kernel/net/tcp_ecn.h"
#include "kernel/net/tcp_fast.h"
#include "kernel/net/tcp_queue.h"
#include "kernel/net/tcp_ts.h"

/*
 * A short segment is one block: the pbuf, room for output.c's note, lwIP's segment, room for headers as lwIP
 * leaves it, data. port_free() knows a segment inside a block by its address.
 */
#define NOTE_END (sizeof(struct pbuf) + PBUF_LINK_ENCAPSULATION_HLEN)
#define DATA_AT LWIP_MEM_ALIGN_SIZE(NOTE_END + sizeof(struct tcp_seg) + PBUF_TRANSPORT - PBUF_LINK_ENCAPSULATION_HLEN)
_Static_assert(NOTE_END % PORT_BLOCK_ALIGN == PORT_INSIDE, "no block begins where the segment does");
_Static_assert((DATA_AT - TCP_HLEN) % sizeof(uint32_t) == 0, "lwIP reads the header by words");

static WITHIN void write_header(const struct tcp_pcb *pcb, struct tcp_hdr *tcp, uint32_t words, uint32_t flags)
{
	uint32_t ports, rest;

	memcpy(&ports, &pcb->local_port, sizeof(ports));
	ports = be32(ports << 16 | ports >> 16);
	rest = words << 4 | flags << 8;
	memcpy(tcp, &ports, sizeof(ports));
	tcp->seqno = be32(pcb->snd_lbb);
	memcpy((char *)tcp + 12, &rest, sizeof(rest)); /* length, flags, window */
	memset((char *)tcp + 16, 0, 4);
}

/* The segment in block @p, whose data, behind @options, is in its place; the next one of the stream, and the only one. */
static WITHIN void put_segment(struct tcp_pcb *pcb, struct pbuf *p, uint32_t options, uint32_t bytes, uint32_t flags)
{
	struct tcp_hdr *tcp = (struct tcp_hdr *)(void *)((char *)p + DATA_AT - TCP_HLEN);
	struct tcp_seg *seg = (struct tcp_seg *)(void *)((char *)p + NOTE_END);

	write_header(pcb, tcp, (TCP_HLEN + options) / 4, flags);
	*p = (struct pbuf){ .payload = tcp,
			    .len = (u16_t)(TCP_HLEN + options + bytes),
			    .tot_len = (u16_t)(TCP_HLEN + options + bytes),
			    .type_internal = (u8_t)PBUF_RAM,
			    .ref = 1 };
	*seg = (struct tcp_seg){ .p = p, .len = (u16_t)bytes, .flags = options ? TF_SEG_OPTS_TS : 0, .tcphdr = tcp };
	pcb->unsent = seg;
	pcb->snd_queuelen++;
}

bool tcp_fast_write(struct conn *c, const uint8_t *data, uint32_t bytes, bool has_more)
{
	struct tcp_pcb *pcb = pcb_of(c);
	uint32_t options = tcp_option_bytes(pcb);
	struct pbuf *p;

	if (pcb->unsent || bytes > TCP_COPY_MAX || pcb->state != ESTABLISHED || (pcb->flags & SPECIAL) ||
	    bytes + options > MIN(pcb->mss, pcb->snd_wnd_max / 2) || bytes > pcb->snd_buf || !tcp_queue_has_room(pcb))
		return false;
	p = mem_alloc(DATA_AT + options + bytes);
	if (unlikely(!p))
		return false;
	memcpy((char *)p + DATA_AT + options, data, bytes);
	put_segment(pcb, p, options, bytes, has_more ? 0 : TCP_PSH);
	pcb->snd_lbb += bytes;
	pcb->snd_buf -= bytes;
	c->queued += bytes;
	return true;
}

bool tcp_fast_mark(struct tcp_pcb *pcb, uint32_t options, uint32_t flags)
{
	struct pbuf *p = mem_alloc(DATA_AT + options);

	if (unlikely(!p))
		return false;
	put_segment(pcb, p, options, 0, flags);
	pcb->snd_lbb++;
	return true;
}

bool tcp_fast_close(struct conn *c)
{
	struct tcp_pcb *pcb = pcb_of(c);

	if (pcb->state != CLOSE_WAIT || pcb->unsent || (pcb->flags & SPECIAL) || pcb->refused_data ||
	    pcb->rcv_wnd != TCP_WND_MAX(pcb) || !tcp_fast_mark(pcb, tcp_option_bytes(pcb), TCP_FIN))
		return false;
	tcp_set_flags(pcb, TF_RXCLOSED | TF_FIN);
	pcb->state = LAST_ACK;
	return true;
}

/* One short segment, for the first time, with nothing else under way; its connection is in a state for it. */
static WITHIN bool is_plain_output(const struct conn *c, const struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
	return seg && !seg->next && !pcb->unacked && !(seg->flags & ~TF_SEG_OPTS_TS) && !pcb->persist_backoff &&
	       seg->p->ref == 1 && seg->p->payload == (void *)seg->tcphdr &&
	       be32(seg->tcphdr->seqno) - pcb->lastack + seg->len <= MIN(pcb->snd_wnd, pcb->cwnd) &&
	       c->l2_version == neighbour_version();
}

static void write_timestamp(const struct conn *c, struct tcp_hdr *tcp)
{
	const struct tcp_pcb *pcb = pcb_of((struct conn *)(uintptr_t)c);
	uint64_t begin = be32(TS_ALIGNED) | (uint64_t)be32(ts_clock(c)) << 32;
	uint32_t echo = be32(pcb->ts_recent);

	memcpy(tcp + 1, &begin, sizeof(begin));
	memcpy((char *)(tcp + 1) + sizeof(begin), &echo, sizeof(echo));
}

/* Return: whether the device has it. */
static WITHIN bool output_plain(struct conn *c, struct tcp_seg *seg, uint32_t seq)
{
	struct tcp_pcb *pcb = pcb_of(c);
	struct tcp_hdr *tcp = seg->tcphdr;

	TCPH_SET_FLAG(tcp, TCP_ACK);
	tcp->ackno = be32(pcb->rcv_nxt);
	tcp->wnd = be16((uint16_t)MIN(pcb->rcv_ann_wnd >> pcb->rcv_scale, 0xffffu));
	pcb->ts_lastacksent = pcb->rcv_nxt;
	if (seg->flags)
		write_timestamp(c, tcp);
	if (unlikely(c->flags & CONN_ECN))
		ecn_output(c, tcp, seg->len);
	pcb->rcv_ann_right_edge = pcb->rcv_nxt + pcb->rcv_ann_wnd;
	if (pcb->rtime < 0)
		pcb->rtime = 0;
	if (!pcb->rttest) {
		pcb->rttest = tcp_ticks;
		pcb->rtseq = seq;
	}
	if (output_segment(seg->p, c) != ERR_OK) {
		tcp_set_flags(pcb, TF_NAGLEMEMERR);
		conn_after(c);
		return false;
	}
	pcb->unsent = NULL;
	pcb->unacked = seg;
	tcp_clear_flags(pcb, TF_ACK_DELAY | TF_ACK_NOW);
	return true;
}

/* As tcp_fast_output(), of a FIN that is alone in its segment. */
static APART bool output_fin(struct conn *c)
{
	struct tcp_pcb *pcb = pcb_of(c);
	bool is_plain = is_plain_output(c, pcb, pcb->unsent) && !pcb->unsent->len &&
			(pcb->flags & SPECIAL) == (TF_RXCLOSED | TF_FIN);

	if (is_plain && output_plain(c, pcb->unsent, pcb->snd_lbb - 1)) {
		pcb->snd_nxt = pcb->snd_lbb;
		conn_after(c);
	}
	return is_plain;
}

/* As conn_after_plain(), after a segment with data has gone and taken the acknowledgement along. */
static WITHIN void after_output(struct conn *c)
{
	const struct tcp_pcb *pcb = pcb_of(c);

	if (likely(!pcb->so_options && pcb->rtime == 0 && !net_self.is_sending_blocked))
		timers_restart(c);
	else
		conn_after_plain(c);
}

bool tcp_fast_output(struct conn *c)
{
	struct tcp_pcb *pcb = pcb_of(c);
	struct tcp_seg *seg = pcb->unsent;
	uint32_t seq;

	if (unlikely(pcb->state != ESTABLISHED))
		return pcb->state == LAST_ACK && output_fin(c);
	if (!is_plain_output(c, pcb, seg) || !seg->len || (pcb->flags & SPECIAL))
		return false;
	seq = be32(seg->tcphdr->seqno);
	if (!output_plain(c, seg, seq))
		return true;
	if (TCP_SEQ_LT(pcb->snd_nxt, seq + seg->len))
		pcb->snd_nxt = seq + seg->len;
	after_output(c);
	return true;
}
