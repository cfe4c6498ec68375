/* SPDX-License-Identifier: MIT */
/* image.yaml: what is read, what is refused and how, and 2,000 damaged ones that must not hurt. */
#include "hostctl/image/image.h"
#include "hostctl/image/schema.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static char path[] = "/tmp/ix-manifest.XXXXXX";

static const char full[] =
	"name: echo\nversion: 1.2\napp: ./echo\nargs: [a, \"b c\", '']\nenv: {A: b, C: \"\"}\n"
	"memory_mib: 256\nheap_mib: 32\ncores: {min: 2, max: 4}\n"
	"net:\n  address: 10.0.2.15/24\n  gateway: 10.0.2.2\n  dns: 10.0.2.3\n  mtu: 1400\n"
	"ports: [{rto_floor_ms: 5, port: 7/tcp, backlog: 9, ecn: dctcp}, 7/udp]\nconnections: 5000\nrx_buffers: "
	"2048\nbatch: 32\npoll_us: 10\n"
	"restart: {on_fault: true, max: 5, window_s: 30}\nwatchdog_ms: 1000\nrto_floor_ms: 5\n"
	"tcp: {timestamps: false}\n";

static int read_text(struct source **out, const char *text, size_t bytes, struct err *err)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, bytes, f), bytes);
	assert_int_equal(fclose(f), 0);
	return source_read(out, path, err);
}

static void test_full(void **state)
{
	struct err err = { 0 };
	struct blob part = { 0 };
	struct ix_manifest m;
	struct source *s;

	(void)state;
	assert_int_equal(read_text(&s, full, strlen(full), &err), 0);
	assert_int_equal(source_compile(s, path, &part, &err), 0);
	memcpy(&m, part.data, sizeof(m));
	assert_int_equal(m.bytes, part.bytes);
	assert_string_equal(part.data + m.name, "echo");
	assert_string_equal(part.data + m.version, "1.2");
	assert_int_equal(m.arg_count, 3);
	assert_string_equal(part.data + m.args[1], "b c");
	assert_string_equal(part.data + m.args[2], "");
	assert_string_equal(part.data + m.env[1], "C=");
	assert_int_equal(m.memory_mib, 256);
	assert_int_equal(m.cores_min, 2);
	assert_int_equal(m.cores_max, 4);
	assert_int_equal(m.address[3], 15);
	assert_int_equal(m.prefix_bits, 24);
	assert_int_equal(m.mtu, 1400);
	assert_int_equal(m.port_count, 2);
	assert_int_equal(m.ports[0].port, 7);
	assert_int_equal(m.ports[0].rto_floor_ms, 5);
	assert_int_equal(m.ports[0].ecn, IX_ECN_DCTCP);
	assert_int_equal(m.ports[0].backlog, 9);
	assert_int_equal(m.ports[0].half_open, 0);
	assert_int_equal(m.ports[1].port, 7);
	assert_int_equal(m.ports[1].protocol, IX_PORT_UDP);
	assert_int_equal(m.poll_us, 10);
	assert_int_equal(m.restart_on_fault, 1);
	assert_int_equal(m.rto_floor_ms, 5);
	assert_int_equal(m.tcp_timestamps, 0);
	blob_fini(&part);
	source_free(s);
}

static void test_defaults(void **state)
{
	static const char text[] = "name: a\napp: b\ncores: {min: 3}\n";
	struct err err = { 0 };
	struct source *s;

	(void)state;
	assert_int_equal(read_text(&s, text, strlen(text), &err), 0);
	assert_int_equal(s->m.cores_max, 3);
	assert_int_equal(s->dhcp, 1);
	assert_int_equal(s->m.poll_us, UINT32_MAX);
	assert_int_equal(s->m.batch, 64);
	assert_int_equal(s->m.watchdog_ms, 0);
	assert_string_equal(s->version, "0");
	source_free(s);
}

static void refuse_net(const char *net, const char *why)
{
	char text[256];
	struct err err = { 0 };
	struct source *s;

	snprintf(text, sizeof(text), "name: a\napp: b\nnet: {%s}\n", net);
	assert_int_equal(read_text(&s, text, strlen(text), &err), -1);
	if (strstr(err.text, why) == NULL)
		print_error("%s: %s\n", net, err.text);
	assert_non_null(strstr(err.text, why));
	assert_int_equal(err.status, STATUS_DATA);
	err_fini(&err);
}

