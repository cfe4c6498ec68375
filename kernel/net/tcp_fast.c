/* SPDX-License-Identifier: MIT */
/*
 * Header prediction: the segment that a busy connection nearly always gets next (in order, established,
 * no options but an agreed timestamp, acknowledging what was sent or carrying data), is worked off here, field
 * for field as lwIP's tcp_input() would leave the pcb; the short answer to it is in tcp_fast_out.c. So are the
 * bare segments with which nearly every passive connection begins and ends: the acknowledgement of our SYN, the
 * peer's FIN, the acknowledgement of ours. Whatever is not exactly that is left to lwIP.
 * [RFC 9293 3.10.7.4, RFC 7323 5.3, RFC 5681 3.1, RFC 6298 2]
 */
#include "kernel/base/bytes.h"
#include "kernel/mem/mem.h"
#include "kernel/net/backlog.h"
#include "kernel/net/input.h"
#include "kernel/net/output.h"
#include "kernel/net/tcp_fast.h"
#include "kernel/net/tcp_piece.h"
#include "kernel/net/tcp_queue.h"
#include "kernel/net/tcp_recover.h"
#include "kernel/net/tcp_ecn.h"
#include "kernel/net/tcp_ts.h"
#include "kernel/net/word.h"

#define FLAG_FIN 1u
#define FLAG_PSH 8u
#define FLAG_ACK 16u
#define FLAGS_ECN 0xc0u /* not lwIP's: tcp_ecn.c */

/* @bytes: behind the header of @header bytes. */
static bool is_predicted(const struct conn *c, const struct tcp_pcb *pcb, const uint8_t *tcp, uint32_t header,
			 uint32_t bytes)
{
	uint32_t acked = word_at(tcp + 8) - pcb->lastack;

	return tcp[12] == header << 2 && (tcp[13] & ~(FLAG_PSH | FLAGS_ECN)) == FLAG_ACK && pcb->state == ESTABLISHED &&
	       word_at(tcp + 4) == pcb->rcv_nxt && !(pcb->flags & SPECIAL) && !(c->flags & CONN_UNPREDICTED) &&
	       !pcb->ooseq && !pcb->persist_backoff && !pcb->refused_data && half_at(tcp + 14) &&
	       (!pcb->unsent || be32(pcb->unsent->tcphdr->seqno) == pcb->snd_nxt) && bytes <= pcb->rcv_wnd &&
	       acked <= pcb->snd_nxt - pcb->lastack && (acked || bytes);
}

/*
 * Return: whether the option is as predicted and not old; whether it is remembered then goes by what we have
 * acknowledged [RFC 7323 4.3]. The segment begins at what is expected next.
 */
static WITHIN bool take_timestamp(struct conn *c, const uint8_t *tcp)
{
	struct tcp_pcb *pcb = pcb_of(c);
	uint32_t value = word_at(tcp + TCP_HLEN + 4);

	if (word_at(tcp + TCP_HLEN) != TS_ALIGNED || (int32_t)(value - pcb->ts_recent) < 0)
		return false;
	if (pcb->ts_lastacksent == pcb->rcv_nxt)
		pcb->ts_recent = value;
	if (unlikely(!pcb->rttest))
		ts_take_echo(c, word_at(tcp + 8), word_at(tcp + TCP_HLEN + 8));
	return true;
}

static WITHIN void update_send_window(struct tcp_pcb *pcb, uint32_t seq, uint32_t ack, uint32_t window)
{
	if (!TCP_SEQ_LT(pcb->snd_wl1, seq) && !(pcb->snd_wl1 == seq && TCP_SEQ_LT(pcb->snd_wl2, ack)) &&
	    !(pcb->snd_wl2 == ack && window > pcb->snd_wnd))
		return;
	pcb->snd_wnd = window;
	pcb->snd_wnd_max = MAX(pcb->snd_wnd_max, window);
	pcb->snd_wl1 = seq;
	pcb->snd_wl2 = ack;
}

