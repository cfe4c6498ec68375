/* SPDX-License-Identifier: MIT */
/* Internet checksums as sums of 16-bit words in the byte order of memory [RFC 1071]. Private to kernel/net. */
#pragma once
#include "kernel/base/types.h"
#include "kernel/net/port/arch/cc.h"

static inline uint16_t checksum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/** checksum_fold_short() - the same for a sum below 2^36. */
static inline uint16_t checksum_fold_short(uint64_t sum)
{
	uint32_t part = (uint32_t)(sum & 0xffff) + (uint32_t)(sum >> 16 & 0xffff) + (uint32_t)(sum >> 32);

	return (uint16_t)(part + (part >> 16));
}

/** checksum_pseudo() - folded sum of the TCP or UDP pseudo header; @bytes: L4 header and data. */
static inline uint16_t checksum_pseudo(be32_t from, be32_t to, uint8_t protocol, uint32_t bytes)
{
	return checksum_fold_short((uint64_t)from + to + be16(protocol) + be16((uint16_t)bytes));
}

/** checksum_pseudo6() - the same for IPv6 [RFC 8200 8.1]. */
static inline uint16_t checksum_pseudo6(const struct ip6 *from, const struct ip6 *to, uint8_t protocol, uint32_t bytes)
{
	uint64_t sum = (uint64_t)be32(bytes) + be32(protocol);

	for (unsigned i = 0; i < 4; i++)
		sum += (uint64_t)from->words[i] + to->words[i];
	return checksum_fold(sum);
}

/** checksum_pseudo_ip6() - the same, of the addresses in a header at @ip. */
static inline uint16_t checksum_pseudo_ip6(const uint8_t *ip, uint8_t protocol, uint32_t bytes)
{
	struct ip6 ends[2];

	__builtin_memcpy(ends, ip + 8, sizeof(ends));
	return checksum_pseudo6(&ends[0], &ends[1], protocol, bytes);
}

/** checksum_is_ip4_good() - whether a header of 20 bytes sums up. */
static inline bool checksum_is_ip4_good(const uint8_t *ip)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < 5; i++) {
		uint32_t word;

		__builtin_memcpy(&word, ip + i * sizeof(word), sizeof(word));
		sum += word;
	}
	return checksum_fold_short(sum) == 0xffff;
}
