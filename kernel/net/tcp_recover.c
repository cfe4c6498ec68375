/* SPDX-License-Identifier: MIT */
/*
 * Recovery from loss around lwIP's. With selective acknowledgements its fast retransmission is kept from
 * beginning: what is lost is moved from its list of unacknowledged segments to that of unsent ones, as it does
 * itself, and as much as the congestion window leaves room for goes out by tcp_output(). pcb->cwnd is the
 * congestion window between two calls; within one it is what makes lwIP send exactly that. Without selective
 * acknowledgements lwIP recovers, and NewReno is kept up. [RFC 6675, RFC 6582, RFC 5681, RFC 3042, RFC 8985]
 */
#include "kernel/net/tcp_recover.h"

#include "kernel/net/tcp_options.h"
#include "kernel/net/tcp_queue.h"

#define PROBE_MIN_MS 10u /* a peer that acknowledges every second segment has done so by then */
#define INITIAL_SEGMENTS 10u
#define INITIAL_BYTES 14600u
#define MUTED 1u /* a window that lets nothing out */

/* While lwIP works on an acknowledgement. */
static PERCORE struct recover_core {
	bool is_muted;
	tcpwnd_size_t cwnd; /* pcb->cwnd, if so */
} own;

static bool has_sack(const struct tcp_pcb *pcb)
{
	return (pcb->flags & TF_SACK) && pcb->state >= ESTABLISHED;
}

static uint32_t flight_of(const struct tcp_pcb *pcb)
{
	return pcb->snd_nxt - pcb->lastack;
}

/* [RFC 5681 3.1 (4)] */
static uint32_t half_flight(const struct tcp_pcb *pcb)
{
	return MAX(flight_of(pcb) / 2, 2u * pcb->mss);
}

void recover_forget(void)
{
	own.is_muted = false;
	options_forget();
}

void recover_before(struct conn *c)
{
	struct tcp_pcb *pcb = pcb_of(c);

	if (pcb->flags & TF_RTO) /* they come from what is sent twice: not lost again [RFC 6582 4] */
		pcb->dupacks = 0;
	if (!has_sack(pcb) || !(c->flags & CONN_RECOVER))
		return;
	own.is_muted = true;
	own.cwnd = pcb->cwnd;
	pcb->cwnd = MUTED;
}

/* ---- sending ---- */
/* lets lwIP send what lies within @window bytes of the acknowledgement, whatever Nagle thinks of it. */
static void send_within(struct conn *c, uint32_t window)
{
	struct tcp_pcb *pcb = pcb_of(c);
	tcpwnd_size_t cwnd = pcb->cwnd;

	pcb->cwnd = window;
	tcp_train_fit(c);
	tcp_set_flags(pcb, TF_INFR);
	tcp_output(pcb);
	tcp_clear_flags(pcb, TF_INFR);
	pcb->cwnd = cwnd;
}

/* Takes *@link off the unacknowledged ones and appends it to the list that ends at @tail. Return: its new end. */
static struct tcp_seg **move_to(struct tcp_seg **tail, struct tcp_seg **link)
{
	struct tcp_seg *seg = *link;

	*link = seg->next;
	seg->next = NULL;
	seg->flags |= SEG_SENT_AGAIN;
	*tail = seg;
	return &seg->next;
}

/* Both in the order of the stream, and so is what comes of it. */
static void merge(struct tcp_seg **into, struct tcp_seg *list)
{
	while (list) {
		struct tcp_seg *seg = list;

		list = seg->next;
		while (*into && TCP_SEQ_LT(seg_seq(*into), seg_seq(seg)))
			into = &(*into)->next;
		seg->next = *into;
		*into = seg;
	}
}

/* In front of what was never sent; a measurement of what is sent again would say nothing [RFC 6298 3]. */
static void requeue(struct tcp_pcb *pcb, struct tcp_seg *first)
{
	merge(&pcb->unsent, first);
	pcb->rttest = 0;
	pcb->rtime = 0;
	net_self.stats.retransmits++;
}

