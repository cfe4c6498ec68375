/* SPDX-License-Identifier: MIT */
/* How long a guest that was started is waited for: it serves, ends, stands still, or goes on without ever being ready. */
#include "hostctl/ixd/ready.h"
#include "hostctl/base/paths.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define CONSOLE PATHS_LOG "/web.console"

struct ixd ixd = { .lock = PTHREAD_MUTEX_INITIALIZER };
static struct known web;
static struct guest record;
static struct err err;
static int64_t clock_ms;
static int64_t beats_until_ms, ready_at_ms, ends_at_ms, line_at_ms; /* 0: never */
static enum domain_state state;
static bool is_libvirt_away;
static unsigned asked;

int64_t now_ms(void)
{
	return clock_ms;
}

int nanosleep(const struct timespec *t, struct timespec *left)
{
	(void)left;
	clock_ms += t->tv_nsec / 1000000;
	return 0;
}

struct known *known_find(const char *name)
{
	return strcmp(name, web.name) == 0 ? &web : NULL;
}

static void write_console(const char *text)
{
	FILE *f = fopen(CONSOLE, "a");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

void sample_guest(struct known *k)
{
	if (clock_ms < beats_until_ms) {
		k->has_guest = true;
		k->guest.beat++;
	}
	if (line_at_ms != 0 && clock_ms >= line_at_ms) {
		write_console("still there\n");
		line_at_ms = 0;
	}
	if (ready_at_ms != 0 && clock_ms >= ready_at_ms) {
		k->has_guest = true;
		k->guest.state = IX_PAGE_READY;
	}
}

int domain_info(struct domains *d, const char *name, struct domain_info *out, struct err *e)
{
	(void)d;
	(void)name;
	memset(out, 0, sizeof(*out));
	if (is_libvirt_away)
		return err_set(e, STATUS_MACHINE, "away");
	out->state = ends_at_ms != 0 && clock_ms >= ends_at_ms ? DOMAIN_OFF : state;
	out->pid = getpid();
	return 0;
}

int domain_vcpus(struct domains *d, const char *name, struct domain_vcpus *out, struct err *e)
{
	(void)d;
	(void)name;
	(void)e;
	asked++;
	memset(out, 0, sizeof(*out));
	out->threads[0] = getpid();
	return 0;
}

static int setup(void **unused)
{
	(void)unused;
	(void)mkdir(PATHS_ROOT, 0755);
	(void)mkdir(PATHS_ROOT "/var", 0755);
	(void)mkdir(PATHS_ROOT "/var/log", 0755);
	(void)mkdir(PATHS_LOG, 0755);
	unlink(CONSOLE);
	write_console("IX begins\nno \x1b[1mdevice\r\n\n");
	memset(&web, 0, sizeof(web));
	snprintf(web.name, sizeof(web.name), "web");
	snprintf(record.name, sizeof(record.name), "web");
	clock_ms = 1000000;
	beats_until_ms = ready_at_ms = ends_at_ms = line_at_ms = 0;
	state = DOMAIN_RUNNING;
	is_libvirt_away = ixd.host.is_kvm = false;
	asked = 0;
	return 0;
}

static int teardown(void **unused)
{
	(void)unused;
	err_fini(&err);
	return 0;
}

/* That it failed with @words after @from_s to @to_s seconds. */
static void fails(const char *words, int64_t from_s, int64_t to_s)
{
	int64_t began = clock_ms;

	assert_int_equal(ready_wait(&record, &err), -1);
	assert_string_equal(err.text, words);
	assert_in_range(clock_ms - began, from_s * 1000, to_s * 1000);
	err_fini(&err);
}

static void test_ready(void **unused)
{
	(void)unused;
	ready_at_ms = clock_ms + 500;
	assert_int_equal(ready_wait(&record, &err), 0);
	assert_int_equal(asked, 0); /* one that is soon there costs QEMU no question */
	assert_in_range(clock_ms, 1000500, 1000520);
	setup(NULL);
	beats_until_ms = clock_ms + 60000;
	ready_at_ms = clock_ms + 50000; /* it asked a DHCP server */
	assert_int_equal(ready_wait(&record, &err), 0);
}

static void test_ends(void **unused)
{
	(void)unused;
	ends_at_ms = clock_ms + 300;
	fails("web ended before it was ready; its console's last line: no  [1mdevice", 0, 1);
	unlink(CONSOLE);
	fails("web ended before it was ready; its console's last line: ", 0, 0);
}

static void test_stands_still(void **unused)
{
	(void)unused;
	fails("web stood still for 15 s before it was ready; its console's last line: no  [1mdevice", 15, 17);
	assert_int_equal(asked, 1);
	line_at_ms = clock_ms + 10000; /* it says one thing more */
	fails("web stood still for 15 s before it was ready; its console's last line: still there", 25, 27);
	beats_until_ms = clock_ms + 20000; /* its heart beats for a while */
	fails("web stood still for 15 s before it was ready; its console's last line: still there", 34, 36);
	ixd.host.is_kvm = true;
	fails("web stood still for 5 s before it was ready; its console's last line: still there", 5, 7);
}

static void test_never_ready(void **unused)
{
	(void)unused;
	beats_until_ms = INT64_MAX;
	fails("web is not ready after a minute; its console's last line: no  [1mdevice", 60, 61);
}

/* While libvirt is away nobody knows whether it has ended; it is waited for all the same, and given up. */
static void test_libvirt_away(void **unused)
{
	(void)unused;
	is_libvirt_away = true;
	ready_at_ms = clock_ms + 5000;
	assert_int_equal(ready_wait(&record, &err), 0);
	setup(NULL);
	is_libvirt_away = true;
	fails("web stood still for 15 s before it was ready; its console's last line: no  [1mdevice", 15, 17);
}

static void test_held(void **unused)
{
	(void)unused;
	assert_int_equal(ready_held_ms("123456789 2500999999 17\n"), 2500);
	assert_int_equal(ready_held_ms("5 999999 1"), 0);
	assert_int_equal(ready_held_ms(""), 0);
	assert_int_equal(ready_held_ms("none\n"), 0);
	assert_int_equal(ready_held_ms("7"), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_ready),       TEST(test_ends),         TEST(test_stands_still),
		TEST(test_never_ready), TEST(test_libvirt_away), TEST(test_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
