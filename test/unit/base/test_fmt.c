/* SPDX-License-Identifier: MIT */
/* fmt.c against the C library's snprintf, cut at every length; and that a log line leaves in one piece. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "kernel/base/fmt.h"
#include "kernel/base/log.h"

PRINTF(1, 2) static void same(const char *fmt, ...)
{
	static char want[256], have[256];
	va_list ap, again;
	int full;

	va_start(ap, fmt);
	va_copy(again, ap);
	full = vsnprintf(want, sizeof(want), fmt, again);
	va_end(again);
	for (size_t room = 0; room <= (size_t)full + 2; room++) {
		memset(want, '#', sizeof(want));
		memset(have, '#', sizeof(have));
		va_copy(again, ap);
		(void)vsnprintf(want, room, fmt, again);
		va_end(again);
		va_copy(again, ap);
		assert_int_equal(fmt_va(have, room, fmt, again), full);
		va_end(again);
		assert_memory_equal(have, want, sizeof(have));
	}
	va_end(ap);
}

/* Formats that the compiler would not let pass. */
static size_t unchecked(char *out, size_t bytes, const char *fmt, ...)
{
	size_t length;
	va_list ap;

	va_start(ap, fmt);
	length = fmt_va(out, bytes, fmt, ap);
	va_end(ap);
	return length;
}

static void test_numbers(void **state)
{
	(void)state;
	same("%d %i %d %d", 0, 42, -42, INT32_MIN);
	same("%u %x %X", UINT32_MAX, 0xdeadbeefu, 0xdeadbeefu);
	same("%ld %lld %lu %llx", INT64_MIN, (long long)INT64_MAX, UINT64_MAX, 0x123456789abcdefull);
	same("%zu %zx %zd", (size_t)7, SIZE_MAX, (ssize_t)-9);
	same("[%5d|%-5d|%05d|%5d|%05d]", 42, 42, 42, -42, -42);
	same("[%2d|%016lx|%-8x|%08X]", 12345, 0xabcul, 0xabcu, 0xabcu);
	same("[%*d|%-*d]", 6, 1, 6, 1);
	same("%%");
}

static void test_text(void **state)
{
	const char not_terminated[3] = { 'a', 'b', 'c' };

	(void)state;
	same("[%s|%10s|%-10s|%.2s|%10.2s|%c|%3c]", "abc", "abc", "abc", "abc", "abc", 'x', 'y');
	same("%.3s", not_terminated);
	same("%.*s", 2, not_terminated);
	same("%p", (void *)0x1234);
}

static void test_not_ours(void **state)
{
	char out[32];

	(void)state;
	assert_int_equal(unchecked(out, sizeof(out), "%s", (char *)NULL), 6);
	assert_string_equal(out, "(null)");
	unchecked(out, sizeof(out), "a%qb");
	assert_string_equal(out, "a%qb");
	unchecked(out, sizeof(out), "a%");
	assert_string_equal(out, "a");
	/* A width is bounded. */
	assert_true(unchecked(out, sizeof(out), "%99999999999d|", 1) < 2000);
	assert_true(unchecked(out, sizeof(out), "%*d|", INT32_MIN, 1) < 2000);
}

static char sunk[4096];
static size_t sunk_bytes;
static unsigned sunk_pieces;

static void sink(const char *text, size_t bytes)
{
	assert_true(sunk_bytes + bytes <= sizeof(sunk));
	memcpy(sunk + sunk_bytes, text, bytes);
	sunk_bytes += bytes;
	sunk_pieces++;
}

static void test_log(void **state)
{
	(void)state;
	log_line("lost: no sink yet");
	log_init(sink);
	log_line("core %u", 3u);
	assert_int_equal(sunk_pieces, 1);
	assert_memory_equal(sunk, "core 3\n", 7);
	assert_int_equal(sunk_bytes, 7);
	sunk_bytes = 0;
	log_line("%500s", "end");
	assert_int_equal(sunk_bytes, 401);
	assert_int_equal(sunk[400], '\n');
	sunk_bytes = 0;
	log_write("raw", 3);
	assert_memory_equal(sunk, "raw", 3);
	assert_int_equal(sunk_bytes, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_not_ours),
		cmocka_unit_test(test_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
