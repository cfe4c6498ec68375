/* SPDX-License-Identifier: MIT */
/*
 * What lwIP does not check: whether an acknowledgement or a reset can be the peer's [RFC 5961], how often
 * such a segment is answered, what is left of a closed connection [RFC 1337, RFC 9293 3.6.1], and whether
 * there is room for what a segment asks for.
 */
#include "kernel/net/tcp_check.h"

#include "kernel/base/bytes.h"
#include "kernel/net/backlog.h"
#include "kernel/net/output.h"
#include "kernel/net/pressure.h"
#include "kernel/net/rate.h"
#include "kernel/net/tcp_syn.h"
#include "kernel/net/tcp_ts.h"
#include "kernel/net/word.h"

#define DOWN_DROP_MS 3000u /* so long a restarting partition's ports look slow instead of closed */
#define CHALLENGE_MS 500u  /* a connection answers what it does not believe once in so long [RFC 5961 7] */

/* ---- of a connection ---- */
/* Memory is short: data waits for a retransmission, but never what ends a connection or frees memory. */
static bool is_refused_for_memory(const struct frame *f, const uint8_t *tcp, struct tcp_pcb *pcb)
{
	unsigned header = (tcp[12] >> 4) * 4u;

	return net_self.is_low && f->l4_bytes > header && !(tcp[13] & (TCP_FIN | TCP_RST | TCP_SYN)) &&
	       (!pcb || pressure_refuses(conn_of(pcb)));
}

/*
 * By the connection's own clock: a limit that all share would tell an outsider, who has a connection of
 * his own to ask with, whether his guess at another one was right [CVE-2016-5696].
 */
static void answer(struct conn *c)
{
	net_self.stats.challenges++;
	net_self.tx_conn = c;
	tcp_ack_now(pcb_of(c));
	tcp_output(pcb_of(c));
	net_self.tx_conn = NULL;
	conn_after(c);
}

static void challenge(struct conn *c)
{
	if ((uint16_t)(net_self.now_ms - c->challenge_ms) < CHALLENGE_MS)
		return;
	c->challenge_ms = (uint16_t)net_self.now_ms;
	answer(c);
}

/* By a clock of its own: a peer that has just sent a keepalive may reset once, and must be asked about it. */
static void answer_empty(struct conn *c)
{
	uint8_t now = (uint8_t)(net_self.now_ms / 64);

	if ((uint8_t)(now - c->empty_64ms) < CHALLENGE_MS / 64)
		return;
	c->empty_64ms = now;
	answer(c);
}

/*
 * [RFC 5961 3.2]: exactly the next byte resets; another one in the window is asked about, the rest is nothing.
 * A peer that has filled the window, of which we have dropped something, resets at its very end.
 */
static bool is_reset_good(struct conn *c, uint32_t seq)
{
	const struct tcp_pcb *pcb = pcb_of(c);

	if (pcb->state == SYN_SENT || seq == pcb->rcv_nxt)
		return true;
	if (seq - pcb->rcv_nxt <= pcb->rcv_wnd)
		challenge(c);
	return false;
}

/*
 * Nothing but an acknowledgement, at a place where none is expected: a keepalive, or two that answer each other.
 * A peer that has filled the window, of which we lack something, acknowledges from its very end: what is new is taken.
 */
static bool is_empty_elsewhere(const struct frame *f, const struct tcp_pcb *pcb, const uint8_t *tcp)
{
	uint32_t ahead = word_at(tcp + 4) - pcb->rcv_nxt;

	return f->l4_bytes == (tcp[12] >> 4) * 4u && !(tcp[13] & TCP_FIN) && ahead && ahead >= pcb->rcv_wnd &&
	       !(ahead == pcb->rcv_wnd && TCP_SEQ_GT(word_at(tcp + 8), pcb->lastack));
}

/* [RFC 5961 5.2]: an acknowledgement from far outside the window is not a peer's. */
static bool is_ack_acceptable(const struct tcp_pcb *pcb, uint32_t ack)
{
	return (int32_t)(ack - pcb->snd_nxt) <= 0 && (int32_t)(ack - (pcb->lastack - pcb->snd_wnd_max)) >= 0;
}

