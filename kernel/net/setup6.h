/* SPDX-License-Identifier: MIT */
/* Our IPv6 addresses, prefixes and routers, and how long each lasts. Boot core only; private to kernel/net. */
#pragma once
#include "kernel/net/ip6.h"

enum setup6_origin { ORIGIN_LINK_LOCAL, ORIGIN_STATIC, ORIGIN_DHCP, ORIGIN_ADVERTISED, ORIGIN_NR };

#define SETUP6_FOREVER UINT32_MAX /* seconds */

/** setup6_core0_init() - link-local address, and what the manifest says; asks for routers if it shall. */
void setup6_core0_init(void);

/**
 * setup6_address() - @a is ours for @valid_s, preferred for @preferred_s; 0: no more
 * Used at once, while the link is asked whether anybody has it [RFC 4862 5.4, RFC 4429].
 */
void setup6_address(const struct ip6 *a, enum setup6_origin origin, uint32_t preferred_s, uint32_t valid_s);
/** setup6_is_tentative() - one of ours that the link is still asked about. */
bool setup6_is_tentative(const struct ip6 *a);
/** setup6_claimed() - the host at @mac says that it has our @a; @is_claim: has it, else would like to. */
void setup6_claimed(const struct ip6 *a, const uint8_t mac[6], bool is_claim);
/** setup6_interface_id() - @prefix with our lower 64 bits, from the Ethernet address [RFC 4291 A]. */
struct ip6 setup6_interface_id(const struct ip6 *prefix);

/** setup6_prefix() - whether hosts of @prefix are on the link, for @valid_s; 0: no more. */
void setup6_prefix(const struct ip6 *prefix, unsigned bits, uint32_t valid_s);
/** setup6_mtu() - of the link, as a router says. */
void setup6_mtu(unsigned mtu);

/**
 * setup6_router() - @a at @mac forwards for @valid_s; 0: no more
 * Return: whether it is the one in use, whose word about the link is taken; the others wait for its end.
 */
bool setup6_router(const struct ip6 *a, const uint8_t mac[6], uint32_t valid_s);
/** setup6_router_silent() - it does not answer: another one, if there is one. */
void setup6_router_silent(const struct ip6 *a);
/** setup6_has_router() - whether one is in use. */
bool setup6_has_router(void);
