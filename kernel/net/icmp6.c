/* SPDX-License-Identifier: MIT */
/*
 * ICMPv6: echo is answered in the frame it came in, without a look at any table, so that a scan leaves
 * nothing behind; errors are limited; neighbour discovery and groups are others'. [RFC 4443]
 */
#include "kernel/net/icmp6.h"

#include "kernel/base/bytes.h"
#include "kernel/cpu/cpu.h"
#include "kernel/flow/flow.h"
#include "kernel/net/checksum.h"
#include "kernel/net/dhcp6.h"
#include "kernel/net/mld.h"
#include "kernel/net/nd.h"
#include "kernel/net/neighbour.h"
#include "kernel/net/rate.h"
#include "kernel/net/ra.h"

#define ERROR_BYTES 8u /* of a message before the packet that it quotes */
#define HOP_LIMIT 255u
#define UNREACHABLE_PORT 4u

struct buf *ip6_new(const struct ip6 *from, const struct ip6 *to, unsigned bytes, uint32_t rest)
{
	struct buf *b = bytes <= BUF_BYTES - ETH_BYTES - IP6_BYTES ? buf_alloc() : NULL;

	if (!b)
		return NULL;
	b->off = 0;
	b->len = (uint16_t)(ETH_BYTES + IP6_BYTES + bytes);
	b->next = NULL;
	b->frame_bytes = b->len;
	b->flags = BUF_RESOLVE;
	b->core = (uint8_t)core_id();
	b->count = 1;
	b->segments = 1;
	ip6_write_header(b->data + ETH_BYTES, from, to, bytes, rest);
	memset(b->data + ETH_BYTES + IP6_BYTES, 0, bytes);
	return b;
}

struct buf *icmp6_new(const struct ip6 *from, const struct ip6 *to, unsigned type, unsigned bytes)
{
	struct buf *b = ip6_new(from, to, bytes, HOP_LIMIT << 8 | IP_PROTOCOL_ICMP6 << 16);

	if (b)
		icmp6_body(b)[0] = (uint8_t)type;
	return b;
}

static uint16_t sum_of(const uint8_t *ip, uint8_t protocol, const uint8_t *message, unsigned bytes)
{
	return checksum_fold((uint64_t)checksum_pseudo_ip6(ip, protocol, bytes) + port_chksum(message, (int)bytes));
}

void icmp6_send(struct buf *b, unsigned at, const uint8_t *mac)
{
	ip6_send(b, IP_PROTOCOL_ICMP6, at, mac);
}

void ip6_send(struct buf *b, uint8_t protocol, unsigned at, const uint8_t *mac)
{
	unsigned field = protocol == IP_PROTOCOL_UDP ? 6 : 2;
	uint16_t sum = (uint16_t)~sum_of(b->data + ETH_BYTES, protocol, b->data + at, b->len - at);
	struct ip6 to;

	sum = sum ? sum : 0xffff; /* the same sum; 0 would say that there is none */
	memcpy(b->data + at + field, &sum, sizeof(sum));
	memcpy(&to, b->data + ETH_BYTES + 24, sizeof(to));
	if (mac)
		neighbour_put_header(b->data, mac, ETH_TYPE_IP6);
	if (mac || neighbour_link_header(&to, b->data))
		output_buf(b);
	else
		neighbour_resolve(b);
}

/* Where our answer to the packet at @ip comes from. */
static const struct ip6 *answer_from(const uint8_t *ip)
{
	struct ip6 from, to;

	memcpy(&from, ip + 8, sizeof(from));
	memcpy(&to, ip + 24, sizeof(to));
	for (unsigned i = 0; i < net_self.ip6.address_count; i++)
		if (ip6_is_equal(&to, &net_self.ip6.addresses[i]))
			return &net_self.ip6.addresses[i];
	return ip6_source(&from);
}

void icmp6_error(struct buf *b, unsigned type, unsigned code, uint32_t word)
{
	const uint8_t *eth = b->data + b->off, *ip = eth + ETH_BYTES;
	unsigned quoted = MIN((unsigned)b->len - ETH_BYTES, IP6_BYTES + ((unsigned)ip[4] << 8 | ip[5]));
	const struct ip6 *from = answer_from(ip);
	be32_t wire = be32(word);
	struct buf *e = NULL;
	struct ip6 to;

	memcpy(&to, ip + 8, sizeof(to));
	quoted = MIN(quoted, IP6_MTU_MIN - IP6_BYTES - ERROR_BYTES);
	if (from && rate_take(RATE_ICMP_SENT))
		e = icmp6_new(from, &to, type, ERROR_BYTES + quoted);
	if (e) {
		uint8_t *body = icmp6_body(e);

		body[1] = (uint8_t)code;
		memcpy(body + 4, &wire, sizeof(wire));
		memcpy(body + ERROR_BYTES, ip, quoted);
		icmp6_send(e, ICMP6_AT, eth + 6);
	}
	buf_free_frame(b);
}

