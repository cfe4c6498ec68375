/* SPDX-License-Identifier: MIT */
/* ICMPv6 messages of ours, and whose they are that come in. Boot core only; private to kernel/net. [RFC 4443] */
#pragma once
#include "kernel/net/ip6.h"
#include "kernel/net/output.h"

#define ICMP6_AT (ETH_BYTES + IP6_BYTES) /* of a message without extension headers, in its frame */

enum icmp6_type {
	ICMP6_UNREACHABLE = 1,
	ICMP6_TOO_BIG = 2,
	ICMP6_TIME_EXCEEDED = 3,
	ICMP6_PROBLEM = 4,
	ICMP6_ERROR_END = 128, /* errors are below */
	ICMP6_ECHO = 128,
	ICMP6_ECHO_REPLY = 129,
	ICMP6_MLD_QUERY = 130,
	ICMP6_ROUTER_SOLICITATION = 133,
	ICMP6_ROUTER_ADVERTISEMENT = 134,
	ICMP6_NEIGHBOUR_SOLICITATION = 135,
	ICMP6_NEIGHBOUR_ADVERTISEMENT = 136,
	ICMP6_MLD2_REPORT = 143,
};

/* A received message, as its handler sees it. */
struct icmp6 {
	const uint8_t *eth, *ip;
	const uint8_t *message; /* type, code, checksum, ... */
	unsigned bytes;         /* from there on */
	struct ip6 from, to;
};

/**
 * ip6_new() - a packet of ours, zeroed behind its header; @rest: as of ip6_write_header()
 * Return: NULL if there is no buffer. Owner: the caller, until ip6_send().
 */
struct buf *ip6_new(const struct ip6 *from, const struct ip6 *to, unsigned bytes, uint32_t rest);

/** icmp6_new() - the same for a message of @bytes, hop limit 255; icmp6_body() - where it begins. */
struct buf *icmp6_new(const struct ip6 *from, const struct ip6 *to, unsigned type, unsigned bytes);
static inline uint8_t *icmp6_body(struct buf *b)
{
	return b->data + ICMP6_AT;
}

/**
 * icmp6_send() - fill in the checksum of the message at @at in the frame, and send it
 * @mac: whom to, NULL: to the group, or whoever the neighbour is.
 */
void icmp6_send(struct buf *b, unsigned at, const uint8_t *mac);

/** ip6_send() - the same for @protocol, ICMPv6 or UDP. */
void ip6_send(struct buf *b, uint8_t protocol, unsigned at, const uint8_t *mac);

/** icmp6_error_input() - an error that @b, which is @m, reports about something we have sent; takes @b. */
void icmp6_error_input(struct buf *b, const struct icmp6 *m);

/** icmp6_error() - tell the sender of @b; @word: the four bytes behind the checksum. Takes @b. [RFC 4443 2.4] */
void icmp6_error(struct buf *b, unsigned type, unsigned code, uint32_t word);
