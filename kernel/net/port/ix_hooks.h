/* SPDX-License-Identifier: MIT */
/* What lwIP calls back in places that its options name. */
#pragma once
#include "lwip/ip_addr.h"

/** port_isn() - initial sequence number of a connection [RFC 6528 3]. Ports in host order. */
u32_t port_isn(const ip_addr_t *local, u16_t local_port, const ip_addr_t *remote, u16_t remote_port);
