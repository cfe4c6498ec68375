/* SPDX-License-Identifier: MIT */
/* Names of guests and what is made of them; messages between ixctl and ixd. */
#include "hostctl/base/message.h"
#include "hostctl/base/name.h"
#include "hostctl/base/paths.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void test_names(void **state)
{
	static const char *const good[] = { "a", "web", "web-2", "a0123456789012345678901234567890" };
	static const char *const bad[] = { "",
					   "-a",
					   "a-",
					   "A",
					   "1a",
					   "a_b",
					   "a.b",
					   "../a",
					   "a/b",
					   "a b",
					   "a\n",
					   "caf\xc3\xa9",
					   "a01234567890123456789012345678901" };
	struct err err = { 0 };

	(void)state;
	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(name_check(good[i], &err), 0);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(name_check(bad[i], &err), -1);
		assert_int_equal(err.status, STATUS_USAGE);
		err_fini(&err);
	}
}

static void test_what_is_made_of_a_name(void **state)
{
	char a[13], b[13], *path = paths_of_guest(PATHS_GUESTS, "web", "guest.json");
	uint8_t mac[6];

	(void)state;
	name_port("web", a);
	name_port("web-2", b);
	assert_int_equal(strlen(a), 12);
	assert_string_not_equal(a, b);
	name_mac("web", mac);
	assert_int_equal(mac[0] & 3, 2); /* of one station, locally administered */
	assert_string_equal(path, "/var/lib/ix/guests/web/guest.json");
	free(path);
	path = paths_page("web");
	assert_string_equal(path, "/dev/shm/ix-web");
	free(path);
}

static void test_message_with_a_file(void **state)
{
	json_t *object = json_pack("{s:s}", "verb", "up");
	int pair[2], fds[1] = { open("/proc/self/comm", O_RDONLY | O_CLOEXEC) };
	struct message m;
	struct err err = { 0 };
	char name[32] = "";

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(message_send(pair[0], object, fds, 1, &err), 0);
	close(fds[0]);
	assert_int_equal(message_receive(pair[1], &m, &err), 1);
	assert_true(json_equal(m.object, object));
	assert_int_equal(message_take_fd(&m, 1), -1);
	fds[0] = message_take_fd(&m, 0);
	assert_int_equal(message_take_fd(&m, 0), -1);
	assert_true(read(fds[0], name, sizeof(name) - 1) > 0);
	close(fds[0]);
	message_fini(&m);
	close(pair[0]);
	assert_int_equal(message_receive(pair[1], &m, &err), 0);
	close(pair[1]);
	json_decref(object);
}

/* Whatever a stranger sends is refused, and its files are closed. */
static void test_messages_that_are_none(void **state)
{
	static const char *const bad[] = { "{", "[]", "1", "{\"a\":1,\"a\":2}", "{} {}", "\xff\xfe" };
	char *big = calloc(1, MESSAGE_BYTES_MAX + 1);
	int pair[2], size = 1 << 20;
	struct message m;
	struct err err = { 0 };

	(void)state;
	assert_non_null(big);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_true(send(pair[0], bad[i], strlen(bad[i]), 0) > 0);
		assert_int_equal(message_receive(pair[1], &m, &err), -1);
		assert_int_equal(err.status, STATUS_USAGE);
		err_fini(&err);
	}
	memset(big, ' ', MESSAGE_BYTES_MAX + 1);
	memcpy(big, "{}", 2);
	if (send(pair[0], big, MESSAGE_BYTES_MAX + 1, MSG_DONTWAIT) > 0) {
		assert_int_equal(message_receive(pair[1], &m, &err), -1);
		err_fini(&err);
	}
	free(big);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_what_is_made_of_a_name),
		cmocka_unit_test(test_message_with_a_file),
		cmocka_unit_test(test_messages_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
