/* SPDX-License-Identifier: MIT */
/* IPv6: which addresses are ours, where packets go, what a received one is. Private to kernel/net. */
#pragma once
#include "kernel/net/input.h"

#define IP6_MTU_MIN 1280u /* every IPv6 link takes so much [RFC 8200 5] */

static inline bool ip6_is_zero(const struct ip6 *a)
{
	return !(a->words[0] | a->words[1] | a->words[2] | a->words[3]);
}
static inline bool ip6_is_multicast(const struct ip6 *a)
{
	return (a->words[0] & 0xff) == 0xff;
}
static inline bool ip6_is_link_local(const struct ip6 *a)
{
	return (be32(a->words[0]) & 0xffc00000u) == 0xfe800000u;
}

/** ip6_is_prefix() - whether @a and @b agree in the first @bits (0..128). */
bool ip6_is_prefix(const struct ip6 *a, const struct ip6 *b, unsigned bits);

/** ip6_is_host() - whether @a can be one host's on a network: not ::, ::1, multicast or IPv4-mapped [RFC 4291 2.4]. */
bool ip6_is_host(const struct ip6 *a);

/** ip6_solicited() - the solicited-node group of @a [RFC 4291 2.7.1]. */
struct ip6 ip6_solicited(const struct ip6 *a);

/** ip6_is_ours() - one of our addresses; ip6_is_for_us() - or a group that we are in. */
bool ip6_is_ours(const struct ip6 *a);
bool ip6_is_for_us(const struct ip6 *a);

/** ip6_source() - our address for packets to @to [RFC 6724 5]; NULL if we have none that fits. */
const struct ip6 *ip6_source(const struct ip6 *to);

/** ip6_mtu() - of the link. */
uint16_t ip6_mtu(void);

/** ip6_publish() - boot core: @setup is what all cores shall use from their next turn on. */
void ip6_publish(const struct ip6_setup *setup);
/** ip6_sync() - the calling core's copy. */
void ip6_sync(void);

/** ip6_write_header() - 40 bytes at @at; @l4_bytes: behind them; @rest: class, hop limit << 8, next header << 16. */
void ip6_write_header(void *at, const void *from, const void *to, unsigned l4_bytes, uint32_t rest);

/* A packet of ours as ip6_write_header() would have it. */
struct ip6_packet {
	struct ip6 from, to;
	uint32_t rest;
	uint32_t ident;
};

/** ip6_send_fragments() - what is behind the header, @p, in as many packets as it takes. ERR_MEM: not all of them. */
err_t ip6_send_fragments(const struct pbuf *p, struct ip6_packet *k);

/* ---- received ---- */
/* Where a walk over extension headers has ended. */
struct ip6_walk {
	uint16_t at;      /* bytes from the IPv6 header: the upper-layer header, or what could not be understood */
	uint8_t protocol; /* of the upper layer */
	uint8_t problem;  /* ICMPv6 parameter problem code + 1, 0: none */
};

/**
 * ip6_walk() - from the IPv6 header at @ip over all extension headers, none of which reaches beyond @bytes
 * Return: true if there is an upper-layer header at @w->at, or a problem that the sender is to be told of; false: drop
 * it. [RFC 8200 4, RFC 8504 5.3]
 */
bool ip6_walk(const uint8_t *ip, unsigned bytes, struct ip6_walk *w);

/** ip6_classify() - what @f is, a frame of Ethernet type IPv6; the same rules as in input.c. */
enum frame_kind ip6_classify(struct frame *f);

/** ip6_slow_input() - boot core: ICMPv6, datagrams to closed ports, what the sender did wrong; takes @b. */
void ip6_slow_input(struct buf *b);
