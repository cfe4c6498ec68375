/* SPDX-License-Identifier: MIT */
/*
 * Trains: segments in lwIP's queues that are many times as long as what goes over the wire, because the
 * device cuts them [virtio-1.2 5.1.6.2], or cut.c on the way to one that does not. lwIP sends, keeps and frees a segment whatever its length; it
 * must never see one that is too long for the windows, or be about to send one again. Cutting copies
 * nothing but what was copied already.
 */
#include "kernel/base/bytes.h"
#include "kernel/net/output.h"
#include "kernel/net/tcp_piece.h"
#include "kernel/net/tcp_queue.h"

#define TRAIN_BYTES 65449u /* 2^16 - 1 with every header in front: Ethernet, IPv6, TCP with a timestamp */

uint32_t tcp_train_unit(const struct tcp_pcb *pcb)
{
	/* As tcp_write(): a receiver with a tiny window gets half of it at a time [RFC 9293 3.8.6.2.1]. */
	uint32_t half = pcb->snd_wnd_max / 2, most = half && half < pcb->mss ? half : pcb->mss;
	uint32_t options = tcp_option_bytes(pcb);

	return most > options ? most - options : 1;
}

uint32_t tcp_train_limit(const struct tcp_pcb *pcb)
{
	uint32_t unit = tcp_train_unit(pcb);

	return pcb->snd_wnd_max / 2 >= pcb->mss ? MIN(TRAIN_BYTES / unit, output_train_units(pcb)) * unit : unit;
}

/* ---- cutting ---- */
/* Payload bytes in @p, a pbuf of @seg. */
static uint32_t payload_in(const struct tcp_seg *seg, const struct pbuf *p)
{
	const char *data = (const char *)seg->tcphdr + TCPH_HDRLEN_BYTES(seg->tcphdr);

	return p == seg->p ? (uint32_t)((const char *)p->payload + p->len - data) : p->len;
}

/* The segment that begins with what lies behind @left bytes of @p, which is in @seg; its chain goes on as @seg's. */
static struct tcp_seg *begin_rest(struct tcp_pcb *pcb, struct tcp_seg *seg, uint32_t seq, struct pbuf *p, uint32_t left)
{
	uint32_t over = payload_in(seg, p) - left;
	bool is_inline = p == seg->p;
	struct pbuf *again = NULL;
	struct tcp_seg *rest;

	if (over && !is_inline) {
		again = piece_again(p, left);
		if (!again)
			return NULL;
	}
	rest = segment_new(pcb, seq, (const char *)p->payload + p->len - over, is_inline ? over : 0);
	if (!rest) {
		if (again)
			pbuf_free(again);
		return NULL;
	}
	rest->p->next = again ? again : p->next;
	if (again)
		again->next = p->next;
	pcb->snd_queuelen = (u16_t)(pcb->snd_queuelen + (again ? 2 : 1));
	p->len = (u16_t)(p->len - over);
	p->next = NULL;
	return rest;
}

bool tcp_train_cut(struct tcp_pcb *pcb, struct tcp_seg *seg, uint32_t bytes)
{
	uint32_t left = bytes, rest_bytes = seg->len - bytes;
	struct pbuf *p = seg->p;
	struct tcp_seg *rest;

	if (seg->p->ref != 1)
		return false;
	for (; payload_in(seg, p) < left; p = p->next)
		left -= payload_in(seg, p);
	rest = begin_rest(pcb, seg, be32(seg->tcphdr->seqno) + bytes, p, left);
	if (!rest)
		return false;
	rest->len = (u16_t)rest_bytes;
	rest->p->tot_len = (u16_t)(TCPH_HDRLEN_BYTES(rest->tcphdr) + rest_bytes);
	rest->flags = seg->flags;
	memcpy(rest->tcphdr + 1, seg->tcphdr + 1, tcp_option_bytes(pcb)); /* when it was sent (tcp_sack.c) */
	TCPH_SET_FLAG(rest->tcphdr, TCPH_FLAGS(seg->tcphdr) & (TCP_PSH | TCP_FIN));
	TCPH_UNSET_FLAG(seg->tcphdr, TCP_PSH | TCP_FIN);
	seg->len = (u16_t)bytes;
	seg->p->tot_len = (u16_t)(seg->p->tot_len - rest_bytes);
	rest->next = seg->next;
	seg->next = rest;
	segment_settle(seg);
	segment_settle(rest);
	return true;
}

