/* SPDX-License-Identifier: MIT */
/* A good manifest arrives field by field; a bad one is refused by the field's name and never read beyond. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "kernel/base/err.h"
#include "test/unit/conf/sample.h"

static struct sample sample;
static struct conf conf;
static char error[160];

static int setup(void **state)
{
	(void)state;
	sample_make(&sample);
	memset(error, '#', sizeof(error));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	sample_done();
	return 0;
}

static int load(void)
{
	return sample_load(&conf, &sample, sample.m.bytes, "", error);
}

static void check_refused(const char *key)
{
	assert_int_equal(load(), KERR_INVALID);
	assert_non_null(memchr(error, 0, sizeof(error)));
	if (!strstr(error, key))
		fail_msg("\"%s\" does not name %s", error, key);
	sample_make(&sample);
}

static void test_good(void **state)
{
	(void)state;
	assert_int_equal(load(), 0);
	assert_string_equal(conf.name, "echo");
	assert_string_equal(conf.version, "1.2");
	assert_int_equal(conf.arg_count, 2);
	assert_string_equal(conf.args[0], "-v");
	assert_string_equal(conf.args[1], "two words");
	assert_int_equal(conf.env_count, 2);
	assert_string_equal(conf.env[0], "HOME=/");
	assert_string_equal(conf.env[1], "EMPTY=");
	assert_int_equal(conf.cores_min, 1);
	assert_int_equal(conf.cores_max, 4);
	assert_int_equal(conf.heap_mib, 16);
	assert_int_equal(conf.address, be32(0x0a00020f));
	assert_int_equal(conf.prefix_bits, 24);
	assert_int_equal(conf.gateway, be32(0x0a000202));
	assert_int_equal(conf.dns, be32(0x0a000203));
	assert_int_equal(conf.mtu, 1500);
	assert_int_equal(conf.port_count, 2);
	assert_int_equal(conf.ports[1].port, 7);
	assert_int_equal(conf.ports[1].protocol, IX_PORT_UDP);
	assert_int_equal(conf.connections, 1024);
	assert_int_equal(conf.rx_buffers, 4096);
	assert_int_equal(conf.batch, 64);
	assert_int_equal(conf.poll_us, UINT32_MAX);
	assert_true(conf.restart_on_fault);
	assert_int_equal(conf.restart_max, 3);
	assert_int_equal(conf.restart_window_s, 60);
	assert_int_equal(conf.watchdog_ms, 1000);
	assert_int_equal(conf.rto_floor_ms, 200);
	assert_true(conf.tcp_timestamps);
}

static void test_limits_are_inside(void **state)
{
	(void)state;
	sample.m.cores_min = sample.m.cores_max = IX_CORES_MAX;
	sample.m.connections = 16;
	sample.m.rx_buffers = 1024;
	sample.m.batch = 1;
	sample.m.poll_us = 1000000;
	sample.m.restart_on_fault = 0;
	sample.m.watchdog_ms = 0;
	sample.m.rto_floor_ms = 5;
	sample.m.mtu = 576;
	sample.m.heap_mib = 2;
	sample.m.memory_mib = 1048576;
	sample.m.version = 0;
	memset(sample.m.address, 0, 4);
	memset(sample.m.gateway, 0, 4);
	memset(sample.m.dns, 0, 4);
	assert_int_equal(load(), 0);
	assert_false(conf.restart_on_fault);
	assert_string_equal(conf.version, "");
	assert_int_equal(conf.address, 0);
}

static void test_numbers_out_of_range(void **state)
{
	static const struct {
		uint16_t off;
		const char *key;
		uint32_t bad[4];
	} rows[] = {
		{ offsetof(struct ix_manifest, memory_mib), "memory_mib", { 0, 63, 1048577, UINT32_MAX } },
		{ offsetof(struct ix_manifest, cores_min),
		  "cores.min",
		  { 0, IX_CORES_MAX + 1, 0x80000000, UINT32_MAX } },
		{ offsetof(struct ix_manifest, cores_max),
		  "cores.max",
		  { 0, IX_CORES_MAX + 1, 0x80000000, UINT32_MAX } },
		{ offsetof(struct ix_manifest, heap_mib), "heap_mib", { 0, 1, 1048577, UINT32_MAX } },
		{ offsetof(struct ix_manifest, prefix_bits), "prefix_bits", { 33, 64, 0x80000000, UINT32_MAX } },
		{ offsetof(struct ix_manifest, mtu), "net.mtu", { 0, 575, 1501, UINT32_MAX } },
		{ offsetof(struct ix_manifest, connections), "connections", { 0, 15, 4194305, UINT32_MAX } },
		{ offsetof(struct ix_manifest, rx_buffers), "rx_buffers", { 0, 1023, 1025, 4194304 + 1024 } },
		{ offsetof(struct ix_manifest, batch), "batch", { 0, 65, 0x80000000, UINT32_MAX } },
		{ offsetof(struct ix_manifest, poll_us), "poll_us", { 1000001, 0x80000000, UINT32_MAX - 1, 1000001 } },
		{ offsetof(struct ix_manifest, restart_on_fault), "restart.on_fault", { 2, 3, 256, UINT32_MAX } },
		{ offsetof(struct ix_manifest, restart_max), "restart.max", { 65, 256, 0x80000000, UINT32_MAX } },
		{ offsetof(struct ix_manifest, restart_window_s),
		  "restart.window_s",
		  { 0, 86401, 0x80000000, UINT32_MAX } },
		{ offsetof(struct ix_manifest, watchdog_ms), "watchdog_ms", { 1, 9, 600001, UINT32_MAX } },
		{ offsetof(struct ix_manifest, rto_floor_ms), "rto_floor_ms", { 0, 4, 1001, UINT32_MAX } },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++)
		for (unsigned k = 0; k < 4; k++) {
			memcpy((char *)&sample.m + rows[i].off, &rows[i].bad[k], 4);
			check_refused(rows[i].key);
		}
	sample.m.cores_min = 3;
	sample.m.cores_max = 2;
	check_refused("cores.max");
}

static void test_counts_and_ports(void **state)
{
	(void)state;
	sample.m.arg_count = IX_ARGS_MAX + 1;
	check_refused("args");
	sample.m.arg_count = UINT32_MAX;
	check_refused("args");
	sample.m.env_count = IX_ENV_MAX + 1;
	check_refused("env");
	sample.m.env_count = UINT32_MAX;
	check_refused("env");
	sample.m.port_count = IX_PORTS_MAX + 1;
	check_refused("ports");
	sample.m.port_count = UINT32_MAX;
	check_refused("ports");
	sample.m.ports[0].port = 0;
	check_refused("ports");
	sample.m.ports[1].protocol = 1;
	check_refused("ports");
	sample.m.ports[1].reserved = 1;
	check_refused("ports");
	sample.m.ports[0].rto_floor_ms = 1001;
	check_refused("ports");
	sample.m.ports[1].backlog = 5; /* UDP has none */
	check_refused("ports");
}

