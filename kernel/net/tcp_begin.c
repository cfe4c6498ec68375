/* SPDX-License-Identifier: MIT */
/*
 * A connection request like nearly all: a bare SYN with options that everybody knows, to a listener on any
 * address. The half-open connection is made here, field for field as lwIP's tcp_listen_input() would leave
 * it, and so is the answer, which lwIP sends again if it must. Whatever is not exactly that is left to lwIP.
 * [RFC 9293 3.10.7.2]
 */
#include "kernel/abi/status.h"
#include "kernel/base/bytes.h"
#include "kernel/flow/flow.h"
#include "kernel/net/demux.h"
#include "kernel/net/output.h"
#include "kernel/net/tcp_ecn.h"
#include "kernel/net/tcp_syn.h"
#include "kernel/net/tcp_ts.h"
#include "kernel/net/word.h"

/* First words of options, as lwIP writes them. */
#define OPTION_MSS 0x02040000u
#define OPTION_SCALE 0x01030300u
#define OPTION_SACK_PERMITTED 0x01010402u

/* What a request says of itself. */
struct request {
	const struct demux_tuple *tuple;
	uint32_t seq;
	uint16_t window;
	uint16_t mss; /* 0: it does not say */
	bool has_scale, has_sack, has_ts;
	uint8_t scale;
	uint32_t ts;
};

/* Return: false if it is none that is known here. @room: bytes from @at to the end of all options. */
static bool take_option(struct request *r, const uint8_t *at, unsigned room)
{
	if (room < 2 || at[1] > room)
		return false;
	if (at[0] == LWIP_TCP_OPT_MSS && at[1] == LWIP_TCP_OPT_LEN_MSS) {
		r->mss = (uint16_t)(at[2] << 8 | at[3]);
		return r->mss;
	}
	if (at[0] == LWIP_TCP_OPT_SACK_PERM && at[1] == LWIP_TCP_OPT_LEN_SACK_PERM)
		return r->has_sack = true;
	if (at[0] == LWIP_TCP_OPT_TS && at[1] == LWIP_TCP_OPT_LEN_TS) {
		r->ts = word_at(at + 2);
		return r->has_ts = true;
	}
	if (at[0] != LWIP_TCP_OPT_WS || at[1] != LWIP_TCP_OPT_LEN_WS)
		return false;
	r->scale = at[2];
	return r->has_scale = true;
}

static bool read_request(struct request *r, const struct frame *f, const uint8_t *tcp)
{
	unsigned bytes = syn_option_bytes(f, tcp), at = 0;

	if (f->b->next || tcp[13] != TCP_SYN || (tcp[12] >> 4) * 4u != f->l4_bytes || TCP_HLEN + bytes != f->l4_bytes)
		return false;
	*r = (struct request){ .tuple = &f->tuple,
			       .seq = word_at(tcp + 4),
			       .window = (uint16_t)(tcp[14] << 8 | tcp[15]) };
	for (tcp += TCP_HLEN; at < bytes; at += tcp[at] == LWIP_TCP_OPT_NOP ? 1 : tcp[at + 1])
		if (tcp[at] != LWIP_TCP_OPT_NOP && !take_option(r, tcp + at, bytes - at))
			return false;
	return true;
}

static void fill(struct tcp_pcb *pcb, const struct request *r)
{
	uint32_t isn;

	tuple_put(r->tuple, &pcb->local_ip, &pcb->remote_ip);
	pcb->local_port = be16(r->tuple->local_port);
	pcb->remote_port = be16(r->tuple->remote_port);
	pcb->state = SYN_RCVD;
	pcb->rcv_nxt = r->seq + 1;
	pcb->rcv_ann_right_edge = pcb->rcv_nxt;
	isn = tcp_next_iss(pcb);
	pcb->snd_wl2 = isn;
	pcb->snd_nxt = isn;
	pcb->lastack = isn;
	pcb->snd_lbb = isn;
	pcb->snd_wl1 = r->seq - 1; /* the first segment updates the window */
	pcb->snd_wnd = r->window;
	pcb->snd_wnd_max = r->window;
	if (r->mss)
		pcb->mss = MIN(r->mss, (uint16_t)TCP_MSS);
	pcb->mss = tcp_eff_send_mss(pcb->mss, &pcb->local_ip, &pcb->remote_ip);
	if (r->has_scale) {
		pcb->snd_scale = MIN(r->scale, (uint8_t)14); /* [RFC 7323 2.3] */
		pcb->rcv_scale = TCP_RCV_SCALE;
		pcb->rcv_wnd = TCP_WND;
		pcb->rcv_ann_wnd = TCP_WND;
		tcp_set_flags(pcb, TF_WND_SCALE);
	}
	if (r->has_ts) {
		pcb->ts_recent = r->ts;
		tcp_set_flags(pcb, TF_TIMESTAMP);
	}
	if (r->has_sack)
		tcp_set_flags(pcb, TF_SACK);
}

