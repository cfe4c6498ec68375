/* SPDX-License-Identifier: MIT */
/* Addresses as ring 3 writes them, IPv4-mapped [RFC 4291 2.5.5.2]. Private to kernel/net. */
#pragma once
#include "kernel/abi/call.h"
#include "kernel/base/types.h"

/** endpoint_ip4() - @address: network order, 0 for "any". Return: false if it is not IPv4. */
static inline bool endpoint_ip4(const struct ix_endpoint *e, be32_t *address)
{
	uint64_t high, low;

	__builtin_memcpy(&high, e->addr, sizeof(high));
	__builtin_memcpy(&low, e->addr + 8, sizeof(low));
	*address = (be32_t)(low >> 32);
	return !high && ((uint32_t)low == 0xffff0000 || !low);
}

/** endpoint_put4(), endpoint_put6() - the other way; @port in network order. */
static inline void endpoint_put4(struct ix_endpoint *e, be32_t address, be16_t port)
{
	uint64_t high = 0, low = (uint64_t)address << 32 | 0xffff0000;

	__builtin_memcpy(e->addr, &high, sizeof(high));
	__builtin_memcpy(e->addr + 8, &low, sizeof(low));
	e->port = be16(port);
	e->reserved[0] = e->reserved[1] = e->reserved[2] = 0;
}

static inline void endpoint_put6(struct ix_endpoint *e, const struct ip6 *address, be16_t port)
{
	__builtin_memcpy(e->addr, address, sizeof(e->addr));
	e->port = be16(port);
	e->reserved[0] = e->reserved[1] = e->reserved[2] = 0;
}
