/* SPDX-License-Identifier: MIT */
/* Known answers: SipHash-2-4 [Aumasson, Bernstein 2012, appendix A], SHA-256 [FIPS 180-4 examples]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "kernel/base/sha256.h"
#include "kernel/base/siphash.h"

static void test_siphash24(void **state)
{
	const struct siphash_key key = { 0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull };
	uint8_t in[16];

	(void)state;
	for (unsigned i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)i;
	assert_int_equal(siphash24(&key, in, 0), 0x726fdb47dd0e0e31ull);
	assert_int_equal(siphash24(&key, in, 1), 0x74f839c593dc67fdull);
	assert_int_equal(siphash24(&key, in, 2), 0x0d6c8009d9a94f5aull);
	assert_int_equal(siphash24(&key, in, 3), 0x85676696d7fb7e2dull);
	assert_int_equal(siphash24(&key, in, 15), 0xa129ca6149be45e5ull);
}

/* CPython 3.11 hashes bytes with SipHash-1-3, and with a zero key when PYTHONHASHSEED=0. */
static void test_siphash13(void **state)
{
	static const struct {
		unsigned bytes;
		uint64_t hash;
	} rows[] = {
		{ 1, 0x68a914128e01e473ull },  { 7, 0x2f098ab0c751325aull },  { 8, 0xead411e67ebe2eeaull },
		{ 9, 0x75927f9d95124362ull },  { 15, 0xf30eb725bb91c9eaull }, { 16, 0x8972188433a5c5b7ull },
		{ 63, 0x385d3e39e5f37359ull },
	};
	const struct siphash_key zero = { 0, 0 }, other = { 0, 1 };
	uint8_t in[64];

	(void)state;
	for (unsigned i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)i;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(siphash13(&zero, in, rows[i].bytes), rows[i].hash);
		assert_int_not_equal(siphash13(&other, in, rows[i].bytes), rows[i].hash);
	}
	memmove(in + 1, in, 63); /* any alignment */
	assert_int_equal(siphash13(&zero, in + 1, 63), rows[6].hash);
}

static void check_sha256(const void *data, size_t bytes, const char *want)
{
	uint8_t digest[32];
	char have[65];

	sha256(data, bytes, digest);
	for (unsigned i = 0; i < 32; i++)
		(void)snprintf(have + 2 * i, 3, "%02x", digest[i]);
	assert_string_equal(have, want);
}

static void test_sha256(void **state)
{
	static const char two_blocks[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
	static char million[1000000];

	(void)state;
	check_sha256("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	check_sha256("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	check_sha256(two_blocks, sizeof(two_blocks) - 1,
		     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	memset(million, 'a', sizeof(million));
	check_sha256(million, sizeof(million), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* Every length around the padding's borders: the digest of 300 digests, as another implementation has it. */
static void test_sha256_lengths(void **state)
{
	static uint8_t digests[300 * 32], in[300];

	(void)state;
	for (unsigned i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 7);
	for (unsigned n = 0; n < 300; n++)
		sha256(in, n, digests + n * 32);
	check_sha256(digests, sizeof(digests), "f65f14b090e805017546322e618401d41f0710c213e013a5131eb38bbe8f367f");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_siphash24),
		cmocka_unit_test(test_siphash13),
		cmocka_unit_test(test_sha256),
		cmocka_unit_test(test_sha256_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
