/* SPDX-License-Identifier: MIT */
/* SipHash-c-d over four 64-bit words of state. [Aumasson, Bernstein 2012, section 2] */
#include "kernel/base/siphash.h"

struct word {
	uint64_t v;
} __attribute__((packed, may_alias));

static inline uint64_t rotate(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static inline void sip_rounds(uint64_t v[4], unsigned rounds)
{
	while (rounds--) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] = rotate(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] = rotate(v[2], 32);
	}
}

static inline uint64_t sip(const struct siphash_key *key, const void *data, size_t bytes, unsigned c, unsigned d)
{
	uint64_t v[4] = {
		key->k0 ^ 0x736f6d6570736575ull,
		key->k1 ^ 0x646f72616e646f6dull,
		key->k0 ^ 0x6c7967656e657261ull,
		key->k1 ^ 0x7465646279746573ull,
	};
	const uint8_t *p = data;
	uint64_t last = (uint64_t)bytes << 56;

	for (; bytes >= 8; bytes -= 8, p += 8) {
		uint64_t m = ((const struct word *)p)->v;

		v[3] ^= m;
		sip_rounds(v, c);
		v[0] ^= m;
	}
	for (unsigned i = 0; i < bytes; i++)
		last |= (uint64_t)p[i] << 8 * i;
	v[3] ^= last;
	sip_rounds(v, c);
	v[0] ^= last;
	v[2] ^= 0xff;
	sip_rounds(v, d);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t siphash13(const struct siphash_key *key, const void *data, size_t bytes)
{
	return sip(key, data, bytes, 1, 3);
}

uint64_t siphash24(const struct siphash_key *key, const void *data, size_t bytes)
{
	return sip(key, data, bytes, 2, 4);
}