void recover_gather(struct tcp_pcb *pcb)
{
	struct tcp_seg *first = pcb->unsent, **link = &first;

	if (!pcb->unacked)
		return;
	while (*link && TCP_SEQ_LT(seg_seq(*link), pcb->snd_nxt))
		link = &(*link)->next;
	pcb->unsent = *link;
	*link = NULL;
	merge(&pcb->unacked, first);
}

static bool is_to_be_sent_again(const struct tcp_seg *seg)
{
	return (seg->flags & SEG_MARKS) == SEG_LOST && seg->p->ref == 1; /* else the device still has it */
}

/* The last one once more: it may be all that is missing, and then nothing else would tell [RFC 6675 4, NextSeg 4]. */
static bool resend_last(struct conn *c)
{
	struct tcp_pcb *pcb = pcb_of(c);
	struct tcp_seg **link = &pcb->unacked, *first = NULL;

	if (!*link || (c->flags & CONN_RESCUED))
		return false;
	while ((*link)->next)
		link = &(*link)->next;
	if (((*link)->flags & (SEG_SACKED | SEG_SENT_AGAIN)) || (*link)->p->ref != 1)
		return false;
	c->flags |= CONN_RESCUED;
	move_to(&first, link);
	requeue(pcb, first);
	return true;
}

/* As much as there is room for: first what is lost, then what is new. @is_first: one segment in any case. */
static void send_lost(struct conn *c, const struct scoreboard *s, bool is_first)
{
	struct tcp_pcb *pcb = pcb_of(c);
	struct tcp_seg **link = &pcb->unacked, *first = NULL, **tail = &first;
	uint32_t room = pcb->cwnd > s->pipe ? pcb->cwnd - s->pipe : 0;
	bool is_blocked = false;

	while (*link && (is_first || room)) {
		struct tcp_seg *seg = *link;

		if (is_to_be_sent_again(seg)) {
			tail = move_to(tail, link);
			room -= MIN(room, TCP_TCPLEN(seg));
			is_first = false;
			continue;
		}
		is_blocked |= (seg->flags & SEG_MARKS) == SEG_LOST;
		link = &seg->next;
	}
	if (first)
		requeue(pcb, first);
	if (is_blocked)
		conn_touch(c); /* the device gives it back soon */
	else if (room >= pcb->mss && !pcb->unsent && !s->has_lost)
		resend_last(c);
	send_within(c, flight_of(pcb) + (room >= pcb->mss ? room : 0));
}

void recover_more(struct conn *c)
{
	struct scoreboard s;

	if (!has_sack(pcb_of(c)))
		return;
	tcp_train_dissolve(c);
	s = sack_judge(c);
	if (s.has_lost)
		send_lost(c, &s, false);
}

/* ---- recovery by selective acknowledgements ---- */
static void enter(struct conn *c)
{
	struct tcp_pcb *pcb = pcb_of(c);

	c->flags = (c->flags | CONN_RECOVER) & ~CONN_RESCUED;
	c->recover = pcb->snd_nxt;
	pcb->ssthresh = half_flight(pcb);
	pcb->cwnd = pcb->ssthresh;
	pcb->bytes_acked = 0;
}

static void leave(struct conn *c)
{
	struct tcp_pcb *pcb = pcb_of(c);

	c->flags &= ~CONN_RECOVER;
	for (struct tcp_seg *seg = pcb->unacked; seg; seg = seg->next)
		seg->flags &= (u8_t) ~(SEG_LOST | SEG_SENT_AGAIN);
	pcb->bytes_acked = 0;
}

/* Slow start after a timeout, by a segment an acknowledgement [RFC 5681 3.1, RFC 3465 2.3]. */
static void grow(struct tcp_pcb *pcb, uint32_t delivered)
{
	if (pcb->cwnd < pcb->ssthresh)
		pcb->cwnd += MIN(delivered, (uint32_t)pcb->mss);
}

