/* SPDX-License-Identifier: MIT */
/* Neighbour discovery: questions and answers about Ethernet addresses. Boot core only; private to kernel/net. */
#pragma once
#include "kernel/net/icmp6.h"

#define ND_SOURCE_MAC 1u /* options [RFC 4861 4.6] */
#define ND_TARGET_MAC 2u
#define ND_PREFIX 3u
#define ND_MTU 5u

/**
 * nd_option() - the first option of @type in @bytes of options
 * Return: its beginning, which is 8 * its second byte long; NULL if there is none.
 */
const uint8_t *nd_option(const uint8_t *options, unsigned bytes, unsigned type);
/** nd_options_are_good() - whether each has a length, and the last one ends where they end [RFC 4861 4.6]. */
bool nd_options_are_good(const uint8_t *options, unsigned bytes);

/** nd_ask() - who has @address? @mac: whom to ask, NULL: everybody who may be it. [RFC 4861 7.2.2] */
void nd_ask(const struct ip6 *address, const uint8_t *mac);
/** nd_probe() - does anybody have @address, which is to become ours? [RFC 4862 5.4.2] */
void nd_probe(const struct ip6 *address);
/** nd_announce() - tell everybody that our @address is here [RFC 4861 7.2.6]. */
void nd_announce(const struct ip6 *address);

/** nd_solicitation(), nd_advertisement() - received, hop limit and checksum good. */
void nd_solicitation(const struct icmp6 *m);
void nd_advertisement(const struct icmp6 *m);

/** nd_neighbour_gone() - @address does not answer any more. */
void nd_neighbour_gone(const struct ip6 *address);