/* ---- before sending ---- */
/* With Nagle's algorithm the end that fills no segment waits for an acknowledgement [RFC 9293 3.7.4]. */
static bool is_end_held_back(const struct tcp_pcb *pcb, const struct tcp_seg *seg, uint32_t unit)
{
	return !tcp_nagle_disabled(pcb) && !seg->next && seg->len % unit && !(TCPH_FLAGS(seg->tcphdr) & TCP_FIN);
}

/* A packet that has to wait for its neighbour is copied into a buffer: no train can. */
static uint32_t limit_now(struct conn *c)
{
	const struct tcp_pcb *pcb = pcb_of(c);

	return output_link_is_known(c) ? tcp_train_limit(pcb) : tcp_train_unit(pcb);
}

void tcp_train_fit(struct conn *c)
{
	struct tcp_pcb *pcb = pcb_of(c);
	uint32_t window = MIN(pcb->snd_wnd, pcb->cwnd), unit = tcp_train_unit(pcb);

	for (struct tcp_seg *seg = pcb->unsent; seg; seg = seg->next) {
		uint32_t at = be32(seg->tcphdr->seqno) - pcb->lastack;

		if (seg->len > unit && seg->len > limit_now(c))
			(void)tcp_train_cut(pcb, seg, limit_now(c));
		if (at + seg->len > window) {
			/* One that can wait is the size of those that lwIP's timers know how to probe with. */
			uint32_t room = at < window ? window - at : 0;

			if (seg->len > unit)
				(void)tcp_train_cut(pcb, seg, MAX(room / unit, 1u) * unit);
			return;
		}
		if (seg->len > unit && is_end_held_back(pcb, seg, unit))
			(void)tcp_train_cut(pcb, seg, seg->len / unit * unit);
	}
}

/* ---- before sending again ---- */
/* The peer has part of the oldest segment: lwIP frees whole ones only. */
static void trim(struct conn *c)
{
	struct tcp_pcb *pcb = pcb_of(c);
	struct tcp_seg *seg = pcb->unacked;
	uint32_t acked = pcb->lastack - be32(seg->tcphdr->seqno);

	if (!acked || acked >= seg->len || !tcp_train_cut(pcb, seg, acked))
		return;
	pcb->unacked = seg->next;
	pcb->snd_queuelen = (u16_t)(pcb->snd_queuelen - pbuf_clen(seg->p));
	pcb->snd_buf += acked;
	tcp_seg_free(seg);
	c->acked += acked;
	tcp_out_release(c);
}

static void dissolve(struct tcp_pcb *pcb, struct tcp_seg *seg, uint32_t unit)
{
	for (; seg; seg = seg->next)
		if (seg->len > unit)
			(void)tcp_train_cut(pcb, seg, unit);
}

void tcp_train_dissolve(struct conn *c)
{
	struct tcp_pcb *pcb = pcb_of(c);
	uint32_t unit = tcp_train_unit(pcb);

	if (pcb->unacked)
		trim(c);
	dissolve(pcb, pcb->unacked, unit);
	if (pcb->unsent && pcb->unsent->len > unit)
		(void)tcp_train_cut(pcb, pcb->unsent, unit);
}

void tcp_train_part_last(struct conn *c)
{
	struct tcp_pcb *pcb = pcb_of(c);
	struct tcp_seg *seg = pcb->unacked;
	uint32_t unit = tcp_train_unit(pcb);

	if (!seg)
		return;
	trim(c);
	for (seg = pcb->unacked; seg->next; seg = seg->next)
		;
	if (seg->len > unit)
		(void)tcp_train_cut(pcb, seg, (seg->len - 1) / unit * unit);
}
