/* SPDX-License-Identifier: MIT */
/*
 * ICMPv6 errors about our segments: the same distrust as for IPv4 (icmp.c), other numbers. Routers do not
 * cut IPv6 packets, so Packet Too Big is how a connection learns what its path takes. [RFC 4443 3, RFC 8201]
 */
#include "kernel/base/bytes.h"
#include "kernel/net/icmp.h"
#include "kernel/net/icmp6.h"
#include "kernel/net/rate.h"
#include "kernel/net/word.h"

#define ERROR_BYTES 8u
#define QUOTED_TCP_BYTES 8u
#define CODE_PORT 4u        /* of unreachable */
#define CODE_NEXT_HEADER 1u /* of a parameter problem: nobody there speaks TCP */

static enum quote_kind kind_of(const uint8_t *message)
{
	if (message[0] == ICMP6_TOO_BIG)
		return QUOTE_TOO_BIG;
	if ((message[0] == ICMP6_UNREACHABLE && message[1] == CODE_PORT) ||
	    (message[0] == ICMP6_PROBLEM && message[1] == CODE_NEXT_HEADER))
		return QUOTE_HARD;
	return QUOTE_SOFT;
}

/* Return: false if it quotes nothing of ours, or contradicts itself. Our segments have no extension headers. */
static bool read_quote(const struct icmp6 *m, struct quote *q)
{
	const uint8_t *ip = m->message + ERROR_BYTES, *tcp = ip + IP6_BYTES;
	uint32_t seq, mtu;

	if (m->message[0] < ICMP6_UNREACHABLE || m->message[0] > ICMP6_PROBLEM ||
	    m->bytes < ERROR_BYTES + IP6_BYTES + QUOTED_TCP_BYTES || ip[0] >> 4 != 6 || ip[6] != IP_PROTOCOL_TCP)
		return false;
	memset(q, 0, sizeof(*q));
	q->tuple.is_ip6 = 1;
	memcpy(&q->tuple.local6, ip + 8, sizeof(q->tuple.local6));
	memcpy(&q->tuple.remote6, ip + 24, sizeof(q->tuple.remote6));
	memcpy(&q->tuple.local_port, tcp, 2);
	memcpy(&q->tuple.remote_port, tcp + 2, 2);
	memcpy(&seq, tcp + 4, 4);
	q->seq = be32(seq);
	q->kind = kind_of(m->message);
	if (!ip6_is_ours(&q->tuple.local6))
		return false;
	if (q->kind != QUOTE_TOO_BIG)
		return true;
	memcpy(&mtu, m->message + 4, 4);
	mtu = be32(mtu);
	q->mss_min = IP6_MTU_MIN - IP6_BYTES - TCP_BYTES;
	q->mss = (uint16_t)(MIN(mtu, 0xffffu) - IP6_BYTES - TCP_BYTES);
	/* Below 1280 it is thrown away [RFC 8201 4]; and the quoted packet was larger than what it was too large for. */
	return mtu >= IP6_MTU_MIN && IP6_BYTES + half_at(ip + 4) > mtu;
}

void icmp6_error_input(struct buf *b, const struct icmp6 *m)
{
	struct quote q;

	if (!read_quote(m, &q) || !rate_take(RATE_ICMP)) {
		net_self.stats.icmp_ignored++;
		buf_free_frame(b);
		return;
	}
	quote_apply(&q, b);
}
