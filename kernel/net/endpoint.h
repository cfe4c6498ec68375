/* SPDX-License-Identifier: MIT */
/* Addresses as ring 3 writes them, IPv4-mapped where they are IPv4's [RFC 4291 2.5.5.2]. Private to kernel/net. */
#pragma once
#include "kernel/abi/call.h"
#include "kernel/net/ip6.h"

/** endpoint_address() - :: for "any", of whichever family. */
static inline struct ip6 endpoint_address(const struct ix_endpoint *e)
{
	struct ip6 a;

	__builtin_memcpy(&a, e->addr, sizeof(a));
	if (ip6_is_mapped(&a) && !a.words[3])
		a.words[2] = 0;
	return a;
}

/** endpoint_is_ours() - whether @a, not ::, is an address of ours now. */
static inline bool endpoint_is_ours(const struct ip6 *a)
{
	return ip6_is_mapped(a) ? a->words[3] == net_shared.address : ip6_is_ours(a);
}

/** endpoint_put() - the other way; @port in network order. */
static inline void endpoint_put(struct ix_endpoint *e, const struct ip6 *address, be16_t port)
{
	__builtin_memcpy(e->addr, address, sizeof(e->addr));
	e->port = be16(port);
	e->reserved[0] = e->reserved[1] = e->reserved[2] = 0;
}

/** endpoint_put_tuple() - both ends of @t. */
static inline void endpoint_put_tuple(struct ix_endpoint *remote, struct ix_endpoint *local,
				      const struct demux_tuple *t)
{
	struct ip6 ends[2] = { t->remote6, t->local6 };

	if (!t->is_ip6) {
		ends[0] = ip6_mapped(t->remote);
		ends[1] = ip6_mapped(t->local);
	}
	endpoint_put(remote, &ends[0], t->remote_port);
	endpoint_put(local, &ends[1], t->local_port);
}