/* Not in recovery: what has arrived makes room for as much, so that more acknowledgements come [RFC 3042]. */
static void send_limited(struct conn *c, const struct scoreboard *s)
{
	const struct tcp_pcb *pcb = pcb_of(c);

	if (s->sacked && pcb->unsent)
		send_within(c, pcb->cwnd + MIN(s->sacked, 2u * pcb->mss));
}

static void after_sack(struct conn *c, uint32_t acked)
{
	struct tcp_pcb *pcb = pcb_of(c);
	uint32_t arrived = sack_take(c, acked != 0);
	bool was_recovering = c->flags & CONN_RECOVER;
	struct scoreboard s;

	if (c->flags & CONN_PROBED) {
		if (arrived)
			sack_hold_lost(
				c); /* the probe is there, or what it brought about: what is not, is not coming */
		if (acked || arrived)
			c->flags &= ~CONN_PROBED;
	}
	if (was_recovering) {
		grow(pcb, acked + arrived);
		if (TCP_SEQ_GEQ(pcb->lastack, c->recover))
			leave(c);
		else if (acked && pcb->unacked && !(pcb->unacked->flags & (SEG_SACKED | SEG_SENT_AGAIN)))
			pcb->unacked->flags |= SEG_LOST; /* as NewReno has it [RFC 6582 3.2] */
	}
	s = sack_judge(c);
	if (c->flags & CONN_RECOVER) {
		send_lost(c, &s, false);
	} else if (s.has_lost) {
		enter(c);
		send_lost(c, &s, true);
	} else if (was_recovering) {
		conn_touch(c);
	} else {
		send_limited(c, &s);
	}
}

/* ---- without ---- */
/* lwIP leaves fast recovery with the first new acknowledgement; NewReno stays in it [RFC 6582 3.2]. */
static void keep_newreno_up(struct conn *c, uint32_t acked)
{
	struct tcp_pcb *pcb = pcb_of(c);

	if (!(c->flags & CONN_RECOVER)) {
		c->flags |= CONN_RECOVER;
		c->recover = pcb->snd_nxt;
		pcb->ssthresh = half_flight(pcb); /* lwIP takes half the window, which may never have been in use */
		pcb->cwnd = pcb->ssthresh + 3u * pcb->mss;
		net_self.stats.retransmits++;
	} else if (acked) {
		if (TCP_SEQ_LT(pcb->lastack, c->recover)) {
			if (tcp_rexmit(pcb) == ERR_OK) {
				net_self.stats.retransmits++;
				tcp_set_flags(pcb, TF_INFR);
				tcp_output(pcb);
			}
		} else {
			c->flags &= ~CONN_RECOVER;
		}
	}
}

/* With selective acknowledgements one that says the same again, or reports a duplicate, is no sign of it [RFC 6675 2, RFC 2883 4]. */
static bool is_any_missing(const struct conn *c)
{
	const struct tcp_pcb *pcb = pcb_of((struct conn *)(uintptr_t)c);

	if (c->flags & CONN_RECOVER)
		return true;
	return has_sack(pcb) ? sack_is_any_good(c) : pcb->dupacks != 0;
}

void recover_after(struct conn *c, uint32_t lastack)
{
	struct tcp_pcb *pcb = pcb_of(c);
	uint32_t acked = pcb->lastack - lastack;

	if (own.is_muted)
		pcb->cwnd = own.cwnd;
	own.is_muted = false;
	if (is_any_missing(c))
		tcp_train_dissolve(c); /* it may be part of one */
	if (has_sack(pcb))
		after_sack(c, acked);
	else if ((pcb->flags & TF_INFR) || (c->flags & CONN_RECOVER))
		keep_newreno_up(c, acked);
}

