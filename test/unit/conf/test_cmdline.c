/* SPDX-License-Identifier: MIT */
/* The command line over a good manifest: what each key does, quoting, arguments, and what is refused how. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "kernel/abi/boot_info.h"
#include "kernel/base/err.h"
#include "test/unit/conf/sample.h"

static struct sample sample;
static struct conf conf;
static char error[160];

static int load(const char *cmdline)
{
	memset(error, '#', sizeof(error));
	sample_make(&sample);
	return sample_load(&conf, &sample, sample.m.bytes, cmdline, error);
}

static int teardown(void **state)
{
	(void)state;
	sample_done();
	return 0;
}

static void check_refused(const char *cmdline, const char *key, const char *hint)
{
	assert_int_equal(load(cmdline), KERR_INVALID);
	assert_non_null(memchr(error, 0, sizeof(error)));
	if (!strstr(error, key) || !strstr(error, hint))
		fail_msg("%s: \"%s\" does not say %s and %s", cmdline, error, key, hint);
}

static void test_numbers(void **state)
{
	(void)state;
	assert_int_equal(load(" cores.max=2  poll_us=7\tbatch=8 connections=4194304\nrx_buffers=2048 heap_mib=32 "
			      "restart.on_fault=false restart.max=9 restart.window_s=5 watchdog_ms=10 "
			      "rto_floor_ms=1000 stats_s=3600 tcp.timestamps=false net.mtu=1400 cores.min=2 "),
			 0);
	assert_int_equal(conf.cores_min, 2);
	assert_int_equal(conf.cores_max, 2);
	assert_int_equal(conf.poll_us, 7);
	assert_int_equal(conf.batch, 8);
	assert_int_equal(conf.connections, 4194304);
	assert_int_equal(conf.rx_buffers, 2048);
	assert_int_equal(conf.heap_mib, 32);
	assert_false(conf.restart_on_fault);
	assert_int_equal(conf.restart_max, 9);
	assert_int_equal(conf.restart_window_s, 5);
	assert_int_equal(conf.watchdog_ms, 10);
	assert_int_equal(conf.rto_floor_ms, 1000);
	assert_int_equal(conf.stats_s, 3600);
	assert_false(conf.tcp_timestamps);
	assert_int_equal(conf.mtu, 1400);
	assert_string_equal(conf.args[1], "two words"); /* what is not named stays */
	assert_int_equal(load("poll_us=1 poll_us=auto"), 0);
	assert_int_equal(conf.poll_us, UINT32_MAX);
	assert_int_equal(load(""), 0);
	assert_int_equal(load("   \t "), 0);
}

static void test_net(void **state)
{
	(void)state;
	assert_int_equal(load("net.address=192.168.7.9/16 net.gateway=192.168.0.1 net.dns=0.0.0.0"), 0);
	assert_int_equal(conf.address, be32(0xc0a80709));
	assert_int_equal(conf.prefix_bits, 16);
	assert_int_equal(conf.gateway, be32(0xc0a80001));
	assert_int_equal(conf.dns, 0);
	assert_int_equal(load("net.dhcp=true"), 0);
	assert_int_equal(conf.address | conf.prefix_bits | conf.gateway | conf.dns, 0);
	assert_int_equal(load("net.dhcp=true net.address=10.0.0.1/8"), 0); /* the last word counts */
	assert_int_equal(conf.address, be32(0x0a000001));
	assert_int_equal(load("net.dhcp=false"), 0);
	assert_int_equal(conf.address, be32(0x0a00020f));
	check_refused("net.dhcp=true net.dhcp=no", "net.dhcp", "net.address=");
}

static void test_net6(void **state)
{
	static const char *const bad[] = { "fd00::2",
					   "fd00::2/",
					   "fd00::2/129",
					   "fd00::2/64x",
					   "::1/128",
					   "ff02::1/64",
					   "::ffff:10.0.0.1/96",
					   "::ffff:a00:1/96",
					   "fd00:2/64",
					   "1.2.3.4/24",
					   "" };
	char line[64];

	(void)state;
	assert_int_equal(load(""), 0);
	assert_int_equal(conf.address6.words[0], be32(0xfd000000));
	assert_int_equal(conf.prefix6_bits, 64);
	assert_int_equal(conf.gateway6.words[3], be32(1));
	assert_int_equal(load("net.slaac=true net.address6=2001:db8::7/56 net.gateway6=2001:db8::1"), 0);
	assert_int_equal(conf.address6.words[0], be32(0x20010db8));
	assert_int_equal(conf.address6.words[3], be32(7));
	assert_int_equal(conf.prefix6_bits, 56);
	assert_int_equal(conf.gateway6.words[0], be32(0x20010db8));
	assert_false(conf.slaac); /* an address of its own, unless the word comes after it */
	assert_int_equal(load("net.address6=fd01::7/64 net.slaac=true net.gateway6=::"), 0);
	assert_true(conf.slaac);
	assert_int_equal(conf.gateway6.words[0] | conf.gateway6.words[3], 0);
	assert_int_equal(load("net.address6=::/0"), 0);
	assert_int_equal(conf.address6.words[0] | conf.prefix6_bits, 0);
	assert_true(conf.slaac);
	for (unsigned i = 0; i < ARRAY_COUNT(bad); i++) {
		(void)strcat(strcpy(line, "net.address6="), bad[i]);
		check_refused(line, "net.address6", "fd00::2/64");
	}
	check_refused("net.gateway6=fe80::1/64", "net.gateway6", "fe80::1");
	check_refused("net.gateway6=ff02::2", "net.gateway6", "fe80::1");
	check_refused("net.slaac=perhaps", "net.slaac", "true");
}

