/* SPDX-License-Identifier: MIT */
/* How IPv4 asks for Ethernet addresses. Boot core only; private to kernel/net. [RFC 826] */
#pragma once
#include "kernel/net/core.h"

/** arp_ask() - who has @address? @mac: whom to ask, NULL: everybody. */
void arp_ask(be32_t address, const uint8_t *mac);
/** arp_announce() - tell everybody that our address is here [RFC 5227 2.3]. */
void arp_announce(void);
/** arp_input() - a received ARP frame; takes @b. */
void arp_input(struct buf *b);
