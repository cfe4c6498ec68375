/* SPDX-License-Identifier: MIT */
/*
 * One TCP segment into lwIP: the connection that the demultiplexer found is the only one on lwIP's list
 * for as long as tcp_input() runs. Its callbacks only queue data and mark events; nothing of lwIP is
 * called from inside them.
 */
#include "kernel/abi/status.h"
#include "kernel/base/bytes.h"
#include "kernel/cpu/cpu.h"
#include "kernel/flow/flow.h"
#include "kernel/net/binding.h"
#include "kernel/net/checksum.h"
#include "kernel/net/handle.h"
#include "kernel/net/input.h"
#include "kernel/net/moving.h"
#include "kernel/net/output.h"
#include "kernel/net/rate.h"
#include "kernel/net/tcp_check.h"
#include "kernel/net/tcp_ecn.h"
#include "kernel/net/tcp_fast.h"
#include "kernel/net/tcp_options.h"
#include "kernel/net/tcp_recover.h"
#include "kernel/net/tcp_syn.h"
#include "kernel/net/tcp_queue.h"

#define TCP_HEADER_MAX 60u
#define DUPACKS 3u /* that mean a loss [RFC 5681 3.2] */
#define FLAG_FIN 1u

/* ---- before lwIP ---- */
static bool is_checksum_good(const struct frame *f, const struct pbuf *p)
{
	uint64_t sum = tuple_checksum(&f->tuple, IP_PROTOCOL_TCP, f->l4_bytes);
	unsigned at = 0;

	for (; p; p = p->next) {
		uint16_t part = port_chksum(p->payload, p->len);

		sum += at & 1 ? __builtin_bswap16(part) : part;
		at += p->len;
	}
	return checksum_fold(sum) == 0xffff;
}

/* The same of a segment in one piece, before it has a pbuf; noted, so that it is not asked again. */
static bool is_sum_good(const struct frame *f, const uint8_t *tcp)
{
	uint64_t sum = tuple_checksum(&f->tuple, IP_PROTOCOL_TCP, f->l4_bytes);

	if (checksum_fold(sum + port_chksum(tcp, f->l4_bytes)) != 0xffff)
		return false;
	f->b->flags |= BUF_CSUM_GOOD;
	return true;
}

/* ---- after lwIP ---- */
/* A connection as it was before lwIP saw a segment of it. */
struct before {
	struct tcp_pcb *pcb; /* NULL: there was none */
	uint32_t lastack;
	bool was_open;
	bool was_sent_again; /* what is acknowledged next */
};

static void after_lwip(struct conn *c, const struct before *b)
{
	struct tcp_pcb *pcb = pcb_of(c);

	if (pcb->flags & TF_SACK)
		pcb->dupacks =
			0; /* so that lwIP's own fast retransmission, which does not know what is there, stays away */
	if (unlikely(!b->was_open)) {
		if (b->pcb && pcb->state >= ESTABLISHED)
			recover_begin(c, b->was_sent_again);
	} else if (unlikely((pcb->flags & TF_INFR) || (c->flags & (CONN_RECOVER | CONN_PROBED)) ||
			    options_of_segment()->sack_count)) {
		recover_after(c, b->lastack);
	}
	conn_after(c);
}

/* lwIP's list holds what it made of the segment: the same connection, a new one, one in TIME_WAIT, none. */
static void collect(const struct before *before)
{
	struct tcp_pcb *pcb = tcp_active_pcbs;

	if (likely(pcb)) {
		tcp_active_pcbs = NULL;
		if (unlikely(pcb != before->pcb) && !demux_insert(pcb)) {
			net_self.stats.dropped_no_memory++;
			conn_abort(conn_of(pcb), IX_DEAD_NO_MEMORY);
			return;
		}
		after_lwip(conn_of(pcb), before);
		if (pcb->unsent)
			conn_touch(conn_of(pcb)); /* lwIP sends whole segments only */
		return;
	}
	pcb = tcp_tw_pcbs;
	if (pcb) {
		tcp_tw_pcbs = NULL;
		timewait_add(pcb, conn_of(pcb)->hash);
		tcp_abort(pcb); /* frees it without a word */
	}
}

/* Several segments came as one frame: the second one of them would not have been kept waiting [RFC 9293 3.8.6.3]. */
static void acknowledge_merged(struct conn *c)
{
	if ((c->flags & CONN_GONE) || !(pcb_of(c)->flags & TF_ACK_DELAY))
		return;
	tcp_ack_now(pcb_of(c));
	conn_touch(c);
}

static struct tcp_pcb *find_pcb(const struct frame *f)
{
	if (f->likely_pcb && demux_is_marked() && tuple_is_of(&f->tuple, f->likely_pcb))
		return f->likely_pcb;
	return demux_find(f->hash, &f->tuple);
}

