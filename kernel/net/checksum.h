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

/** checksum_pseudo() - folded sum of the TCP or UDP pseudo header; @bytes: L4 header and data. */
static inline uint16_t checksum_pseudo(be32_t from, be32_t to, uint8_t protocol, uint32_t bytes)
{
	return checksum_fold((uint64_t)from + to + be16(protocol) + be16((uint16_t)bytes));
}

/** checksum_is_ip4_good() - whether a header of 20 bytes sums up. */
static inline bool checksum_is_ip4_good(const uint8_t *ip)
{
	uint64_t sum = 0;
	uint32_t word;

	for (unsigned i = 0; i < 5; i++) {
		__builtin_memcpy(&word, ip + 4 * i, sizeof(word));
		sum += word;
	}
	return checksum_fold(sum) == 0xffff;
}
