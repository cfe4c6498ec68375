/* SPDX-License-Identifier: MIT */
/* From the words of `ixctl up` to a record, tables for people, and text of strangers. */
#include "hostctl/base/clean.h"
#include "hostctl/ixctl/table.h"
#include "hostctl/ixctl/up_words.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define WORDS_MAX 40

/* The real one is in up.c, with all that sends. */
extern const struct verb verb_up;
const struct verb verb_up = { .name = "up", .words = "", .about = "", .options = up_options };

/* up_words() of @line, which is cut at spaces. Return: what it returned. */
static int take(struct up_words *w, const char *line, struct err *err)
{
	static char copy[512];
	char *argv[WORDS_MAX + 1] = { 0 };
	int argc = 0;

	snprintf(copy, sizeof(copy), "up %s", line);
	for (char *word = strtok(copy, " "); word != NULL && argc < WORDS_MAX; word = strtok(NULL, " "))
		argv[argc++] = word;
	return up_words(w, argc, argv, err);
}

static void check(const char *line, const char *json)
{
	struct up_words w;
	struct err err = { 0 };
	json_error_t why;
	json_t *expected = json_loads(json, 0, &why);

	assert_non_null(expected);
	if (take(&w, line, &err) != 0)
		fail_msg("%s: %s", line, err.text);
	if (!json_equal(w.guest, expected))
		fail_msg("%s: %s", line, json_dumps(w.guest, JSON_COMPACT));
	json_decref(expected);
	up_words_fini(&w);
}

static void test_up(void **state)
{
	(void)state;
	check("web a.ix", "{\"name\": \"web\"}");
	check("web --cpus 2 a.ix --json", "{\"name\": \"web\", \"cpus\": {\"min\": 2, \"max\": 2}}");
	check("--cpus 1:4 --memory 512 --rate=100 web a.ix --no-autostart",
	      "{\"name\": \"web\", \"cpus\": {\"min\": 1, \"max\": 4}, \"memory_mib\": 512, \"rate_mbit\": 100, "
	      "\"autostart\": false}");
	check("web a.ix --address 10.77.0.5/16 --gateway 10.77.0.1 -p 8080:80 -p 127.0.0.1:53:53/udp",
	      "{\"name\": \"web\", \"address\": \"10.77.0.5/16\", \"gateway\": \"10.77.0.1\", "
	      "\"publish\": [\"8080:80\", \"127.0.0.1:53:53/udp\"]}");
	check("web a.ix --dhcp -e A=1 --env B= --set batch=8 --allow db --allow cache",
	      "{\"name\": \"web\", \"dhcp\": true, \"env\": [\"A=1\", \"B=\"], \"set\": [\"batch=8\"], "
	      "\"allow\": [\"db\", \"cache\"]}");
	check("web a.ix -- --cpus 3 -- x", "{\"name\": \"web\", \"args\": [\"--cpus\", \"3\", \"--\", \"x\"]}");
	check("web a.ix --cpus 1:2 --priority 80",
	      "{\"name\": \"web\", \"cpus\": {\"min\": 1, \"max\": 2}, \"priority\": 80}");
	check("web a.ix --", "{\"name\": \"web\", \"args\": []}");
}

static void test_files(void **state)
{
	struct up_words w;
	struct err err = { 0 };

	(void)state;
	check("web a.ix --file etc.conf=/tmp/x=y --secret /etc/ssl/web.key --file local",
	      "{\"name\": \"web\", \"files\": [{\"name\": \"etc.conf\", \"secret\": false}, "
	      "{\"name\": \"web.key\", \"secret\": true}, {\"name\": \"local\", \"secret\": false}]}");
	assert_int_equal(take(&w, "web dir --file etc.conf=/tmp/x=y --secret /etc/ssl/web.key", &err), 0);
	assert_int_equal(w.path_count, 2);
	assert_string_equal(w.paths[0], "/tmp/x=y");
	assert_string_equal(w.paths[1], "/etc/ssl/web.key");
	assert_string_equal(w.image, "dir");
	up_words_fini(&w);
}