static void test_addresses(void **state)
{
	static const uint8_t bad[][4] = { { 0, 0, 0, 1 }, { 127, 0, 0, 1 }, { 224, 0, 0, 1 }, { 255, 255, 255, 255 } };

	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(bad); i++) {
		memcpy(sample.m.address, bad[i], 4);
		check_refused("net.address");
		memcpy(sample.m.gateway, bad[i], 4);
		check_refused("net.gateway");
		memcpy(sample.m.dns, bad[i], 4);
		check_refused("net.dns");
	}
}

static void test_addresses6(void **state)
{
	static const uint8_t bad[][16] = { { [15] = 1 },
					   { 0xff, 2, [15] = 1 },
					   { [10] = 0xff, [11] = 0xff, [15] = 1 } };

	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(bad); i++) {
		memcpy(sample.m.address6, bad[i], 16);
		check_refused("net.address6");
		memcpy(sample.m.gateway6, bad[i], 16);
		check_refused("net.gateway6");
	}
	sample.m.prefix6_bits = 129;
	check_refused("prefix6_bits");
	sample.m.slaac = 2;
	check_refused("net.slaac");
}

static void test_strings_outside(void **state)
{
	(void)state;
	const uint32_t bad[] = { 1, sizeof(sample.m) - 1, sample.m.bytes, sample.m.bytes + 1, UINT32_MAX, 0x80000000 };

	for (unsigned i = 0; i < ARRAY_COUNT(bad); i++) {
		sample.m.name = bad[i];
		check_refused("name");
		sample.m.version = bad[i];
		check_refused("version");
		sample.m.args[1] = bad[i];
		check_refused("args");
		sample.m.env[0] = bad[i];
		check_refused("env");
	}
	sample.m.name = 0;
	check_refused("name");
	sample.m.args[0] = 0;
	check_refused("args");
	sample.m.env[1] = 0;
	check_refused("env");
	sample.m.env[0] = sample.m.args[0]; /* no '=' */
	check_refused("env");
	sample.m.env[0] += 4; /* "=/" */
	check_refused("env");
	/* The last text has no NUL inside the part. */
	((char *)&sample)[sample.m.bytes - 1] = 'x';
	check_refused("env");
}