/*
 * While our window is closed lwIP takes an acknowledgement, which needs no room in it, for one that is out
 * of it and answers; two who do that to each other never stop [RFC 9293 3.10.7.4].
 * Return: whether the window seems to be open by one byte.
 */
static bool open_for_ack(struct tcp_pcb *pcb, const struct pbuf *p)
{
	const uint8_t *tcp = p->payload;

	if (likely(!pcb || pcb->rcv_wnd) || p->tot_len != (tcp[12] >> 4) * 4u || (tcp[13] & FLAG_FIN))
		return false;
	pcb->rcv_wnd = 1;
	return true;
}

/* A segment that was not as predicted, to lwIP. @pcb: its connection, NULL: none. */
static void to_lwip(const struct frame *f, struct tcp_pcb *pcb, struct pbuf *p)
{
	struct before before = { .pcb = pcb };
	struct conn *c = pcb ? conn_of(pcb) : NULL;
	bool is_opened = open_for_ack(pcb, p);

	if (pcb) {
		if (unlikely(pcb->rttest && tcp_ticks - pcb->rttest > ROUND_TRIP_MAX_MS))
			pcb->rttest = tcp_ticks - ROUND_TRIP_MAX_MS;
		if (unlikely(pcb->dupacks >= DUPACKS - 1u))
			tcp_train_dissolve(c); /* one more and the oldest segment goes again */
		before = (struct before){ pcb, pcb->lastack, pcb->state >= ESTABLISHED, pcb->nrtx != 0 };
		pcb->next = NULL;
		tcp_active_pcbs = pcb;
	}
	recover_forget();
	ip_data.current_netif = &net_self.netif;
	ip_data.current_input_netif = &net_self.netif;
	tuple_put(&f->tuple, &ip_data.current_iphdr_dest, &ip_data.current_iphdr_src);
	net_self.tx_conn = c;
	net_self.arrival_group = f->b->group;
	tcp_input(p, &net_self.netif);
	if (unlikely(is_opened) && tcp_active_pcbs)
		tcp_active_pcbs->rcv_wnd = 0;
	collect(&before);
	net_self.arrival_group = FLOW_GROUP_NONE;
	net_self.tx_conn = NULL;
}

void tcp_in_replay(const struct frame *f, struct pbuf *p)
{
	to_lwip(f, NULL, p);
}

/* Of a frame in several buffers: whether the first one holds as long a TCP header as there can be. */
static bool has_headers(const struct frame *f)
{
	return f->b->len >= ETH_BYTES + f->ip_bytes + TCP_HEADER_MAX;
}

/* A segment that was not as predicted. */
static APART void take_unpredicted(const struct frame *f, struct tcp_pcb *pcb, const uint8_t *tcp)
{
	bool is_summed = f->b->flags & BUF_CSUM_GOOD;
	struct pbuf *p = input_pbufs(f->b, ETH_BYTES + f->ip_bytes, f->l4_bytes);

	if (unlikely(!is_summed && !is_checksum_good(f, p))) {
		net_self.stats.bad_csum++;
		pbuf_free(p);
	} else if (unlikely(!tcp_check(f, tcp, &pcb))) {
		pbuf_free(p);
	} else {
		if (unlikely(pcb && (conn_of(pcb)->flags & CONN_ECN)))
			ecn_input(conn_of(pcb), tcp - f->ip_bytes, tcp, f->l4_bytes - (tcp[12] >> 4) * 4u);
		to_lwip(f, pcb, p);
	}
}

void tcp_in_frame(const struct frame *f)
{
	struct tcp_pcb *pcb = find_pcb(f);
	const uint8_t *tcp = f->b->data + f->b->off + ETH_BYTES + f->ip_bytes;
	uint32_t segments = f->b->segments;

	if (unlikely(!pcb) && (moving_takes(f) || walk_takes(f)))
		return;
	net_self.stats.segments_in += segments;
	if (likely(pcb)) {
		conn_of(pcb)->heard_ms = net_self.now_ms;
		owner_check(&conn_of(pcb)->owner);
		if (likely(!net_self.is_low) && likely(!f->b->next || has_headers(f)) &&
		    (likely((f->b->flags & (BUF_CSUM_GOOD | BUF_MISPLACED)) == BUF_CSUM_GOOD) ||
		     (!f->b->next && !(f->b->flags & BUF_MISPLACED) && is_sum_good(f, tcp))) &&
		    likely(tcp_fast_input(conn_of(pcb), f->b, tcp, f->l4_bytes)))
			goto out;
		if (unlikely((conn_of(pcb)->flags & (CONN_MOVING | CONN_STRAYED)) | (f->b->flags & BUF_MISPLACED)) &&
		    moving_holds(f, conn_of(pcb)))
			return;
	}
	take_unpredicted(f, pcb, tcp);
out:
	if (unlikely(segments > 1) && pcb)
		acknowledge_merged(conn_of(pcb));
}