/* ---- timeout ---- */
/* All that is missing after a timeout goes back to lwIP's unacknowledged ones, from where send_lost() takes it. */
static void hold_all_lost(struct tcp_pcb *pcb)
{
	struct tcp_seg **tail = &pcb->unacked, *seg;

	for (; *tail; tail = &(*tail)->next)
		(*tail)->flags = (u8_t)(((*tail)->flags & ~SEG_MARKS) | SEG_LOST | SEG_SENT_AGAIN);
	while ((seg = pcb->unsent) != NULL && TCP_SEQ_LT(seg_seq(seg), pcb->rto_end)) {
		pcb->unsent = seg->next;
		seg->next = NULL;
		seg->flags = (u8_t)((seg->flags & ~SEG_MARKS) | SEG_LOST);
		*tail = seg;
		tail = &seg->next;
	}
}

void recover_from_timeout(struct conn *c, uint32_t ssthresh)
{
	struct tcp_pcb *pcb = pcb_of(c);

	if (!(pcb->flags & TF_RTO) || pcb->state < ESTABLISHED)
		return;
	/* Once for one loss: lwIP would halve what is down to a segment already [RFC 5681 3.1]. */
	if (pcb->nrtx > 1 || (c->flags & CONN_RECOVER))
		pcb->ssthresh = ssthresh;
	else
		pcb->ssthresh = half_flight(pcb);
	c->flags &= ~(CONN_RECOVER | CONN_RESCUED | CONN_PROBED);
	for (struct tcp_seg *seg = pcb->unsent; seg; seg = seg->next)
		seg->flags &= (u8_t)~SEG_MARKS;
	if (!has_sack(pcb) || !pcb->unacked)
		return;
	hold_all_lost(pcb);
	tcp_clear_flags(pcb, TF_RTO);
	c->flags |= CONN_RECOVER;
	c->recover = pcb->snd_nxt;
}

/* ---- the tail ---- */
uint32_t recover_probe_ms(struct conn *c)
{
	const struct tcp_pcb *pcb = pcb_of(c);

	if (!has_sack(pcb) || (c->flags & CONN_RECOVER) || !pcb->unacked || !recover_is_probed(pcb))
		return 0;
	if ((c->flags & CONN_PROBED) && TCP_SEQ_LT(pcb->lastack, c->recover))
		return 0; /* once for one flight */
	c->flags &= ~CONN_PROBED;
	return MAX(2u * (uint32_t)(pcb->sa >> 3), PROBE_MIN_MS);
}

void recover_probe(struct conn *c)
{
	struct tcp_pcb *pcb = pcb_of(c);
	const struct tcp_seg *unsent = pcb->unsent;

	c->flags = (c->flags | CONN_PROBED) & ~CONN_RESCUED;
	c->recover = pcb->snd_nxt;
	net_self.tx_conn = c;
	tcp_train_part_last(c);
	if (unsent && seg_end(unsent) - pcb->lastack <= pcb->snd_wnd)
		send_within(c, seg_end(unsent) - pcb->lastack);
	else if (resend_last(c))
		send_within(c, flight_of(pcb));
	net_self.tx_conn = NULL;
}

/* ---- the congestion window's beginnings ---- */
static uint32_t initial_window(const struct tcp_pcb *pcb)
{
	return MIN(INITIAL_SEGMENTS * pcb->mss, MAX(2u * pcb->mss, INITIAL_BYTES)); /* [RFC 6928 2] */
}

void recover_begin(struct conn *c, bool was_sent_again)
{
	struct tcp_pcb *pcb = pcb_of(c);

	pcb->cwnd = was_sent_again ? pcb->mss : initial_window(pcb);
}

void recover_idle(struct conn *c)
{
	struct tcp_pcb *pcb = pcb_of(c);
	uint32_t rto = MAX((uint32_t)MAX((pcb->sa >> 3) + pcb->sv, 0), (uint32_t)c->rto_floor_ms);

	if (!pcb->unacked && net_self.now_ms - c->stalled_ms > rto)
		pcb->cwnd = MIN(pcb->cwnd, initial_window(pcb)); /* [RFC 5681 4.1] */
}