static void test_ip6(void **state)
{
	static const char text[] = "name: a\napp: b\nnet: {address6: 2001:db8::7/64, gateway6: fe80::1}\n";
	static const char plain[] = "name: a\napp: b\n";
	struct err err = { 0 };
	struct source *s;

	(void)state;
	assert_int_equal(read_text(&s, text, strlen(text), &err), 0);
	assert_int_equal(s->m.address6[1], 1);
	assert_int_equal(s->m.address6[15], 7);
	assert_int_equal(s->m.prefix6_bits, 64);
	assert_int_equal(s->m.gateway6[0], 0xfe);
	assert_int_equal(s->m.slaac, 0);
	source_free(s);
	assert_int_equal(read_text(&s, plain, strlen(plain), &err), 0);
	assert_int_equal(s->m.slaac, 1);
	source_free(s);
	refuse_net("address6: 2001:db8::7", "net.address6: expected a host address with its prefix length");
	refuse_net("address6: '::1/64'", "net.address6: expected a host address");
	refuse_net("address6: 'ff02::1/64'", "net.address6: expected a host address");
	refuse_net("address6: '::ffff:10.0.0.1/96'", "net.address6: expected a host address");
	refuse_net("address6: 'fd00::2/129'", "net.address6: expected a host address");
	refuse_net("gateway6: 'fe80::1'", "net.gateway6: expected only beside net.address6");
	refuse_net("address6: 'fd00::2/64', gateway6: 'fd01::1'", "net.gateway6: expected a link-local address or");
	refuse_net("address6: 'fd00::2/64', gateway6: 'fd00::2'", "net.gateway6: expected a link-local address or");
	refuse_net("address6: 'fd00::2/64', mtu: 1279", "net.mtu: expected at least 1280");
	refuse_net("slaac: maybe", "net.slaac: expected true or false");
}

static void test_refusal(void **state)
{
	static const char text[] = "name: a\napp: b\nbatch: many\n";
	char expected[128];
	struct err err = { 0 };
	struct source *s;

	(void)state;
	assert_int_equal(read_text(&s, text, strlen(text), &err), -1);
	assert_null(s);
	snprintf(expected, sizeof(expected), "%s:3: batch: expected a number 1..64, got many", path);
	assert_string_equal(err.text, expected);
	assert_int_equal(err.status, STATUS_DATA);
	err_fini(&err);
}

/* Every default that the table gives is one that the table takes, and it says what it takes. */
static void test_table(void **state)
{
	struct source *s = calloc(1, sizeof(*s));
	char words[160];

	(void)state;
	for (unsigned i = 0; i < schema_count; i++) {
		if (schema_keys[i].fallback != NULL)
			assert_true(schema_set(s, (int)i, schema_keys[i].fallback));
		schema_expected((int)i, words, sizeof(words));
		assert_true(strlen(words) > 5 && strlen(words) < sizeof(words) - 1);
		assert_int_equal(schema_find(schema_keys[i].name), i);
	}
	source_free(s);
}

static void test_overrides(void **state)
{
	struct ix_manifest m = { .address = { 10, 0, 0, 2 }, .prefix_bits = 24 };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(image_override(&m, "batch=8", &err), 0);
	assert_int_equal(m.batch, 8);
	assert_int_equal(image_override(&m, "poll_us=auto", &err), 0);
	assert_int_equal(m.poll_us, UINT32_MAX);
	assert_int_equal(image_override(&m, "env.PATH=/", &err), 0);
	assert_int_equal(image_override(&m, "net.dhcp=true", &err), 0);
	assert_int_equal(m.address[0], 0);
	assert_int_equal(image_override(&m, "batch=0", &err), -1);
	assert_string_equal(err.text, "batch: expected a number 1..64, got 0");
	err_fini(&err);
	assert_int_equal(image_override(&m, "app=x", &err), -1);
	err_fini(&err);
	assert_int_equal(image_override(&m, "", &err), -1);
	err_fini(&err);
}

/* Cut, flip and splice a good manifest; the reader may refuse, nothing else. */
static void test_damaged(void **state)
{
	unsigned seed = 1;
	size_t length = strlen(full);
	char *text = malloc(length);

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		size_t bytes = 1 + (size_t)rand_r(&seed) % length;
		struct err err = { 0 };
		struct source *s;

		memcpy(text, full, length);
		for (unsigned flips = 1 + i % 4; flips > 0; flips--)
			text[(size_t)rand_r(&seed) % length] = "[]{}:,-&*#|>'\"\n\t 0a\x01\x80"[rand_r(&seed) % 21];
		if (read_text(&s, text, i % 2 != 0 ? length : bytes, &err) == 0)
			source_free(s);
		else
			assert_int_equal(err.status, STATUS_DATA);
		err_fini(&err);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full),    cmocka_unit_test(test_defaults), cmocka_unit_test(test_ip6),
		cmocka_unit_test(test_refusal), cmocka_unit_test(test_table),    cmocka_unit_test(test_overrides),
		cmocka_unit_test(test_damaged),
	};
	int fd = mkstemp(path);
	int failed;

	if (fd < 0)
		return 1;
	close(fd);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return failed;
}
