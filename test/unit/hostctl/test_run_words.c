/* SPDX-License-Identifier: MIT */
/* What `ixctl run` is told about networks and ports, and what it makes of a guest's console. */
#include "hostctl/machine/machine.h"
#include "hostctl/machine/report.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

static void test_forwards(void **state)
{
	static const char *const bad[] = { "",         ":",     "7",         "7:",
					   ":7",       "7:0",   "65536:7",   "7:7/",
					   "7:7/sctp", "1:2:3", "1.2.3:7:7", "1.2.3.4.5.6.7.8.9.0:7:7",
					   "7:7:",     "a:b",   "7 :7",      "7:7/tcp/udp" };
	struct machine_forward f;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(machine_parse_forward(&f, "7007:7", &err), 0);
	assert_string_equal(f.host, "127.0.0.1");
	assert_int_equal(f.host_port, 7007);
	assert_int_equal(f.guest_port, 7);
	assert_false(f.is_udp);
	assert_int_equal(machine_parse_forward(&f, "0.0.0.0:0:53/udp", &err), 0);
	assert_string_equal(f.host, "0.0.0.0");
	assert_true(f.is_udp);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(machine_parse_forward(&f, bad[i], &err), -1);
		assert_int_equal(err.status, STATUS_USAGE);
		err_fini(&err);
	}
}

static void test_nets(void **state)
{
	static const char *const bad[] = { "", "users", "tap", "tap=", "vhost-user=", "user=x", "bridge" };
	static struct machine m;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(machine_parse_net(&m, "tap=tap0", &err), 0);
	assert_int_equal(m.net, MACHINE_NET_TAP);
	assert_string_equal(m.net_name, "tap0");
	assert_int_equal(machine_parse_net(&m, "vhost-user=/run/a.sock", &err), 0);
	assert_string_equal(m.net_name, "/run/a.sock");
	assert_int_equal(machine_parse_net(&m, "user", &err), 0);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(machine_parse_net(&m, bad[i], &err), -1);
		err_fini(&err);
	}
}

/* Runs report_console() with stdout in a file and returns what was written there. */
static char *console(bool is_json, bool is_terminal, const char *data, size_t bytes)
{
	struct report *r = malloc(sizeof(*r));
	char *out = calloc(1, 65536);
	int file = memfd_create("out", MFD_CLOEXEC);
	int before = dup(STDOUT_FILENO);

	report_init(r, is_json);
	r->is_terminal = is_terminal;
	fflush(stdout);
	dup2(file, STDOUT_FILENO);
	for (size_t i = 0; i < bytes; i += 5)
		report_console(r, data + i, bytes - i < 5 ? bytes - i : 5);
	dup2(before, STDOUT_FILENO);
	assert_true(pread(file, out, 65535, 0) >= 0);
	close(file);
	close(before);
	free(r);
	return out;
}

static void test_console(void **state)
{
	static const char text[] = "one\r\n\x1b[2Jtwo\xff\nready a\nreadyness\n";
	char *out = console(false, false, text, sizeof(text) - 1);

	(void)state;
	assert_string_equal(out, text); /* to a file or pipe: as it is */
	free(out);
	out = console(false, true, text, sizeof(text) - 1);
	assert_string_equal(out, "one\r\n?[2Jtwo\xff\nready a\nreadyness\n");
	free(out);
}

static void test_console_json(void **state)
{
	static const char text[] = "a\0b\xff\"\\\nready x\nready y\n";
	char *out = console(true, false, text, sizeof(text) - 1);
	static const char *const expected[][2] = { { "console", "a?b?\"\\" },
						   { "ready", "ready x" },
						   { "console", "ready y" } };
	char *line, *save = NULL;
	unsigned n = 0;

	(void)state;
	for (line = strtok_r(out, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
		json_t *event = json_loads(line, 0, NULL);

		assert_true(n < 3);
		assert_string_equal(json_string_value(json_object_get(event, "event")), expected[n][0]);
		assert_string_equal(json_string_value(json_object_get(event, "line")), expected[n][1]);
		json_decref(event);
		n++;
	}
	assert_int_equal(n, 3);
	free(out);
}

/* A guest that never ends its line must not make us keep it. */
static void test_console_without_end(void **state)
{
	size_t bytes = 3 * REPORT_LINE_MAX;
	char *text = malloc(bytes);
	char *out;

	(void)state;
	memset(text, 'x', bytes);
	out = console(false, false, text, bytes);
	assert_int_equal(strlen(out), bytes);
	free(out);
	out = console(true, false, text, bytes);
	assert_non_null(strstr(out, "\"event\":\"console\""));
	free(out);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forwards),
		cmocka_unit_test(test_nets),
		cmocka_unit_test(test_console),
		cmocka_unit_test(test_console_json),
		cmocka_unit_test(test_console_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
