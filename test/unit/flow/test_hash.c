/* SPDX-License-Identifier: MIT */
/* Toeplitz against the vectors with which network cards are verified, and the fast form against the plain one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "kernel/flow/group.h"

/* The well-known verification key and values of receive side scaling, here over IPv4. */
static const uint8_t key[40] = { 0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
				 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
				 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa };

static const struct {
	uint8_t in[12]; /* source, destination, source port, destination port */
	uint32_t with_ports, without;
} vectors[] = {
	{ { 66, 9, 149, 187, 161, 142, 100, 80, 2794 >> 8, 2794 & 255, 1766 >> 8, 1766 & 255 },
	  0x51ccc178,
	  0x323e8fc2 },
	{ { 199, 92, 111, 2, 65, 69, 140, 83, 14230 >> 8, 14230 & 255, 4739 >> 8, 4739 & 255 },
	  0xc626b0ea,
	  0xd718262a },
	{ { 24, 19, 198, 95, 12, 22, 207, 184, 12898 >> 8, 12898 & 255, 38024 >> 8, 38024 & 255 },
	  0x5c2b394a,
	  0xd2d0a5de },
	{ { 38, 27, 205, 30, 209, 142, 163, 6, 48228 >> 8, 48228 & 255, 2217 >> 8, 2217 & 255 },
	  0xafc7327f,
	  0x82989176 },
	{ { 153, 39, 163, 191, 202, 188, 127, 2, 44251 >> 8, 44251 & 255, 1303 >> 8, 1303 & 255 },
	  0x10e828a2,
	  0x5d1809c5 },
};

/* The same suite over IPv6: addresses as text, for who compares them with a card's documentation. */
static const struct {
	const char *source, *destination;
	uint16_t source_port, destination_port;
	uint32_t with_ports, without;
} vectors6[] = {
	{ "3ffe:2501:200:1fff::7", "3ffe:2501:200:3::1", 2794, 1766, 0x40207d3d, 0x2cc18cd5 },
	{ "3ffe:501:8::260:97ff:fe40:efab", "ff02::1", 14230, 4739, 0xdde51bbf, 0x0f0c461c },
	{ "3ffe:1900:4545:3:200:f8ff:fe21:67cf", "fe80::200:f8ff:fe21:67cf", 44251, 38024, 0x02d1feef, 0x4b61e985 },
};

static uint32_t fast(const uint8_t in[12])
{
	uint32_t w[3];

	memcpy(w, in, sizeof(w));
	return hash_tuple(w[0], w[1], w[2]);
}

static void test_vectors(void **state)
{
	(void)state;
	hash_init(key);
	for (unsigned i = 0; i < ARRAY_COUNT(vectors); i++) {
		assert_int_equal(flow_toeplitz(key, vectors[i].in, 12), vectors[i].with_ports);
		assert_int_equal(flow_toeplitz(key, vectors[i].in, 8), vectors[i].without);
		assert_int_equal(fast(vectors[i].in), vectors[i].with_ports);
	}
}

static void test_vectors_ip6(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(vectors6); i++) {
		uint8_t in[36] = { [32] = (uint8_t)(vectors6[i].source_port >> 8),
				   [33] = (uint8_t)vectors6[i].source_port,
				   [34] = (uint8_t)(vectors6[i].destination_port >> 8),
				   [35] = (uint8_t)vectors6[i].destination_port };

		assert_int_equal(inet_pton(AF_INET6, vectors6[i].source, in), 1);
		assert_int_equal(inet_pton(AF_INET6, vectors6[i].destination, in + 16), 1);
		assert_int_equal(flow_toeplitz(key, in, 36), vectors6[i].with_ports);
		assert_int_equal(flow_toeplitz(key, in, 32), vectors6[i].without);
	}
}

static void test_fast_is_plain(void **state)
{
	uint8_t k[40], in[12];

	(void)state;
	srand(1);
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 40; i++)
			k[i] = (uint8_t)rand();
		hash_init(k);
		for (unsigned n = 0; n < 500; n++) {
			for (unsigned i = 0; i < 12; i++)
				in[i] = (uint8_t)rand();
			assert_int_equal(fast(in), flow_toeplitz(k, in, 12));
		}
	}
}

static void test_longest_input(void **state)
{
	uint8_t in[64];

	(void)state;
	memset(in, 0xff, sizeof(in));
	/* The key ends; bytes beyond do not count and are not read past. */
	assert_int_equal(flow_toeplitz(key, in, 64), flow_toeplitz(key, in, TOEPLITZ_BYTES_MAX));
	assert_int_not_equal(flow_toeplitz(key, in, 36), flow_toeplitz(key, in, 35));
	assert_int_equal(flow_toeplitz(key, in, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_vectors_ip6),
		cmocka_unit_test(test_fast_is_plain),
		cmocka_unit_test(test_longest_input),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
