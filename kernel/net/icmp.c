/* SPDX-License-Identifier: MIT */
/*
 * Errors that routers and hosts report about our segments. Anybody can send one, so it counts only if it
 * quotes a segment that is under way, and even then ends nothing but an attempt to connect.
 * [RFC 792, RFC 1122 4.2.3.9, RFC 1191, RFC 5927]
 */
#include "kernel/net/icmp.h"

#include "kernel/base/bytes.h"
#include "kernel/cpu/cpu.h"
#include "kernel/flow/flow.h"
#include "kernel/net/moving.h"
#include "kernel/net/output.h"
#include "kernel/net/path_mtu.h"
#include "kernel/net/rate.h"
#include "kernel/net/word.h"

#define ICMP_BYTES 8u
#define UNREACHABLE 3u
#define TIME_EXCEEDED 11u
#define PARAMETER_PROBLEM 12u
#define CODE_PROTOCOL 2u
#define CODE_PORT 3u
#define CODE_TOO_BIG 4u
#define QUOTED_TCP_BYTES 8u /* ports and sequence number: as much as every router quotes */
#define MSS_MIN 536u        /* with the headers 576 bytes, which every path takes [RFC 1122 3.3.3] */

/* The error is sound as a whole, checksum included, and quotes enough. Return: its start, NULL: it is not. */
static const uint8_t *find_icmp(const struct buf *b, unsigned *bytes)
{
	const uint8_t *ip = b->data + b->off + ETH_BYTES;
	unsigned header = (ip[0] & 15u) * 4, total = half_at(ip + 2);

	/* All that is looked at lies in the first buffer: such a packet is at most 576 bytes [RFC 1812 4.3.2.3]. */
	if (ip[9] != IP_PROTOCOL_ICMP || total > b->len - ETH_BYTES ||
	    total < header + ICMP_BYTES + IP4_BYTES + QUOTED_TCP_BYTES)
		return NULL;
	*bytes = total - header;
	return ip + header;
}

static bool is_error(const uint8_t *icmp)
{
	/* Source quench (4) is none any more [RFC 6633]. */
	return icmp[0] == UNREACHABLE || icmp[0] == TIME_EXCEEDED || icmp[0] == PARAMETER_PROBLEM;
}

bool icmp_is_tcp_error(const struct buf *b)
{
	unsigned bytes;
	const uint8_t *icmp = find_icmp(b, &bytes);

	return icmp && is_error(icmp) && icmp[ICMP_BYTES + 9] == IP_PROTOCOL_TCP;
}

static enum quote_kind kind_of(const uint8_t *icmp)
{
	if (icmp[0] == PARAMETER_PROBLEM)
		return QUOTE_HARD;
	if (icmp[0] != UNREACHABLE)
		return QUOTE_SOFT;
	if (icmp[1] == CODE_TOO_BIG)
		return QUOTE_TOO_BIG;
	return icmp[1] == CODE_PROTOCOL || icmp[1] == CODE_PORT ? QUOTE_HARD : QUOTE_SOFT;
}

/* Return: false if it quotes nothing of ours, or contradicts itself. */
static bool read_quote(const struct buf *b, struct quote *q)
{
	unsigned bytes, header, mtu;
	const uint8_t *icmp = find_icmp(b, &bytes), *ip;
	uint32_t seq;

	if (!icmp || port_chksum(icmp, (int)bytes) != 0xffff)
		return false;
	ip = icmp + ICMP_BYTES;
	header = (ip[0] & 15u) * 4;
	if (ip[0] >> 4 != 4 || header < IP4_BYTES || bytes < ICMP_BYTES + header + QUOTED_TCP_BYTES ||
	    (half_at(ip + 6) & 0x1fff)) /* not a first fragment */
		return false;
	memset(q, 0, sizeof(*q));
	memcpy(&q->tuple.local, ip + 12, 4);
	memcpy(&q->tuple.remote, ip + 16, 4);
	memcpy(&q->tuple.local_port, ip + header, 2);
	memcpy(&q->tuple.remote_port, ip + header + 2, 2);
	memcpy(&seq, ip + header + 4, 4);
	q->seq = be32(seq);
	q->kind = kind_of(icmp);
	if (q->tuple.local != net_shared.address)
		return false;
	if (q->kind != QUOTE_TOO_BIG)
		return true;
	mtu = half_at(icmp + 6); /* 0: a router from before RFC 1191, and none is left */
	q->mss_min = MSS_MIN;
	q->mss = (uint16_t)(mtu > IP4_BYTES + TCP_BYTES ? mtu - IP4_BYTES - TCP_BYTES : 0);
	return mtu && half_at(ip + 2) > mtu; /* the quoted packet was larger than what it is said to be too large for */
}

void icmp_error_input(struct buf *b)
{
	struct quote q;

	if (!read_quote(b, &q) || !rate_take(RATE_ICMP)) {
		net_self.stats.icmp_ignored++;
		buf_free_frame(b);
		return;
	}
	quote_apply(&q, b);
}

/* ---- of either family ---- */
/* Data, or our SYN or FIN, that the peer has not acknowledged. */
static bool is_in_flight(const struct tcp_pcb *pcb, uint32_t seq)
{
	return seq - pcb->lastack < pcb->snd_nxt - pcb->lastack;
}

static void apply(struct tcp_pcb *pcb, const struct quote *q)
{
	struct conn *c = conn_of(pcb);

	if (!is_in_flight(pcb, q->seq)) {
		net_self.stats.icmp_ignored++;
		return;
	}
	net_self.stats.icmp_errors++;
	switch (q->kind) {
	case QUOTE_TOO_BIG:
		path_mtu_claim(c, q->seq, MAX(q->mss, q->mss_min));
		break;
	case QUOTE_HARD:
		if (pcb->state == SYN_SENT) {
			c->reason = IX_DEAD_UNREACHABLE;
			tcp_abandon(pcb, 0);
			break;
		}
		c->flags |= CONN_UNREACHABLE;
		break;
	case QUOTE_SOFT:
		c->flags |= CONN_UNREACHABLE;
		break;
	}
}

void quote_apply(const struct quote *q, struct buf *b)
{
	struct tcp_pcb *pcb = demux_find(demux_hash(&q->tuple), &q->tuple);
	uint32_t next = cpu_after(cpu_serving(), core_id());

	if (!pcb && next > core_id()) { /* it began at the boot core, the lowest */
		b->flags |= BUF_QUOTED;
		if (flow_hand(next, b))
			return;
	}
	if (pcb && (conn_of(pcb)->flags & CONN_MOVING)) {
		b->flags |= BUF_QUOTED;
		park_put(&conn_of(pcb)->move->waiting, b);
		return;
	}
	if (pcb)
		apply(pcb, q);
	else
		net_self.stats.icmp_ignored++;
	buf_free_frame(b);
}
