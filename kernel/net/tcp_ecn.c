/* SPDX-License-Identifier: MIT */
/*
 * Congestion that routers mark instead of dropping: as classic ECN, where a mark halves the window once a
 * round trip, or as DCTCP, where it shrinks by the share of bytes that were marked. Of incoming connections
 * only; what this takes is allocated when both ends want it. [RFC 3168, RFC 8257]
 */
#include "kernel/net/tcp_ecn.h"

#include "kernel/abi/manifest.h"
#include "kernel/base/bytes.h"
#include "kernel/mem/mem.h"

#define FLAG_ECE 0x40u
#define FLAG_CWR 0x80u
#define TOS_ECN 3u
#define TOS_ECT0 2u
#define TOS_CE 3u
#define ALPHA_ONE 1024u /* a share of 1 */
#define GAIN_SHIFT 4    /* 1/16 [RFC 8257 3.3] */

static PERCORE bool is_offered;

void ecn_offered(unsigned flags)
{
	is_offered = (flags & (FLAG_ECE | FLAG_CWR)) == (FLAG_ECE | FLAG_CWR);
}

void ecn_accept(struct conn *c, unsigned wanted)
{
	const struct tcp_pcb *pcb = pcb_of(c);
	struct tcp_ecn *e;

	if (!is_offered || wanted == IX_ECN_OFF)
		return;
	e = mem_alloc(sizeof(*e));
	if (!e)
		return;
	*e = (struct tcp_ecn){ .claim = c->claim,
			       .is_dctcp = wanted == IX_ECN_DCTCP,
			       .alpha = ALPHA_ONE, /* [RFC 8257 4.2] */
			       .reduced_to = pcb->snd_nxt,
			       .window_end = pcb->snd_nxt };
	c->ecn = e;
	c->flags |= CONN_ECN;
}

void ecn_free(struct conn *c)
{
	if (!(c->flags & CONN_ECN))
		return;
	c->flags &= ~(unsigned)CONN_ECN;
	mem_free(c->ecn);
	c->claim = (struct mss_claim){ 0 };
}

/* ---- what the peer sends ---- */
static unsigned codepoint(const uint8_t *ip)
{
	return (ip[0] >> 4 == 4 ? ip[1] : ip[1] >> 4) & TOS_ECN;
}

/* Each acknowledgement says exactly whether what it acknowledges was marked [RFC 8257 3.2]. */
static void echo_exactly(struct conn *c, bool is_marked)
{
	struct tcp_pcb *pcb = pcb_of(c);

	if (is_marked == c->ecn->is_echoing)
		return;
	if (pcb->flags & (TF_ACK_DELAY | TF_ACK_NOW)) { /* of what came before */
		struct conn *sending = net_self.tx_conn;

		net_self.tx_conn = c;
		tcp_send_empty_ack(pcb);
		net_self.tx_conn = sending;
	}
	c->ecn->is_echoing = is_marked;
}

static void take_mark(struct conn *c, bool is_marked, bool is_told)
{
	net_self.stats.ecn_marks += is_marked;
	if (c->ecn->is_dctcp)
		echo_exactly(c, is_marked);
	else if (is_marked || is_told) /* until we are told that it was heard [RFC 3168 6.1.3] */
		c->ecn->is_echoing = is_marked;
}

/* ---- what it says of what we sent ---- */
static void update_alpha(struct tcp_ecn *e, const struct tcp_pcb *pcb)
{
	uint32_t share = (uint32_t)((uint64_t)e->marked * ALPHA_ONE / MAX(e->acked, 1u));

	e->alpha = (uint16_t)(e->alpha - (e->alpha >> GAIN_SHIFT) + (share >> GAIN_SHIFT));
	e->acked = e->marked = 0;
	e->window_end = pcb->snd_nxt;
}

/* Once a round trip, and not beside a recovery [RFC 3168 6.1.2]. */
static void reduce(struct conn *c)
{
	struct tcp_pcb *pcb = pcb_of(c);
	struct tcp_ecn *e = c->ecn;
	uint32_t window = MIN(pcb->cwnd, MAX(pcb->snd_nxt - pcb->lastack, 2u * pcb->mss));
	uint32_t less = e->is_dctcp ? (uint32_t)((uint64_t)window * e->alpha / (2 * ALPHA_ONE)) : window / 2;

	pcb->ssthresh = MAX(window - less, 2u * pcb->mss);
	pcb->cwnd = pcb->ssthresh;
	pcb->bytes_acked = 0;
	e->reduced_to = pcb->snd_nxt;
	e->is_reduction_owed = true;
	net_self.stats.ecn_reductions++;
}

static void take_echo(struct conn *c, uint32_t ack, bool is_echo)
{
	const struct tcp_pcb *pcb = pcb_of(c);
	struct tcp_ecn *e = c->ecn;
	uint32_t acked = ack - pcb->lastack;

	if (acked > pcb->snd_nxt - pcb->lastack)
		return;
	e->acked += acked;
	e->marked += is_echo ? acked : 0;
	if (TCP_SEQ_GEQ(ack, e->window_end) && acked)
		update_alpha(e, pcb);
	if (is_echo && TCP_SEQ_GT(ack, e->reduced_to) && acked && !(c->flags & CONN_RECOVER))
		reduce(c);
}

void ecn_input(struct conn *c, const uint8_t *ip, const uint8_t *tcp, uint32_t bytes)
{
	uint32_t ack;

	if (pcb_of(c)->state < ESTABLISHED || (tcp[13] & (TCP_SYN | TCP_RST)) || !(tcp[13] & TCP_ACK))
		return;
	memcpy(&ack, tcp + 8, sizeof(ack));
	take_echo(c, be32(ack), tcp[13] & FLAG_ECE);
	if (bytes)
		take_mark(c, codepoint(ip) == TOS_CE, tcp[13] & FLAG_CWR);
}

/* ---- what we send ---- */
void ecn_output(struct conn *c, struct tcp_hdr *tcp, uint32_t bytes)
{
	struct tcp_pcb *pcb = pcb_of(c);
	struct tcp_ecn *e = c->ecn;
	uint8_t *flags = (uint8_t *)tcp + 13;
	bool is_new = bytes && TCP_SEQ_GEQ(be32(tcp->seqno), pcb->snd_nxt);

	*flags &= (uint8_t) ~(FLAG_ECE | FLAG_CWR); /* of an earlier time */
	pcb->tos &= (u8_t)~TOS_ECN;
	if (*flags & TCP_SYN) {
		*flags |= FLAG_ECE; /* agreed [RFC 3168 6.1.1] */
		return;
	}
	if (is_new) /* neither acknowledgements nor what is sent again [6.1.4, 6.1.5] */
		pcb->tos |= TOS_ECT0;
	if (is_new && e->is_reduction_owed) {
		*flags |= FLAG_CWR;
		e->is_reduction_owed = false;
	}
	if (e->is_echoing && (*flags & TCP_ACK))
		*flags |= FLAG_ECE;
}
