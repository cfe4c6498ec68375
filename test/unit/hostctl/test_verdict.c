/* SPDX-License-Identifier: MIT */
/* How QEMU ended, event by event, and what that means. */
#include "hostctl/machine/verdict.h"
#include "hostctl/base/err.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#define EXITED(code) ((code) << 8)

static void test_table(void **state)
{
	static const struct {
		struct verdict_facts facts;
		int status;
		const char *how;
	} rows[] = {
		{ { .wait_status = EXITED(1), .is_running = true, .reason = QMP_REASON_GUEST_SHUTDOWN }, 0, "app" },
		{ { .wait_status = EXITED(85), .is_running = true, .reason = QMP_REASON_GUEST_SHUTDOWN }, 42, "app" },
		{ { .wait_status = EXITED(203), .is_running = true, .reason = QMP_REASON_GUEST_SHUTDOWN },
		  101,
		  "fault" },
		{ { .wait_status = EXITED(205), .is_running = true, .reason = QMP_REASON_GUEST_SHUTDOWN },
		  102,
		  "panic" },
		{ { .wait_status = EXITED(209), .is_running = true, .reason = QMP_REASON_GUEST_SHUTDOWN },
		  104,
		  "watchdog" },
		{ { .wait_status = EXITED(207), .is_running = true, .reason = QMP_REASON_GUEST_SHUTDOWN },
		  103,
		  "qemu" },
		{ { .wait_status = EXITED(0), .is_running = true, .reason = QMP_REASON_GUEST_SHUTDOWN }, 0, "app" },
		{ { .wait_status = EXITED(0), .is_running = true, .reason = QMP_REASON_GUEST_RESET }, 102, "panic" },
		{ { .wait_status = EXITED(205), .is_running = true, .is_panicked = true }, 102, "panic" },
		{ { .wait_status = EXITED(0), .is_running = true, .is_panicked = true }, 102, "panic" },
		{ { .wait_status = EXITED(1), .is_running = true }, 103, "qemu" }, /* QEMU's own failure */
		{ { .wait_status = 9, .is_running = true, .is_stuck = true }, 103, "qemu" },
		{ { .wait_status = EXITED(1) }, 103, "qemu" },
		{ { .wait_status = 9, .is_running = true }, 103, "qemu" },
		{ { .wait_status = EXITED(0), .is_running = true, .reason = QMP_REASON_HOST }, 103, "qemu" },
		{ { .wait_status = EXITED(0), .is_running = true, .reason = QMP_REASON_HOST, .stops = 1 },
		  130,
		  "interrupted" },
		{ { .wait_status = 9, .is_running = true, .stops = 2 }, 130, "interrupted" },
		{ { .wait_status = 9, .stops = 1 }, 130, "interrupted" },
		/* The guest was quicker than Ctrl-C. */
		{ { .wait_status = EXITED(15), .is_running = true, .stops = 1, .reason = QMP_REASON_GUEST_SHUTDOWN },
		  7,
		  "app" },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct verdict v;

		verdict(&v, &rows[i].facts);
		assert_int_equal(v.status, rows[i].status);
		assert_string_equal(v.how, rows[i].how);
		assert_int_equal(v.is_error, v.status == STATUS_MACHINE);
		free(v.words);
	}
}

static void test_old(void **state)
{
	struct verdict_facts f = { .wait_status = EXITED(1), .version = "8.0.1", .is_old = true, .qemu = "/q" };
	struct verdict v;

	(void)state;
	verdict(&v, &f);
	assert_int_equal(v.status, STATUS_MACHINE);
	assert_non_null(strstr(v.words, "QEMU 8.0.1 (/q) is too old"));
	free(v.words);
}

static void feed(struct qmp *q, int fd, const char *text)
{
	size_t bytes = strlen(text);

	while (bytes > 0) {
		size_t n = bytes < 7 ? bytes : 7; /* lines come in pieces */

		assert_int_equal(write(fd, text, n), n);
		qmp_read(q);
		text += n;
		bytes -= n;
	}
}

static void test_qmp(void **state)
{
	int pair[2];
	struct qmp q;
	char sent[128] = "";

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_true(qmp_init(&q, pair[0]));
	feed(&q, pair[1], "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 2, \"minor\": 0, \"major\": 10}}}}\r\n");
	assert_true(q.is_greeted);
	assert_string_equal(q.version, "10.0.2");
	assert_false(q.is_running);
	feed(&q, pair[1], "{\"return\": {}}\nnonsense\n{\"event\": 7}\n[]\n\n");
	feed(&q, pair[1],
	     "{\"event\": \"RESUME\"}\n{\"event\": \"SHUTDOWN\", \"data\": {\"reason\": \"guest-reset\"}}\n");
	assert_true(q.is_running);
	assert_int_equal(q.reason, QMP_REASON_GUEST_RESET);
	feed(&q, pair[1], "{\"event\": \"SHUTDOWN\", \"data\": {\"reason\": \"host-qmp-quit\"}}\n");
	assert_int_equal(q.reason, QMP_REASON_GUEST_RESET); /* the first one counts */
	feed(&q, pair[1], "{\"event\": \"STOP\"}\n{\"return\": {\"status\": \"paused\", \"running\": false}}\n");
	assert_true(read(pair[1], sent, sizeof(sent) - 1) > 0);
	assert_string_equal(sent, "{\"execute\": \"query-status\"}\n");
	assert_false(q.is_stuck);
	feed(&q, pair[1], "{\"return\": {\"status\": \"internal-error\", \"running\": false}}\n");
	assert_true(q.is_stuck);
	memset(sent, 0, sizeof(sent));
	qmp_send(&q, "quit");
	assert_true(read(pair[1], sent, sizeof(sent) - 1) > 0);
	assert_string_equal(sent, "{\"execute\": \"quit\"}\n");
	close(pair[1]);
	qmp_read(&q);
	assert_true(q.is_closed);
	qmp_fini(&q);
	close(pair[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_old),
		cmocka_unit_test(test_qmp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