/* ---- the answer ---- */
/* What it says beside its header, for lwIP's struct tcp_seg. Return: bytes. */
static uint32_t choose_options(const struct tcp_pcb *pcb, uint8_t *which)
{
	uint32_t bytes = sizeof(uint32_t);

	*which = TF_SEG_OPTS_MSS;
	if (pcb->flags & TF_TIMESTAMP) {
		*which |= TF_SEG_OPTS_TS;
		bytes += TS_BYTES;
	}
	if (pcb->flags & TF_WND_SCALE) {
		*which |= TF_SEG_OPTS_WND_SCALE;
		bytes += sizeof(uint32_t);
	}
	if (pcb->flags & TF_SACK) {
		*which |= TF_SEG_OPTS_SACK_PERM;
		bytes += sizeof(uint32_t);
	}
	return bytes;
}

/* In the order in which lwIP does. */
static void write_options(struct conn *c, uint32_t *at, unsigned which)
{
	const struct tcp_pcb *pcb = pcb_of(c);

	*at++ = be32(OPTION_MSS | tcp_eff_send_mss((u16_t)TCP_MSS, &pcb->local_ip, &pcb->remote_ip));
	if (which & TF_SEG_OPTS_TS)
		at += ts_write((uint8_t *)at, ts_clock(c), pcb->ts_recent) / sizeof(*at);
	if (which & TF_SEG_OPTS_WND_SCALE)
		*at++ = be32(OPTION_SCALE | TCP_RCV_SCALE);
	if (which & TF_SEG_OPTS_SACK_PERM)
		*at = be32(OPTION_SACK_PERMITTED);
}

static void write_answer(struct conn *c, struct tcp_seg *seg)
{
	struct tcp_pcb *pcb = pcb_of(c);
	struct tcp_hdr *tcp = seg->tcphdr;

	tcp->ackno = be32(pcb->rcv_nxt);
	tcp->wnd = be16((uint16_t)MIN(pcb->rcv_ann_wnd, 0xffffu)); /* never scaled [RFC 7323 2.2] */
	write_options(c, (uint32_t *)(void *)(tcp + 1), seg->flags);
	if (unlikely(c->flags & CONN_ECN))
		ecn_output(c, tcp, 0);
	pcb->rcv_ann_right_edge = pcb->rcv_nxt + pcb->rcv_ann_wnd;
	pcb->ts_lastacksent = pcb->rcv_nxt;
	pcb->rtime = 0;
	pcb->rttest = tcp_ticks;
	pcb->rtseq = pcb->snd_nxt;
}

/* Return: whether the answer is queued; what can be sent of it is sent. */
static bool answer(struct tcp_pcb *pcb, const struct binding *b)
{
	struct conn *c = conn_of(pcb);
	struct tcp_seg *seg;
	uint8_t which;

	conn_begin_passive(pcb, b);
	if (!tcp_fast_mark(pcb, choose_options(pcb, &which), TCP_SYN | TCP_ACK))
		return false;
	seg = pcb->unsent;
	seg->flags = which;
	net_self.tx_conn = c;
	if (unlikely(!output_link_is_known(c))) {
		tcp_output(pcb);
	} else {
		write_answer(c, seg);
		if (unlikely(output_segment(seg->p, c) != ERR_OK)) {
			tcp_set_flags(pcb, TF_NAGLEMEMERR);
		} else {
			pcb->unsent = NULL;
			pcb->unacked = seg;
			pcb->snd_nxt = pcb->snd_lbb;
		}
	}
	net_self.tx_conn = NULL;
	return true;
}

bool tcp_begin(const struct frame *f, const uint8_t *tcp, const struct binding *b)
{
	const struct tcp_pcb *listener = net_self.listeners[binding_index(b)];
	struct request r;
	struct tcp_pcb *pcb;
	bool is_in;

	if (!listener || !IP_IS_ANY_TYPE_VAL(listener->local_ip) || !read_request(&r, f, tcp))
		return false;
	pcb = tcp_alloc(listener->prio);
	if (!pcb)
		return false;
	fill(pcb, &r);
	ecn_offered(TCP_SYN); /* it did not */
	if (!answer(pcb, b)) {
		tcp_abandon(pcb, 0);
		net_self.tx_conn = NULL;
		return true;
	}
	net_self.arrival_group = f->b->group;
	is_in = demux_insert(pcb);
	net_self.arrival_group = FLOW_GROUP_NONE;
	if (!is_in) {
		net_self.stats.dropped_no_memory++;
		conn_abort(conn_of(pcb), IX_DEAD_NO_MEMORY);
		return true;
	}
	conn_after(conn_of(pcb));
	if (pcb->unsent)
		conn_touch(conn_of(pcb));
	return true;
}