static void test_refused(void **state)
{
	static const struct {
		const char *line, *says;
	} bad[] = {
		{ "", "expected a name and an image or folder, got 0 words" },
		{ "web", "got 1 words" },
		{ "web a.ix b.ix", "got 3 words" },
		{ "Web a.ix", "Web" },
		{ "web a.ix --cpus 4:1", "--cpus: expected MIN:MAX" },
		{ "web a.ix --cpus 0", "--cpus: expected MIN:MAX" },
		{ "web a.ix --cpus 1:", "--cpus: expected MIN:MAX" },
		{ "web a.ix --cpus 1:65", "cpus.max: expected a number from 0 to 64" },
		{ "web a.ix --priority 0", "--priority: expected a number" },
		{ "web a.ix --priority 101", "priority: expected a number from 1 to 100" },
		{ "web a.ix --memory lots", "--memory: expected a number" },
		{ "web a.ix --address 10.77.0.5", "address: expected a host's address with its prefix" },
		{ "web a.ix --address 10.77.0.5/16 --dhcp", "address and dhcp: say one of them" },
		{ "web a.ix -p 80", "HOSTPORT:GUESTPORT" },
		{ "web a.ix -p 80:80 -p 80:81", "port 80 is said twice" },
		{ "web a.ix --env A", "env" },
		{ "web a.ix --file ../x=/tmp/x", "files: expected names of letters" },
		{ "web a.ix --file a=", "--file: expected [NAME=]PATH" },
		{ "web a.ix --file a=x --secret a=y", "a is said twice" },
		{ "web a.ix --alow db", "unknown option --alow, did you mean --allow?" },
		{ "web a.ix --rate", "--rate: a value is missing" },
		{ "web a.ix --dhcp=yes", "--dhcp takes no value" },
		{ "web a.ix --env A=\xff", "--env: expected text in UTF-8" },
		{ "web a.ix -- \xff", "argument 1 after -- is not text" },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct up_words w;
		struct err err = { 0 };

		if (take(&w, bad[i].line, &err) == 0)
			fail_msg("taken: %s", bad[i].line);
		if (strstr(err.text, bad[i].says) == NULL)
			fail_msg("%s: %s", bad[i].line, err.text);
		assert_int_equal(err.status, STATUS_USAGE);
		err_fini(&err);
		up_words_fini(&w);
	}
}

static void test_table(void **state)
{
	static const char *const heads[] = { "NAME", ">N", "LAST" };
	char *text = NULL;
	size_t bytes;
	struct table t;
	FILE *f = open_memstream(&text, &bytes);

	(void)state;
	table_init(&t, heads, 3);
	table_cell(&t, "%s", "a");
	table_cell(&t, "%d", 1000);
	table_cell(&t, "%s", "\x1b[31m");
	table_cell(&t, "%s", "longer");
	table_cell(&t, "%d", 7);
	table_cell(&t, "%s", "\xc3\xa9");
	table_print(&t, f);
	fclose(f);
	assert_string_equal(text, "NAME       N  LAST\n"
				  "a       1000  ?[31m\n"
				  "longer     7  \xc3\xa9\n");
	free(text);
	table_fini(&t);
}

static void test_numbers(void **state)
{
	char out[24];

	(void)state;
	assert_string_equal(text_duration(out, 0), "0s");
	assert_string_equal(text_duration(out, 59), "59s");
	assert_string_equal(text_duration(out, 60), "1m0s");
	assert_string_equal(text_duration(out, 3599), "59m59s");
	assert_string_equal(text_duration(out, 18720), "5h12m");
	assert_string_equal(text_duration(out, 3 * 86400 + 4 * 3600 + 59), "3d4h");
	assert_string_equal(text_duration(out, -1), "0s");
	assert_string_equal(text_count(out, 0), "0");
	assert_string_equal(text_count(out, 999.4), "999");
	assert_string_equal(text_count(out, 999.96), "1.0k");
	assert_string_equal(text_count(out, 12345), "12.3k");
	assert_string_equal(text_count(out, 4.5e6), "4.5M");
}

static void test_clean(void **state)
{
	char bad[] = "a\x1b[2J\tb\x7f\n\xc2\x9b"
		     "31m \xc3\xa9\r",
	     bytes[] = "\xff \xc3\xa9 \xc0\x80 \xed\xa0\x80 \xf0\x9f\x99\x82 \xe2\x82";

	(void)state;
	clean_text(bad, strlen(bad));
	assert_string_equal(bad, "a?[2J\tb?\n??31m \xc3\xa9\r");
	clean_utf8(bytes, strlen(bytes));
	assert_string_equal(bytes, "? \xc3\xa9 ?? ??? \xf0\x9f\x99\x82 ??");
	clean_utf8(bytes, sizeof(bytes)); /* its NUL, too */
	assert_int_equal(bytes[sizeof(bytes) - 1], '?');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_up),    cmocka_unit_test(test_files),   cmocka_unit_test(test_refused),
		cmocka_unit_test(test_table), cmocka_unit_test(test_numbers), cmocka_unit_test(test_clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
