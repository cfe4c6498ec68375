/* SPDX-License-Identifier: MIT */
/*
 * Toeplitz: each input bit that is set adds (XOR) the 32 key bits that begin at its position. For the
 * bytes of a 4-tuple the sums of every byte value are kept, which makes it 12 look-ups, for IPv6 36.
 */
#include "kernel/flow/group.h"

static uint32_t sums[TOEPLITZ_BYTES_MAX][256]; /* by hash_init(), once */

/* The 32 key bits from bit @at on; @at up to 40 * 8 - 33, so that the fifth byte is still the key's. */
static uint32_t key_bits(const uint8_t key[40], unsigned at)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < 5; i++)
		v = v << 8 | key[at / 8 + i];
	return (uint32_t)(v >> (8 - at % 8));
}

uint32_t flow_toeplitz(const uint8_t key[40], const uint8_t *in, unsigned bytes)
{
	uint32_t hash = 0;

	for (unsigned bit = 0; bit < bytes * 8 && bit < TOEPLITZ_BYTES_MAX * 8; bit++)
		if (in[bit / 8] & 0x80u >> bit % 8)
			hash ^= key_bits(key, bit);
	return hash;
}

void hash_init(const uint8_t key[40])
{
	for (unsigned i = 0; i < TOEPLITZ_BYTES_MAX; i++) {
		sums[i][0] = 0;
		/* A byte is the byte without its lowest set bit, and that bit. */
		for (unsigned v = 1; v < 256; v++)
			sums[i][v] = sums[i][v & (v - 1)] ^ key_bits(key, i * 8 + 7 - (unsigned)__builtin_ctz(v));
	}
}

/* Network order is memory order: the first byte on the wire is the lowest. */
static inline uint32_t sum4(unsigned from, uint32_t word)
{
	return sums[from][word & 255] ^ sums[from + 1][word >> 8 & 255] ^ sums[from + 2][word >> 16 & 255] ^
	       sums[from + 3][word >> 24];
}

uint32_t hash_tuple(be32_t source, be32_t destination, uint32_t ports)
{
	return sum4(0, source) ^ sum4(4, destination) ^ sum4(8, ports);
}

uint32_t hash_tuple6(const uint32_t addresses[8], uint32_t ports)
{
	uint32_t hash = sum4(32, ports);

	for (unsigned i = 0; i < 8; i++)
		hash ^= sum4(4 * i, addresses[i]);
	return hash;
}
