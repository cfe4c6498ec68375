/* SPDX-License-Identifier: MIT */
/* Ethernet addresses of the hosts on our link. The boot core writes, every core reads. Private to kernel/net. */
#pragma once
#include "kernel/net/core.h"

/** neighbour_core0_init() - boot core only. */
void neighbour_core0_init(void);

/** neighbour_version() - changes, never 0, when an address or route that was read may be wrong. */
uint32_t neighbour_version(void);
/** neighbour_flush() - boot core: our address or gateway changed. */
void neighbour_flush(void);

/** neighbour_link_header() - Ethernet header of an IPv4 packet to @to. Return: false if it must be resolved first. */
bool neighbour_link_header(be32_t to, uint8_t header[14]);

/** neighbour_next_hop() - @to itself, the gateway, or 0: no route. */
be32_t neighbour_next_hop(be32_t to);

/** neighbour_is_dead() - whether the next hop to @to did not answer when last asked. */
bool neighbour_is_dead(be32_t to);

/** neighbour_resolve() - boot core: send @b (BUF_RESOLVE, IP packet behind 14 free bytes) when its neighbour is known. */
void neighbour_resolve(struct buf *b);

/** neighbour_arp_input() - boot core: a received ARP frame; takes @b. [RFC 826] */
void neighbour_arp_input(struct buf *b);