static void grow_congestion_window(struct tcp_pcb *pcb, uint32_t acked)
{
	if (pcb->cwnd < pcb->ssthresh) {
		TCP_WND_INC(pcb->cwnd, MIN(acked, 2u * pcb->mss));
		return;
	}
	TCP_WND_INC(pcb->bytes_acked, acked);
	if (pcb->bytes_acked >= pcb->cwnd) {
		pcb->bytes_acked -= pcb->cwnd;
		TCP_WND_INC(pcb->cwnd, pcb->mss);
	}
}

static APART unsigned free_pieces(struct tcp_seg *seg)
{
	unsigned n = pieces_free(seg->p); /* and the segment, if it is in there */

	port_free(seg);
	return n;
}

/* Return: pbufs that it had. */
static WITHIN unsigned free_segment(struct tcp_seg *seg)
{
	struct pbuf *p = seg->p;

	if (unlikely(!port_is_inside(seg) || p->ref != 1 || p->next))
		return free_pieces(seg);
	mem_free(p); /* and the segment in it */
	return 1;
}

/* Return: bytes of data in the segments that this acknowledges. */
static WITHIN uint32_t free_acked(struct tcp_pcb *pcb, uint32_t ack)
{
	bool is_all = ack == pcb->snd_nxt; /* most often, and then none of them needs to be asked */
	uint32_t bytes = 0;

	while (pcb->unacked) {
		struct tcp_seg *seg = pcb->unacked;

		if (!is_all && !TCP_SEQ_LEQ(be32(seg->tcphdr->seqno) + TCP_TCPLEN(seg), ack))
			break;
		pcb->unacked = seg->next;
		bytes += seg->len;
		pcb->snd_queuelen = (u16_t)(pcb->snd_queuelen - free_segment(seg));
	}
	return bytes;
}

static WITHIN uint32_t take_ack(struct tcp_pcb *pcb, uint32_t ack)
{
	uint32_t acked = ack - pcb->lastack, bytes;

	pcb->nrtx = 0;
	pcb->rto = (s16_t)((pcb->sa >> 3) + pcb->sv);
	pcb->dupacks = 0;
	pcb->lastack = ack;
	grow_congestion_window(pcb, acked);
	bytes = free_acked(pcb, ack);
	pcb->rtime = pcb->unacked ? 0 : -1;
	pcb->polltmr = 0;
	pcb->snd_buf += bytes;
	return bytes;
}

/* lwIP keeps the mean times eight and the deviation times four. */
static WITHIN void take_round_trip(struct tcp_pcb *pcb, uint32_t ack)
{
	uint32_t elapsed = tcp_ticks - pcb->rttest;
	int m;

	if (!pcb->rttest)
		return;
	if (unlikely(elapsed > ROUND_TRIP_MAX_MS)) {
		elapsed = ROUND_TRIP_MAX_MS;
		pcb->rttest = tcp_ticks - elapsed;
	}
	if (!TCP_SEQ_LT(pcb->rtseq, ack))
		return;
	m = (int)elapsed - (pcb->sa >> 3);
	pcb->sa = (s16_t)(pcb->sa + m);
	m = (m < 0 ? -m : m) - (pcb->sv >> 2);
	pcb->sv = (s16_t)(pcb->sv + m);
	pcb->rto = (s16_t)((pcb->sa >> 3) + pcb->sv);
	pcb->rttest = 0;
}

/* As lwip_tcp_event() does, without the general case. */
static WITHIN void release(struct conn *c, uint32_t bytes)
{
	c->acked += bytes;
	if (unlikely(c->busy[0] || c->busy[1])) {
		tcp_out_release(c);
		return;
	}
	c->released = c->acked;
	c->flags &= ~CONN_GRACE;
	if (c->handle)
		conn_mark(c);
}

/* As tcp_update_rcv_ann_wnd(). Return: by how much the right edge moves. */
static WITHIN uint32_t update_announced(struct tcp_pcb *pcb)
{
	uint32_t edge = pcb->rcv_nxt + pcb->rcv_wnd, announced = pcb->rcv_ann_right_edge;

	if (likely(TCP_SEQ_GEQ(edge, announced + MIN(TCP_WND / 2, (uint32_t)pcb->mss)))) {
		pcb->rcv_ann_wnd = pcb->rcv_wnd;
		return edge - announced;
	}
	pcb->rcv_ann_wnd = TCP_SEQ_GT(pcb->rcv_nxt, announced) ? 0 : announced - pcb->rcv_nxt;
	return 0;
}