static void test_truncated(void **state)
{
	(void)state;
	for (uint32_t bytes = 0; bytes < sample.m.bytes; bytes++)
		assert_int_equal(sample_load(&conf, &sample, bytes, "", error), KERR_INVALID);
	sample.m.bytes++;
	assert_int_equal(sample_load(&conf, &sample, sample.m.bytes - 1, "", error), KERR_INVALID);
	sample_make(&sample);
	sample.m.bytes = sizeof(sample.m) - 1;
	assert_int_equal(sample_load(&conf, &sample, sizeof(sample), "", error), KERR_INVALID);
	/* A part longer than its content is a part like any other. */
	sample_make(&sample);
	assert_int_equal(sample_load(&conf, &sample, sizeof(sample), "", error), 0);
}

static void test_bit_flips(void **state)
{
	const uint32_t bytes = sample.m.bytes;

	(void)state;
	for (uint32_t bit = 0; bit < bytes * 8; bit++) {
		sample_make(&sample);
		((uint8_t *)&sample)[bit / 8] ^= (uint8_t)(1u << bit % 8);
		(void)sample_load(&conf, &sample, bytes, "", error); /* sanitizers judge */
	}
	srand(2);
	for (unsigned turn = 0; turn < 100000; turn++) {
		sample_make(&sample);
		for (int flips = rand() % 8; flips >= 0; flips--)
			((uint8_t *)&sample)[(unsigned)rand() % bytes] = (uint8_t)rand();
		if (sample_load(&conf, &sample, bytes, "", error))
			continue;
		assert_in_range(conf.cores_max, 1, IX_CORES_MAX);
		assert_in_range(conf.arg_count, 0, IX_ARGS_MAX);
		assert_in_range(conf.batch, 1, 64);
		for (uint32_t i = 0; i < conf.arg_count; i++)
			assert_true(strlen(conf.args[i]) < bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_good, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits_are_inside, setup, teardown),
		cmocka_unit_test_setup_teardown(test_numbers_out_of_range, setup, teardown),
		cmocka_unit_test_setup_teardown(test_counts_and_ports, setup, teardown),
		cmocka_unit_test_setup_teardown(test_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_addresses6, setup, teardown),
		cmocka_unit_test_setup_teardown(test_strings_outside, setup, teardown),
		cmocka_unit_test_setup_teardown(test_truncated, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bit_flips, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