static void test_args(void **state)
{
	(void)state;
	assert_int_equal(load("batch=2 -- -x \"a b\" \"\" q\"u o\"te \"\\\"\\\\\" back\\slash batch=3 --"), 0);
	assert_int_equal(conf.batch, 2);
	assert_int_equal(conf.arg_count, 8);
	assert_string_equal(conf.args[0], "-x");
	assert_string_equal(conf.args[1], "a b");
	assert_string_equal(conf.args[2], "");
	assert_string_equal(conf.args[3], "qu ote");
	assert_string_equal(conf.args[4], "\"\\");
	assert_string_equal(conf.args[5], "back\\slash");
	assert_string_equal(conf.args[6], "batch=3");
	assert_string_equal(conf.args[7], "--");
	assert_int_equal(load("--"), 0);
	assert_int_equal(conf.arg_count, 0);
}

static void test_env(void **state)
{
	(void)state;
	assert_int_equal(load("env.HOME=/tmp \"env.NEW=a b=c\" batch=5 env.NONE="), 0);
	assert_int_equal(conf.env_count, 4);
	assert_string_equal(conf.env[0], "HOME=/tmp");
	assert_string_equal(conf.env[1], "EMPTY=");
	assert_string_equal(conf.env[2], "NEW=a b=c");
	assert_string_equal(conf.env[3], "NONE=");
	check_refused("env.=x", "env.", "NAME");
}

static void test_ports(void **state)
{
	(void)state;
	assert_int_equal(load("ports.7.rto_floor_ms=5 ports.7.backlog=65536 ports.7.half_open=1 ports.7.backlog=2 "
			      "ports.7.ecn=dctcp"),
			 0);
	assert_int_equal(conf.ports[0].ecn, IX_ECN_DCTCP);
	assert_int_equal(conf.ports[0].rto_floor_ms, 5);
	assert_int_equal(conf.ports[0].backlog, 2);
	assert_int_equal(conf.ports[0].half_open, 1);
	assert_int_equal(conf.ports[1].rto_floor_ms, 0); /* UDP */
	assert_ptr_equal(conf_port(&conf, IX_PORT_UDP, 7), &conf.ports[1]);
	assert_null(conf_port(&conf, IX_PORT_TCP, 8));
	check_refused("ports.7.ecn=yes", "ports.7.ecn", "off classic dctcp");
	check_refused("ports.7.rto_floor_ms=4", "ports.7.rto_floor_ms", "5..1000");
	check_refused("ports.7.backlog=0", "ports.7.backlog", "1..65536");
	check_refused("ports.7.backlog=x", "ports.7.backlog", "1..65536");
	check_refused("ports.7.backlg=1", "ports.7.backlg", "half_open");
	check_refused("ports.8.backlog=1", "ports.8.backlog", "in the manifest");
	check_refused("ports.65543.backlog=1", "ports.65543", "in the manifest"); /* 7 + 65536 */
	check_refused("ports.7=1", "ports.7", "ports.PORT.OPTION");
	check_refused("ports.=1", "ports.", "ports.PORT.OPTION");
}

static void test_refused(void **state)
{
	(void)state;
	check_refused("speed=9", "speed", "rx_buffers");
	check_refused("net.adress=1.2.3.4/5", "net.adress", "net.address");
	check_refused("cores=2", "cores", "cores.*");
	check_refused("cores.mex=2", "cores.mex", "cores.min cores.max");
	check_refused("restart.on=1", "restart.on", "restart.on_fault");
	check_refused("memory_mib=64", "memory_mib", "unknown key");
	check_refused("prefix_bits=8", "prefix_bits", "unknown key");
	check_refused("quiet", "quiet", "KEY=VALUE");
	check_refused("=1", "", "unknown key");
	check_refused("batch=", "batch", "1..64");
	check_refused("batch=0", "batch", "1..64");
	check_refused("batch=65", "batch", "1..64");
	check_refused("batch=+1", "batch", "1..64");
	check_refused("batch=1x", "batch", "1..64");
	check_refused("batch=99999999999999999999999", "batch", "1..64");
	check_refused("poll_us=4294967295", "poll_us", "auto");
	check_refused("rx_buffers=1000", "rx_buffers", "1024");
	check_refused("watchdog_ms=9", "watchdog_ms", "too short");
	check_refused("restart.on_fault=maybe", "restart.on_fault", "true");
	check_refused("cores.max=0", "cores.max", "1..64");
	check_refused("cores.min=5", "cores.max", "cores.min");
	check_refused("batch=\"1", "quote", "");
}