void tcp_fast_recved(struct conn *c, uint32_t bytes)
{
	struct tcp_pcb *pcb = pcb_of(c);

	pcb->rcv_wnd = MIN(pcb->rcv_wnd + bytes, (tcpwnd_size_t)TCP_WND_MAX(pcb));
	if (update_announced(pcb) >= TCP_WND_UPDATE_THRESHOLD)
		tcp_ack_now(pcb);
}

static WITHIN void take_data(struct conn *c, struct buf *b, const uint8_t *data, uint32_t bytes)
{
	struct tcp_pcb *pcb = pcb_of(c);

	pcb->rcv_nxt += bytes;
	pcb->rcv_wnd -= bytes;
	update_announced(pcb);
	if (unlikely(pcb->flags & TF_ACK_DELAY))
		tcp_ack(pcb);
	else
		tcp_set_flags(pcb, TF_ACK_DELAY);
	if (b->next)
		tcp_rx_take_frame(c, b, data, bytes);
	else if (unlikely(!tcp_rx_take(c, b, data, bytes)))
		buf_free(b);
	if (c->flags & CONN_ACCEPTED)
		conn_mark(c);
}

/* ---- the beginning and the end ---- */
/* All that comes with an acknowledgement. Return: false if its timestamp is not as it should be; nothing has happened. */
static bool take_bare(struct conn *c, const uint8_t *tcp, uint32_t header, uint32_t *sent)
{
	struct tcp_pcb *pcb = pcb_of(c);
	uint32_t seq = pcb->rcv_nxt, ack = word_at(tcp + 8);

	if (header != TCP_HLEN && !take_timestamp(c, tcp))
		return false;
	pcb->tmr = tcp_ticks;
	pcb->keep_cnt_sent = 0;
	pcb->persist_probe = 0;
	pcb->dupacks = 0;
	update_send_window(pcb, seq, ack, (uint32_t)half_at(tcp + 14) << pcb->snd_scale);
	*sent = ack != pcb->lastack ? take_ack(pcb, ack) : 0;
	take_round_trip(pcb, ack);
	return true;
}

/* Our SYN is acknowledged, for the first time that it was sent. */
static bool take_handshake(struct conn *c, const uint8_t *tcp, uint32_t header)
{
	struct tcp_pcb *pcb = pcb_of(c);
	uint32_t none;

	if (pcb->nrtx || !backlog_may_establish(c) || !take_bare(c, tcp, header, &none))
		return false;
	pcb->state = ESTABLISHED;
	if (lwip_tcp_event(c, pcb, LWIP_EVENT_ACCEPT, NULL, 0, ERR_OK) != ERR_OK) {
		tcp_abort(pcb);
		return true;
	}
	recover_begin(c, false);
	conn_after(c);
	return true;
}

/*
 * The peer has finished. Unlike lwIP, which acknowledges at once, this gives ring 3 the time of any other
 * delayed acknowledgement to answer with a FIN, on which it rides. [RFC 9293 3.8.6.3]
 */
static bool take_fin(struct conn *c, const uint8_t *tcp, uint32_t header)
{
	struct tcp_pcb *pcb = pcb_of(c);
	uint32_t sent;

	if (!take_bare(c, tcp, header, &sent))
		return false;
	if (sent)
		release(c, sent);
	pcb->rcv_nxt++;
	pcb->rcv_wnd--; /* a FIN takes its place, which nobody else gives back */
	update_announced(pcb);
	pcb->rcv_wnd++;
	tcp_set_flags(pcb, TF_ACK_DELAY);
	pcb->state = CLOSE_WAIT;
	(void)lwip_tcp_event(c, pcb, LWIP_EVENT_RECV, NULL, 0, ERR_OK);
	conn_after(c);
	return true;
}

