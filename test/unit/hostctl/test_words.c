/* SPDX-License-Identifier: MIT */
/* Words that people type: what is a number, an address, and what was probably meant. */
#include "hostctl/base/words.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void test_numbers(void **state)
{
	static const char *const bad[] = {
		"", "-1", "+1", " 1", "1 ", "0x10", "1e3", "18446744073709551616", "9", "101"
	};
	uint64_t value = 0;

	(void)state;
	assert_true(words_number("10", 10, 100, &value));
	assert_int_equal(value, 10);
	assert_true(words_number("0100", 10, 100, &value)); /* decimal, whatever C thinks */
	assert_int_equal(value, 100);
	assert_true(words_number("18446744073709551615", 0, UINT64_MAX, &value));
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(words_number(bad[i], 10, 100, &value));
}

static void test_prefixes(void **state)
{
	static const char *const bad[] = { "",
					   "10.0.0.1",
					   "10.0.0.1/",
					   "10.0.0.1/0",
					   "10.0.0.1/33",
					   "10.0.0.0/24",
					   "10.0.0.255/24",
					   "0.0.0.1/8",
					   "127.0.0.1/8",
					   "224.0.0.1/4",
					   "10.0.0/24",
					   "10.0.0.1/24 ",
					   "1000.0.0.1/24",
					   "10.0.0.1.9.9.9.9.9.9.9/24",
					   "::1/64" };
	uint8_t addr[4];
	uint32_t bits;

	(void)state;
	assert_true(words_ipv4_prefix("10.0.2.15/24", addr, &bits));
	assert_int_equal(bits, 24);
	assert_int_equal(addr[3], 15);
	assert_true(words_ipv4_prefix("10.0.0.0/31", addr, &bits));
	assert_true(words_ipv4_prefix("10.0.0.255/32", addr, &bits));
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(words_ipv4_prefix(bad[i], addr, &bits));
}

/* What the kernel would refuse, ixctl refuses; 0.0.0.0 is "none" to both. */
static void test_hosts(void **state)
{
	static const char *const bad[] = { "", "10.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "255.255.255.255" };
	uint8_t addr[4];

	(void)state;
	assert_true(words_ipv4_host("10.0.2.3", addr));
	assert_int_equal(addr[3], 3);
	assert_true(words_ipv4_host("223.255.255.255", addr));
	assert_true(words_ipv4_host("0.0.0.0", addr));
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(words_ipv4_host(bad[i], addr));
}

static void test_same_net(void **state)
{
	static const uint8_t a[4] = { 10, 0, 1, 1 }, b[4] = { 10, 0, 2, 1 };

	(void)state;
	assert_false(words_is_same_net(a, b, 24));
	assert_true(words_is_same_net(a, b, 16));
	assert_true(words_is_same_net(a, b, 0));
	assert_false(words_is_same_net(a, b, 32));
}

static void test_nearest(void **state)
{
	static const char *const known[] = { "memory_mib", "heap_mib", "ports", "p" };
	char longest[200];

	(void)state;
	assert_string_equal(words_nearest("memry_mib", known, 4), "memory_mib");
	assert_string_equal(words_nearest("port", known, 4), "ports");
	assert_null(words_nearest("frobnicate", known, 4));
	assert_null(words_nearest("x", known, 4)); /* one letter is as near to anything */
	for (unsigned i = 0; i < sizeof(longest) - 1; i++)
		longest[i] = 'm';
	longest[sizeof(longest) - 1] = '\0';
	assert_null(words_nearest(longest, known, 4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),  cmocka_unit_test(test_prefixes), cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_same_net), cmocka_unit_test(test_nearest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
