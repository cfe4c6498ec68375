/* SPDX-License-Identifier: MIT */
/*
 * Who talks to whom: the 4-tuple of either family, and the same four values in lwIP's pcb and calls.
 * IPv4 keeps its short way: its addresses are eight bytes, looked at by one load. Private to kernel/net.
 */
#pragma once
#include "kernel/base/types.h"
#include "kernel/flow/flow.h"
#include "kernel/net/checksum.h"
#include "kernel/net/lwip.h"

/* In network order, ports and addresses each laid out as in a packet that we receive. */
struct demux_tuple {
	be16_t remote_port, local_port;
	uint32_t is_ip6; /* 0 or 1 */
	union {
		struct {
			be32_t remote, local;
		};
		struct {
			struct ip6 remote6, local6;
		};
	};
};
_Static_assert(sizeof(struct demux_tuple) == 40, "no padding: it is hashed");
_Static_assert(offsetof(struct tcp_pcb, remote_port) == offsetof(struct tcp_pcb, local_port) + 2, "one load");
_Static_assert(sizeof(ip6_addr_t) == sizeof(struct ip6), "no zones");

/** tuple_ports() - both in one word; tuple_addresses4() - of an IPv4 tuple, both. */
static inline uint32_t tuple_ports(const struct demux_tuple *t)
{
	uint32_t ports;

	__builtin_memcpy(&ports, &t->remote_port, sizeof(ports));
	return ports;
}
static inline uint64_t tuple_addresses4(const struct demux_tuple *t)
{
	uint64_t addresses;

	__builtin_memcpy(&addresses, &t->remote, sizeof(addresses));
	return addresses;
}

/** ip6_is_equal() - as bytes. */
static inline bool ip6_is_equal(const void *a, const void *b)
{
	uint64_t x[2], y[2];

	__builtin_memcpy(x, a, sizeof(x));
	__builtin_memcpy(y, b, sizeof(y));
	return x[0] == y[0] && x[1] == y[1];
}

/** tuple_is_of6() - addresses of tuple_is_of(), out of line so that IPv4's way stays short. In demux.c. */
bool tuple_is_of6(const struct demux_tuple *t, const struct tcp_pcb *pcb);

/** tuple_is_of() - whether @pcb, whose ends are both set, has tuple @t. */
static inline bool tuple_is_of(const struct demux_tuple *t, const struct tcp_pcb *pcb)
{
	uint32_t ports;

	__builtin_memcpy(&ports, &pcb->local_port, sizeof(ports));
	if (ports != __builtin_bswap32(tuple_ports(t))) /* in host order, the other one first */
		return false;
	if (likely(!t->is_ip6))
		return ip_2_ip4(&pcb->remote_ip)->addr == t->remote && ip_2_ip4(&pcb->local_ip)->addr == t->local &&
		       IP_IS_V4_VAL(pcb->local_ip);
	return tuple_is_of6(t, pcb);
}

/** tuple_is_equal() - of two tuples. */
static inline bool tuple_is_equal(const struct demux_tuple *a, const struct demux_tuple *b)
{
	if (tuple_ports(a) != tuple_ports(b) || a->is_ip6 != b->is_ip6)
		return false;
	if (!a->is_ip6)
		return tuple_addresses4(a) == tuple_addresses4(b);
	return ip6_is_equal(&a->remote6, &b->remote6) && ip6_is_equal(&a->local6, &b->local6);
}

/** tuple_from() - of lwIP's values, both addresses of one family; ports in host order. */
static inline struct demux_tuple tuple_from(const ip_addr_t *local, uint16_t local_port, const ip_addr_t *remote,
					    uint16_t remote_port)
{
	struct demux_tuple t = { .remote_port = be16(remote_port),
				 .local_port = be16(local_port),
				 .is_ip6 = IP_IS_V6_VAL(*remote) };

	if (t.is_ip6) {
		__builtin_memcpy(&t.remote6, ip_2_ip6(remote), sizeof(t.remote6));
		__builtin_memcpy(&t.local6, ip_2_ip6(local), sizeof(t.local6));
	} else {
		t.remote = ip4_addr_get_u32(ip_2_ip4(remote));
		t.local = ip4_addr_get_u32(ip_2_ip4(local));
	}
	return t;
}

/** tuple_of() - of a pcb. */
static inline struct demux_tuple tuple_of(const struct tcp_pcb *pcb)
{
	return tuple_from(&pcb->local_ip, pcb->local_port, &pcb->remote_ip, pcb->remote_port);
}

/** ip6_mapped() - an IPv4 address as IPv4-mapped [RFC 4291 2.5.5.2]; ip6_is_mapped() - whether it is one. */
static inline struct ip6 ip6_mapped(be32_t ip4)
{
	return (struct ip6){ { 0, 0, be32(0xffff), ip4 } };
}
static inline bool ip6_is_mapped(const struct ip6 *a)
{
	return !(a->words[0] | a->words[1]) && a->words[2] == be32(0xffff);
}
/** tuple_remote() - the other end of @pcb, IPv4 as mapped. */
static inline struct ip6 tuple_remote(const struct tcp_pcb *pcb)
{
	struct ip6 a;

	if (IP_IS_V4_VAL(pcb->remote_ip))
		return ip6_mapped(ip4_addr_get_u32(ip_2_ip4(&pcb->remote_ip)));
	__builtin_memcpy(&a, ip_2_ip6(&pcb->remote_ip), sizeof(a));
	return a;
}

/** tuple_group() - flow group, where that is a matter of the tuple (not flow_is_queue()). */
static inline uint8_t tuple_group(const struct demux_tuple *t)
{
	if (likely(!t->is_ip6))
		return flow_group_of_tuple(t->remote, t->local, t->remote_port, t->local_port);
	return flow_group_of_tuple6(&t->remote6, &t->local6, t->remote_port, t->local_port);
}

/** tuple_put() - its addresses as lwIP's. */
static inline void tuple_put(const struct demux_tuple *t, ip_addr_t *local, ip_addr_t *remote)
{
	if (likely(!t->is_ip6)) {
		ip_addr_set_ip4_u32_val(*local, t->local);
		ip_addr_set_ip4_u32_val(*remote, t->remote);
		return;
	}
	__builtin_memcpy(ip_2_ip6(local), &t->local6, sizeof(t->local6));
	__builtin_memcpy(ip_2_ip6(remote), &t->remote6, sizeof(t->remote6));
	IP_SET_TYPE_VAL(*local, IPADDR_TYPE_V6);
	IP_SET_TYPE_VAL(*remote, IPADDR_TYPE_V6);
}

/** tuple_checksum() - folded sum of the pseudo header, the same both ways; @bytes: L4 header and data. */
static inline uint16_t tuple_checksum(const struct demux_tuple *t, uint8_t protocol, uint32_t bytes)
{
	if (likely(!t->is_ip6))
		return checksum_pseudo(t->remote, t->local, protocol, bytes);
	return checksum_pseudo6(&t->remote6, &t->local6, protocol, bytes);
}