/* Our FIN is acknowledged, and the peer's has been before it: the connection is over. */
static bool take_last(struct conn *c, const uint8_t *tcp, uint32_t header)
{
	struct tcp_pcb *pcb = pcb_of(c);
	uint32_t sent;

	if (pcb->nrtx || !take_bare(c, tcp, header, &sent))
		return false;
	if (sent)
		release(c, sent);
	tcp_pcb_remove(&tcp_active_pcbs, pcb); /* the list is empty, the rest of what it does is not */
	tcp_free(pcb);
	return true;
}

/* A segment without data, at the place and acknowledging what is expected; nothing is out of the ordinary. */
static APART bool take_edge(struct conn *c, const uint8_t *tcp, uint32_t header)
{
	const struct tcp_pcb *pcb = pcb_of(c);
	uint32_t ack = word_at(tcp + 8);
	bool is_fin = tcp[13] & FLAG_FIN;

	if (tcp[12] != header << 2 || (tcp[13] & ~(FLAG_PSH | FLAG_FIN)) != FLAG_ACK ||
	    word_at(tcp + 4) != pcb->rcv_nxt || (c->flags & (CONN_UNPREDICTED | CONN_PROBED)) || pcb->ooseq ||
	    pcb->unsent || pcb->persist_backoff || pcb->refused_data || !(tcp[14] | tcp[15]))
		return false;
	if (pcb->state == ESTABLISHED)
		return is_fin && !(pcb->flags & SPECIAL) && pcb->rcv_wnd &&
		       ack - pcb->lastack <= pcb->snd_nxt - pcb->lastack && take_fin(c, tcp, header);
	if (is_fin || ack != pcb->snd_nxt || ack == pcb->lastack)
		return false;
	if (pcb->state == SYN_RCVD)
		return take_handshake(c, tcp, header);
	return pcb->state == LAST_ACK && !(pcb->flags & (TF_INFR | TF_CLOSEPEND | TF_RTO | TF_ACK_DELAY)) &&
	       take_last(c, tcp, header);
}

/* ---- in between ---- */
/* As conn_after_plain(): all that was sent is acknowledged, and an acknowledgement that we owe waits in the queue already. */
static WITHIN void after_input(struct conn *c)
{
	const struct tcp_pcb *pcb = pcb_of(c);

	if (likely(pcb->rtime < 0 && !pcb->so_options && (c->flags & CONN_ON_DELACK) && !c->quick_acks &&
		   !net_self.is_sending_blocked))
		timers_stop(c);
	else
		conn_after_plain(c);
}

bool tcp_fast_input(struct conn *c, struct buf *b, const uint8_t *tcp, uint32_t l4_bytes)
{
	struct tcp_pcb *pcb = pcb_of(c);
	uint32_t header = TCP_HLEN + tcp_option_bytes(pcb), bytes = l4_bytes - header, seq = pcb->rcv_nxt, ack,
		 sent = 0;

	if (unlikely(!is_predicted(c, pcb, tcp, header, bytes))) {
		if (bytes || !take_edge(c, tcp, header))
			return false;
		buf_free_frame(b);
		return true;
	}
	if (header != TCP_HLEN && !take_timestamp(c, tcp))
		return false;
	if (unlikely(c->flags & CONN_ECN))
		ecn_input(c, b->data + b->off + ETH_BYTES, tcp, bytes);
	ack = word_at(tcp + 8);
	pcb->tmr = tcp_ticks;
	pcb->keep_cnt_sent = 0;
	pcb->persist_probe = 0;
	update_send_window(pcb, seq, ack, (uint32_t)half_at(tcp + 14) << pcb->snd_scale);
	if (ack != pcb->lastack)
		sent = take_ack(pcb, ack);
	take_round_trip(pcb, ack);
	if (sent)
		release(c, sent);
	if (bytes)
		take_data(c, b, tcp + header, bytes);
	else
		buf_free_frame(b);
	if (unlikely(pcb->unsent || (pcb->flags & TF_ACK_NOW)))
		conn_touch(c); /* once a batch: what there is room for now, or an acknowledgement */
	else
		after_input(c);
	return true;
}
