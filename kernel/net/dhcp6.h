/* SPDX-License-Identifier: MIT */
/* An address by DHCPv6, where the router says that there is a server. Boot core only; private to kernel/net. [RFC 8415] */
#pragma once
#include "kernel/net/icmp6.h"

#define DHCP6_CLIENT_PORT 546u

/** dhcp6_core0_init() - idle. dhcp6_want() - an address is to be had; nothing if that is known already. */
void dhcp6_core0_init(void);
void dhcp6_want(void);

/** dhcp6_input() - a datagram to our port, @bytes from its UDP header on, which lies behind the IPv6 header at @ip. */
void dhcp6_input(const uint8_t *ip, const uint8_t *udp, unsigned bytes);