/* In place: the ends change sides, which leaves the sum, and the type becomes one more. Takes @b. */
static void answer_echo(struct buf *b, const struct icmp6 *m)
{
	uint8_t *eth = b->data + b->off, *ip = eth + ETH_BYTES, *message = eth + (m->message - m->eth);
	const struct ip6 *from = answer_from(ip);
	uint16_t sum;

	if (!from || m->message != ip + IP6_BYTES) {
		buf_free_frame(b);
		return;
	}
	b->len = (uint16_t)(ICMP6_AT + m->bytes);
	ip6_write_header(ip, from, &m->from, m->bytes, DEFAULT_TTL << 8 | IP_PROTOCOL_ICMP6 << 16);
	message[0] = ICMP6_ECHO_REPLY;
	memset(message + 2, 0, 2);
	sum = (uint16_t)~sum_of(ip, IP_PROTOCOL_ICMP6, message, m->bytes);
	memcpy(message + 2, &sum, sizeof(sum));
	memcpy(eth, eth + 6, 6);
	memcpy(eth + 6, nic_info()->mac, 6);
	output_buf(b);
}

/* Messages that only a host on our link can have sent [RFC 4861 6.1, 7.1]. */
static void discovery_input(const struct icmp6 *m)
{
	if (m->ip[7] != HOP_LIMIT || m->message[1] || m->message != m->ip + IP6_BYTES) {
		net_self.stats.bad_frames++;
		return;
	}
	switch (m->message[0]) {
	case ICMP6_ROUTER_ADVERTISEMENT:
		ra_input(m);
		break;
	case ICMP6_NEIGHBOUR_SOLICITATION:
		nd_solicitation(m);
		break;
	case ICMP6_NEIGHBOUR_ADVERTISEMENT:
		nd_advertisement(m);
		break;
	default:
		break; /* redirects (137) are not followed: our router may forward instead */
	}
}

/* From :: and from our own addresses comes nothing but what decides whose an address is. */
static bool may_say(const struct icmp6 *m)
{
	if (ip6_is_zero(&m->from))
		return m->message[0] == ICMP6_NEIGHBOUR_SOLICITATION;
	return !ip6_is_ours(&m->from) || m->message[0] == ICMP6_NEIGHBOUR_ADVERTISEMENT;
}

static void message_input(struct buf *b, const struct icmp6 *m)
{
	if (m->bytes < 8 ||
	    (!(b->flags & BUF_CSUM_GOOD) && sum_of(m->ip, IP_PROTOCOL_ICMP6, m->message, m->bytes) != 0xffff)) {
		net_self.stats.bad_csum++;
	} else if (!may_say(m)) {
		net_self.stats.bad_frames++;
	} else if (m->message[0] == ICMP6_ECHO) {
		answer_echo(b, m);
		return;
	} else if (m->message[0] < ICMP6_ERROR_END) {
		icmp6_error_input(b, m);
		return;
	} else if (m->message[0] == ICMP6_MLD_QUERY) {
		mld_query(m);
	} else if (m->message[0] >= ICMP6_ROUTER_SOLICITATION && m->message[0] <= 137) {
		discovery_input(m);
	}
	buf_free_frame(b);
}

/* Whether the sender of a packet may be told what was wrong with it [RFC 4443 2.4 e]. */
static bool may_answer(const uint8_t *ip, const struct ip6_walk *w, unsigned here)
{
	bool is_error = w->protocol == IP_PROTOCOL_ICMP6 && w->at < here && ip[w->at] < ICMP6_ERROR_END;
	bool is_option = w->problem == 3;
	struct ip6 from;

	memcpy(&from, ip + 8, sizeof(from));
	return ip6_is_host(&from) && !ip6_is_ours(&from) && !is_error && (ip[24] != 0xff || is_option);
}

static bool is_dhcp(const uint8_t *udp, unsigned bytes)
{
	return bytes >= 8 && ((unsigned)udp[2] << 8 | udp[3]) == DHCP6_CLIENT_PORT;
}

/* A packet that is sound as far as @w has come. Return: false if @b is still the caller's. */
static bool dispatch(struct buf *b, const struct ip6_walk *w, unsigned here)
{
	const uint8_t *eth = b->data + b->off, *ip = eth + ETH_BYTES;
	struct icmp6 m = { .eth = eth, .ip = ip, .message = ip + w->at, .bytes = here - w->at };

	if (w->problem) {
		if (!may_answer(ip, w, here))
			return false;
		icmp6_error(b, ICMP6_PROBLEM, w->problem - 1u, w->at);
		return true;
	}
	if (w->protocol == IP_PROTOCOL_ICMP6) {
		memcpy(&m.from, ip + 8, sizeof(m.from));
		memcpy(&m.to, ip + 24, sizeof(m.to));
		message_input(b, &m);
		return true;
	}
	if (w->protocol != IP_PROTOCOL_UDP)
		return false;
	if (is_dhcp(m.message, m.bytes)) {
		dhcp6_input(ip, m.message, m.bytes);
		return false;
	}
	if (!may_answer(ip, w, here))
		return false;
	icmp6_error(b, ICMP6_UNREACHABLE, UNREACHABLE_PORT, 0);
	return true;
}

void ip6_slow_input(struct buf *b)
{
	const uint8_t *ip = b->data + b->off + ETH_BYTES;
	unsigned here = MIN((unsigned)b->len - ETH_BYTES, IP6_BYTES + ((unsigned)ip[4] << 8 | ip[5]));
	struct ip6_walk w;

	/* What comes in several buffers is longer than any of these is. */
	if (b->next || !ip6_walk(ip, here, &w) || !dispatch(b, &w, here))
		buf_free_frame(b);
}
