/* SPDX-License-Identifier: MIT */
/* What all cores know of IPv6 on our link. Private to kernel/net. */
#pragma once
#include "kernel/base/types.h"

#define IP6_ADDRESSES 6u
#define IP6_PREFIXES 4u

/* How we use IPv6. Each core has a copy, so that it is read without a look at what others write. */
struct ip6_setup {
	struct ip6 addresses[IP6_ADDRESSES]; /* ours, in use */
	struct ip6 prefixes[IP6_PREFIXES];   /* whose hosts are on the link */
	struct ip6 router;                   /* for all else, ::: none */
	uint8_t prefix_bits[IP6_PREFIXES];
	uint8_t address_count, prefix_count;
	uint8_t deprecated; /* bit: address that no connection shall begin with */
	uint16_t mtu;       /* of the link, 0: as of the interface */
	uint8_t reserved[3];
};
