/* SPDX-License-Identifier: MIT */
/*
 * Timestamps where lwIP leaves a gap: it negotiates, writes and remembers them; here is whether a segment is
 * old (PAWS), what an echo says about the round trip, a clock that tells a peer nothing about us or about
 * others, and the option in the segments that lwIP sends without. [RFC 7323]
 */
#include "kernel/base/bytes.h"
#include "kernel/net/demux.h"
#include "kernel/net/port/ix_hooks.h"
#include "kernel/net/tcp_options.h"
#include "kernel/net/tcp_ecn.h"
#include "kernel/net/tcp_ts.h"

#define RECENT 64u
#define TS_ALIGNED 0x0101080au          /* NOP, NOP, kind, length */
#define NOPS 0x01010101u                /* four of them */
#define STALE_MS (24u * 24u * 3600000u) /* so long after the last segment, what was remembered says nothing [5.5] */
#define ECHO_MAX_MS 3000u               /* lwIP keeps eight times the estimate in 16 bits */

/* Offsets of those who came last, IPv4 only: who opens one connection opens more, and a keyed hash is not cheap. */
static PERCORE struct recent {
	uint64_t pair; /* both addresses, 0: none */
	uint32_t offset;
} recent[RECENT];

/* Each address has a clock of its own: nobody learns our uptime, nor which connections are one host's. */
static uint32_t offset_of(struct demux_tuple t)
{
	uint64_t pair = t.is_ip6 ? 0 : tuple_addresses4(&t);
	struct recent *r = &recent[(t.remote ^ t.remote >> 16 ^ t.remote >> 24) % RECENT];

	if (pair && r->pair == pair)
		return r->offset;
	t.remote_port = t.local_port = 0;
	if (!pair)
		return demux_isn(&t);
	r->pair = pair;
	r->offset = demux_isn(&t);
	return r->offset;
}

void ts_init(struct conn *c)
{
	c->ts_offset = offset_of(tuple_of(pcb_of(c)));
}

uint32_t ts_clock_of(const struct demux_tuple *t)
{
	return net_self.now_ms + offset_of(*t);
}

/* lwIP asks for the time that goes into an option. */
u32_t sys_now(void)
{
	return net_self.tx_conn ? ts_clock(net_self.tx_conn) : net_self.now_ms;
}

/* ---- in ---- */
uint8_t ts_write(uint8_t out[TS_BYTES], uint32_t value, uint32_t echo)
{
	uint32_t words[3] = { be32(TS_ALIGNED), be32(value), be32(echo) };

	memcpy(out, words, sizeof(words));
	return TS_BYTES;
}

bool ts_find(const uint8_t *options, unsigned bytes, uint32_t *value)
{
	struct tcp_options o;

	options_read(&o, options, bytes);
	*value = o.has_ts ? o.ts_value : 0;
	return o.has_ts;
}

void ts_take_echo(struct conn *c, uint32_t ack, uint32_t echo)
{
	struct tcp_pcb *pcb = pcb_of(c);
	uint32_t ms = ts_clock(c) - echo;

	if (pcb->rttest || !echo || ms > ECHO_MAX_MS || !TCP_SEQ_BETWEEN(ack, pcb->lastack + 1, pcb->snd_nxt))
		return;
	pcb->rttest = tcp_ticks - ms;
	pcb->rttest += !pcb->rttest; /* 0 would mean none */
	pcb->rtseq = ack - 1;
}

/* [RFC 7323 5.3] R1; an RST ends a connection however old it is. */
static bool is_old(const struct tcp_pcb *pcb, uint32_t value)
{
	return (int32_t)(value - pcb->ts_recent) < 0 && tcp_ticks - pcb->tmr <= STALE_MS;
}

bool ts_is_acceptable(struct conn *c, const struct tcp_hdr *hdr, const struct tcp_options *o)
{
	struct tcp_pcb *pcb = pcb_of(c);

	if (!o->has_ts) /* a SHOULD: silently [3.2] */
		return false;
	if (is_old(pcb, o->ts_value)) {
		tcp_ack_now(pcb);
		conn_touch(c); /* one a batch at most */
		net_self.stats.dropped_old++;
		return false;
	}
	if (TCPH_FLAGS(hdr) & TCP_ACK)
		ts_take_echo(c, hdr->ackno, o->ts_echo);
	return true;
}

/* ---- out ---- */
/* lwIP's resets, probes and keepalives have no options; a peer may drop what lacks an agreed one [3.2]. */
u8_t port_tcp_option_bytes(const struct tcp_pcb *pcb, u8_t bytes)
{
	return !bytes && pcb && (pcb->flags & TF_TIMESTAMP) ? TS_BYTES : bytes;
}

u32_t *port_tcp_options(struct pbuf *p, struct tcp_hdr *hdr, const struct tcp_pcb *pcb, u32_t *at)
{
	u32_t *options = (u32_t *)(void *)(hdr + 1);
	uint8_t *data = (uint8_t *)(options + TS_BYTES / sizeof(u32_t));

	if (!pcb)
		return at;
	if (unlikely(conn_of((struct tcp_pcb *)(uintptr_t)pcb)->flags & CONN_ECN))
		ecn_output(conn_of((struct tcp_pcb *)(uintptr_t)pcb), hdr, p->tot_len - TCPH_HDRLEN_BYTES(hdr));
	if (at == options && (pcb->flags & TF_TIMESTAMP)) {
		if (p->len == TCP_HLEN + TS_BYTES + 1u) /* lwIP has put a probe's byte behind the bare header */
			*data = *(uint8_t *)options;
		options[0] = be32(TS_ALIGNED);
		options[1] = be32(sys_now());
		options[2] = be32(pcb->ts_recent);
		return options + 3;
	}
	/* lwIP always offers them; an offer that is not meant is blanked. */
	if (pcb->state == SYN_SENT && !net_shared.has_timestamps && options[1] == be32(TS_ALIGNED))
		for (unsigned i = 1; i <= TS_BYTES / sizeof(u32_t); i++)
			options[i] = be32(NOPS);
	return at;
}