static void test_bad_addresses(void **state)
{
	static const char *const bad[] = { "",
					   "10.0.2.15",
					   "10.0.2/24",
					   "10.0.2.15/",
					   "10.0.2.15/33",
					   "10.0.2.256/24",
					   "10.0.2.15/24x",
					   "10..2.15/24",
					   "10.0.2.15.1/24",
					   "127.0.0.1/8",
					   "0.0.0.0/0",
					   "224.0.0.1/4",
					   "255.255.255.255/32",
					   " 10.0.2.15/24",
					   "a.b.c.d/24" };
	char line[64];

	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(bad); i++) {
		(void)strcat(strcpy(line, "net.address="), bad[i]);
		assert_int_equal(load(line), KERR_INVALID);
	}
	check_refused("net.gateway=10.0.2.2/24", "net.gateway", "10.0.2.2");
	check_refused("net.dns=localhost", "net.dns", "10.0.2.2");
	check_refused("net.gateway=224.0.0.9", "net.gateway", "10.0.2.2");
}

static void test_too_much(void **state)
{
	static char line[3 * CONF_TEXT_BYTES];

	(void)state;
	strcpy(line, "--");
	for (unsigned i = 0; i < IX_ARGS_MAX; i++)
		strcat(line, " a");
	assert_int_equal(load(line), 0);
	assert_int_equal(conf.arg_count, IX_ARGS_MAX);
	strcat(line, " a");
	check_refused(line, "arguments", "32");
	strcpy(line, "env.A0=1");
	for (unsigned i = 1; i < IX_ENV_MAX; i++) {
		char word[] = " env.Axx=1";

		word[6] = (char)('A' + i / 10);
		word[7] = (char)('0' + i % 10);
		strcat(line, word);
	}
	check_refused(line, "env.", "32"); /* the manifest's two are there already */
	/* Text that fills struct conf to the last byte, and one byte more, kept or not. */
	for (unsigned bytes = CONF_TEXT_BYTES - 3; bytes < CONF_TEXT_BYTES + 3; bytes++) {
		strcpy(line, "-- ");
		memset(line + 3, 'x', bytes);
		line[3 + bytes] = 0;
		assert_int_equal(load(line), bytes < CONF_TEXT_BYTES ? 0 : KERR_INVALID);
		strcat(line, " \"\" y");
		assert_int_equal(load(line), bytes < CONF_TEXT_BYTES - 3 ? 0 : KERR_INVALID);
		memset(line, 'x', bytes);
		line[bytes] = 0;
		assert_int_equal(load(line), KERR_INVALID);
	}
}

static void test_random_lines(void **state)
{
	static const char *const pieces[] = {
		"net.address=", "net.dhcp=",  "env.",       "batch=", "poll_us=", "auto", " ",    " ",
		"\"",           "\\",         "10.0.0.1/8", "--",     "=",        "7",    "\x01", "\xff",
		"true",         "cores.max=", ".",          "-",      "\t"
	};
	static char line[BOOT_CMDLINE_BYTES];

	(void)state;
	srand(3);
	for (unsigned turn = 0; turn < 200000; turn++) {
		line[0] = 0;
		for (int n = rand() % 20; n >= 0; n--)
			strcat(line, pieces[(unsigned)rand() % ARRAY_COUNT(pieces)]);
		if (load(line))
			assert_non_null(memchr(error, 0, sizeof(error)));
		else
			assert_in_range(conf.batch, 1, 64);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_numbers, teardown),
		cmocka_unit_test_teardown(test_net, teardown),
		cmocka_unit_test_teardown(test_net6, teardown),
		cmocka_unit_test_teardown(test_args, teardown),
		cmocka_unit_test_teardown(test_env, teardown),
		cmocka_unit_test_teardown(test_ports, teardown),
		cmocka_unit_test_teardown(test_refused, teardown),
		cmocka_unit_test_teardown(test_bad_addresses, teardown),
		cmocka_unit_test_teardown(test_too_much, teardown),
		cmocka_unit_test_teardown(test_random_lines, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
