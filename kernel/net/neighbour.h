/* SPDX-License-Identifier: MIT */
/*
 * Ethernet addresses of the hosts on our link, of both families (IPv4 addresses as IPv4-mapped). The boot
 * core writes, every core reads. Private to kernel/net.
 */
#pragma once
#include "kernel/net/core.h"

/** neighbour_core0_init() - boot core only. */
void neighbour_core0_init(void);

/** neighbour_version() - changes, never 0, when an address or route that was read may be wrong. */
uint32_t neighbour_version(void);
/** neighbour_rerouted() - boot core: next hops may have changed. neighbour_flush() - our IPv4 address has. */
void neighbour_rerouted(void);
void neighbour_flush(void);

/** neighbour_link_header() - Ethernet header of a packet to @to. Return: false if it must be resolved first. */
bool neighbour_link_header(const struct ip6 *to, uint8_t header[14]);
/** neighbour_put_header() - @to: Ethernet address; ours is the source. */
void neighbour_put_header(uint8_t *header, const uint8_t *to, uint16_t type);

/** neighbour_next_hop() - @to itself or a router. Return: false if there is no way. */
bool neighbour_next_hop(const struct ip6 *to, struct ip6 *hop);

/** neighbour_is_dead() - whether the next hop to @to did not answer when last asked. */
bool neighbour_is_dead(const struct ip6 *to);

/* ---- boot core ---- */
/** neighbour_resolve() - send @b (BUF_RESOLVE, IP packet behind 14 free bytes) when its neighbour is known. */
void neighbour_resolve(struct buf *b);
/** neighbour_want() - keep the entry of @address, a router, known. Return: whether it is now. */
bool neighbour_want(const struct ip6 *address);
/** neighbour_mac() - @mac of a known one. Return: false if it is not known. */
bool neighbour_mac(const struct ip6 *address, uint8_t mac[6]);

/**
 * neighbour_learn() - somebody says that @address is at @mac
 * Strangers get no entry. Another Ethernet address for one that is known is believed only when the old one
 * does not answer any more.
 */
void neighbour_learn(const struct ip6 *address, const uint8_t mac[6]);
