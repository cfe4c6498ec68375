/* SPDX-License-Identifier: MIT */
/* The sum of a command on the control page, which host and guest compute alike. Bit by bit: it is forty bytes, now and then. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define IX_CRC32C_POLYNOMIAL 0x82f63b78u /* reflected [RFC 3720 12.1] */

/** ix_crc32c() - CRC-32C of @bytes from @data. */
static inline uint32_t ix_crc32c(const void *data, size_t bytes)
{
	const uint8_t *p = (const uint8_t *)data;
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < bytes; i++) {
		crc ^= p[i];
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? IX_CRC32C_POLYNOMIAL : 0);
	}
	return ~crc;
}
