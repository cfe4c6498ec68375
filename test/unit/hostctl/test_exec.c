/* SPDX-License-Identifier: MIT */
/* Other programs: what they say, how they end, and that words stay words. */
#include "hostctl/base/exec.h"
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define LONG_BYTES 300000u

static void test_words_stay_words(void **state)
{
	static const char *const argv[] = { "printf", "%s|", "a b", "$(id)", "; exit 3", "", NULL };
	struct exec e = { .argv = argv, .timeout_s = 10 };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(exec_run(&e, &err), 0);
	assert_int_equal(e.status, 0);
	assert_string_equal((char *)e.out.data, "a b|$(id)|; exit 3||");
	assert_int_equal(e.error.bytes, 0);
	exec_fini(&e);
}

/* More than pipes hold, both ways at once. */
static void test_long_input_comes_back(void **state)
{
	static const char *const argv[] = { "cat", NULL };
	char *text = malloc(LONG_BYTES + 1);
	struct exec e = { .argv = argv, .input = text, .timeout_s = 20 };
	struct err err = { 0 };

	(void)state;
	assert_non_null(text);
	for (unsigned i = 0; i < LONG_BYTES; i++)
		text[i] = (char)('a' + i % 23);
	text[LONG_BYTES] = '\0';
	assert_int_equal(exec_run(&e, &err), 0);
	assert_int_equal(e.out.bytes, LONG_BYTES);
	assert_string_equal((char *)e.out.data, text);
	exec_fini(&e);
	free(text);
}

static void test_ends(void **state)
{
	static const char *const fails[] = { "sh", "-c", "echo one >&2; echo two >&2; exit 7", NULL };
	static const char *const killed[] = { "sh", "-c", "kill -9 $$", NULL };
	static const char *const absent[] = { "/nowhere/at-all", NULL };
	static const char *const slow[] = { "sleep", "60", NULL };
	struct exec e = { .argv = killed, .timeout_s = 10 };
	struct err err = { 0 };
	char *out = NULL;

	(void)state;
	assert_int_equal(exec_ok(fails, 10, &out, &err), -1);
	assert_int_equal(err.status, STATUS_MACHINE);
	assert_string_equal(err.text, "sh -c failed (7): two");
	err_fini(&err);
	assert_int_equal(exec_run(&e, &err), 0);
	assert_int_equal(e.status, 128 + 9);
	exec_fini(&e);
	assert_int_equal(exec_ok(absent, 10, NULL, &err), -1);
	assert_non_null(strstr(err.text, "cannot start /nowhere/at-all: No such file"));
	err_fini(&err);
	assert_int_equal(exec_ok(slow, 1, NULL, &err), -1);
	assert_string_equal(err.text, "sleep did not end within 1 s");
	err_fini(&err);
	assert_null(out);
}

static void test_environment(void **state)
{
	static const char *const argv[] = { "sh", "-c", "echo $LC_ALL.$LANGUAGE.$IX_TEST", NULL };
	struct err err = { 0 };
	char *out = NULL;

	(void)state;
	setenv("LC_ALL", "de_DE.UTF-8", 1);
	setenv("LANGUAGE", "de", 1);
	setenv("IX_TEST", "kept", 1);
	assert_int_equal(exec_ok(argv, 10, &out, &err), 0);
	assert_string_equal(out, "C..kept");
	free(out);
}

/* A program that never stops talking is ended, and does not take our memory. */
static void test_too_much(void **state)
{
	static const char *const argv[] = { "yes", NULL };
	struct exec e = { .argv = argv, .timeout_s = 30 };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(exec_run(&e, &err), -1);
	assert_string_equal(err.text, "yes says more than 16 MiB");
	err_fini(&err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_stay_words),
		cmocka_unit_test(test_long_input_comes_back),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_too_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