static bool is_acceptable(const struct frame *f, struct conn *c, const uint8_t *tcp)
{
	const struct tcp_pcb *pcb = pcb_of(c);

	if (tcp[13] & TCP_RST)
		return is_reset_good(c, word_at(tcp + 4));
	if (pcb->state == SYN_RCVD && (tcp[13] & TCP_SYN))
		return word_at(tcp + 4) == pcb->rcv_nxt - 1; /* of any other one lwIP would still take the options */
	if (pcb->state == SYN_RCVD && !backlog_may_establish(c)) {
		net_self.stats.backlog_dropped++;
		return false; /* it will be sent again, and so will our SYN */
	}
	if (pcb->state < ESTABLISHED)
		return true;
	if (!(tcp[13] & TCP_ACK) && !(tcp[13] & TCP_SYN))
		return false; /* [RFC 9293 3.10.7.4] */
	if ((tcp[13] & TCP_SYN) || !is_ack_acceptable(pcb, word_at(tcp + 8))) {
		net_self.stats.dropped_ack++;
		challenge(c); /* a SYN: [RFC 5961 4.2] */
		return false;
	}
	if (!is_empty_elsewhere(f, pcb, tcp))
		return true;
	answer_empty(c);
	return false;
}

/* ---- of none ---- */
/* Whether a SYN is of a connection after the one in @w: by its timestamp, else by its number. [RFC 6191 2] */
static bool is_newer(const struct timewait *w, const struct frame *f, const uint8_t *tcp)
{
	int32_t by_seq = (int32_t)(word_at(tcp + 4) - w->rcv_nxt), by_ts;
	uint32_t ts;

	if (!ts_find(tcp + TCP_BYTES, syn_option_bytes(f, tcp), &ts))
		return by_seq > 0;
	if (!(w->until_ms & TIMEWAIT_HAS_TS))
		return true; /* what is left of the old one has none, and so will not be taken for the new one's */
	by_ts = (int32_t)(ts - w->ts_recent);
	return by_ts > 0 || (by_ts == 0 && by_seq > 0);
}

/* A segment of a connection in TIME_WAIT. Return: true if it begins a new connection. [RFC 9293 3.10.7.4] */
static bool timewait_input(struct timewait *w, const struct frame *f, const uint8_t *tcp)
{
	if (tcp[13] & TCP_RST)
		return false; /* [RFC 1337] */
	if ((tcp[13] & (TCP_SYN | TCP_ACK)) == TCP_SYN && is_newer(w, f, tcp)) {
		timewait_remove(w);
		return true;
	}
	if ((f->l4_bytes > (tcp[12] >> 4) * 4u || (tcp[13] & (TCP_FIN | TCP_SYN))) && rate_take(RATE_CHALLENGE))
		output_ack(&f->tuple, w);
	return false;
}

/* A segment of no connection. Return: whether lwIP shall see it, to answer or to begin one. */
static bool is_for_lwip(const struct frame *f, const uint8_t *tcp, struct tcp_pcb **pcb)
{
	struct timewait *w = timewait_find(f->hash, &f->tuple);
	bool is_syn = (tcp[13] & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
	const struct binding *b;

	if (w && !timewait_input(w, f, tcp))
		return false;
	if (tcp[13] & TCP_RST)
		return false;
	b = binding_find(BINDING_TCP, be16(f->tuple.local_port));
	if (is_syn && !b && binding_is_taken(BINDING_TCP, be16(f->tuple.local_port)))
		return false; /* since a moment, on another core: asked again, it is served here, too */
	if (is_syn && b && READ_ONCE(net_shared.is_draining))
		return false; /* asked again a second later, of whoever has the address then */
	if (is_syn && b)
		return syn_request(f, tcp, b);
	if (!is_syn && b && syn_is_cookie(f, tcp)) {
		*pcb = syn_replay(f, tcp, b);
		return *pcb;
	}
	/* Also after the restart: the program has not asked for its ports again yet. */
	if (net_self.has_ended && net_self.now_ms - net_self.down_ms < DOWN_DROP_MS)
		return false;
	if (!rate_take(RATE_RESET))
		return false;
	net_self.stats.resets_sent++;
	return true;
}

bool tcp_check(const struct frame *f, const uint8_t *tcp, struct tcp_pcb **pcb)
{
	if (is_refused_for_memory(f, tcp, *pcb)) {
		net_self.stats.dropped_no_buffer++;
		return false;
	}
	return *pcb ? is_acceptable(f, conn_of(*pcb), tcp) : is_for_lwip(f, tcp, pcb);
}
