/* SPDX-License-Identifier: MIT */
/* What ixd makes of pages and decisions: who is asked about, what is begun and why, what follows a failure, and which CPU gets whom. */
#include "hostctl/ixd/ixd.h"
#include "test/unit/hostctl/seen.h"
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define GROUPS_AT ((off_t)IX_PAGE_AT_GROUPS)
#define PINS_MAX 64u

static struct known *web;
static int page_fd;
static struct {
	unsigned count;
	char name[33];
	uint32_t cores;
	struct scale_why why;
} begun;
static bool is_refused; /* somebody is at work on it */
static struct {
	char name[33];
	int vcpu;
	uint64_t cpus; /* the lowest 64 */
} pins[PINS_MAX];
static unsigned pin_count;
static const char *pollers;
static bool is_libvirt_away;

bool scale_begin(const char *name, uint32_t cores, const struct scale_why *why)
{
	if (is_refused)
		return false;
	begun.count++;
	snprintf(begun.name, sizeof(begun.name), "%s", name);
	begun.cores = cores;
	begun.why = *why;
	known_find(name)->scale.is_at_work = true;
	return true;
}

char *sw_pollers(struct err *err)
{
	if (pollers == NULL)
		err_set(err, STATUS_MACHINE, "away");
	return pollers != NULL ? strdup(pollers) : NULL;
}

int domain_pin(struct domains *d, const char *name, int vcpu, const struct domain_cpus *cpus, struct err *err)
{
	(void)d;
	if (is_libvirt_away)
		return err_set(err, STATUS_MACHINE, "away");
	assert_true(pin_count < PINS_MAX);
	snprintf(pins[pin_count].name, sizeof(pins[pin_count].name), "%s", name);
	pins[pin_count].vcpu = vcpu;
	pins[pin_count++].cpus = cpus->bits[0];
	return 0;
}

/* Cores of the page: so many run, all with the same queue and load. */
static void say(unsigned running, unsigned frames, unsigned busy_percent)
{
	for (unsigned i = 0; i < web->guest.cores_max; i++) {
		struct ix_page_core *c = &web->cores[i];

		c->state = i < running ? IX_PAGE_CORE_RUNS : IX_PAGE_CORE_PARKED;
		c->value[IX_VALUE_DEPTH_FAST] = c->value[IX_VALUE_DEPTH_SLOW] = frames * 256ull;
		c->value[IX_VALUE_IDLE_FAST] = c->value[IX_VALUE_IDLE_SLOW] = 10000ull * (100 - busy_percent);
	}
	web->guest.cores = running;
}

static void set_groups(unsigned count, unsigned cores)
{
	struct ix_page_groups g = { .sequence = 2, .count = count };

	for (unsigned i = 0; i < count; i++)
		g.owner[i] = (uint8_t)(i % cores);
	assert_int_equal(pwrite(page_fd, &g, sizeof(g), GROUPS_AT), sizeof(g));
}

static int setup(void **state)
{
	struct err err = { 0 };

	(void)state;
	seen_now_ms = 1000000;
	memset(&begun, 0, sizeof(begun));
	is_refused = false;
	ixd.host.cores = 8;
	web = seen_guest("web", 4);
	page_fd = memfd_create("page", MFD_CLOEXEC);
	web->page = page_fresh(dup(page_fd), &err);
	assert_non_null(web->page);
	web->trust = PAGE_GOOD;
	web->guest.id[0] = 1;
	web->scale.is_auto = true;
	web->scale.cores_min = 1;
	web->scale.cores_max = 4;
	web->scale.priority = 50;
	web->scale.vcpus = web->scale.target = 1;
	web->scale.plugs_left = UINT32_MAX;
	web->domain.cpus = 1;
	set_groups(128, 1);
	elastic_init();
	return 0;
}

/* What cores say is the test's, not the page's. */
static unsigned sampled;

void sample_cores(struct known *k)
{
	sampled += k == web;
}

static int teardown(void **state)
{
	(void)state;
	close(page_fd);
	seen_end();
	return 0;
}

/* @n looks of 100 ms, with news of each core. */
static void look(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		seen_now_ms += 100;
		for (unsigned k = 0; k < 4; k++)
			web->cores[k].at_us += 100000;
		elastic_turn();
	}
}

static void test_grow_and_why(void **state)
{
	(void)state;
	say(1, 0, 40);
	look(5);
	assert_int_equal(begun.count, 0);
	say(1, 40, 100);
	look(2);
	assert_int_equal(begun.count, 0);
	look(1);
	assert_int_equal(begun.count, 1);
	assert_string_equal(begun.name, "web");
	assert_int_equal(begun.cores, 2);
	assert_int_equal(begun.why.by, SCALE_BY_POLICY);
	assert_string_equal(begun.why.signal, "queue");
	assert_int_equal(begun.why.value, 40 * 256);
	assert_int_equal(begun.why.threshold, 32 * 256);
	assert_int_equal(begun.why.held_ms, 200);
	assert_int_equal(web->elastic.total[POLICY_DEPTH], 1);
	/* Nothing more while it is done. */
	look(50);
	assert_int_equal(begun.count, 1);
	/* Done; and it is not enough. */
	web->scale.is_at_work = false;
	web->scale.vcpus = 2;
	set_groups(128, 2);
	say(2, 40, 100);
	look(3);
	assert_int_equal(begun.count, 2);
	assert_int_equal(begun.cores, 4);
}

/* It decides about what is so now, and not about what was so at somebody else's look. */
static void test_looks_itself(void **state)
{
	(void)state;
	sampled = 0;
	look(3);
	assert_int_equal(sampled, 3);
	web->scale.is_auto = false;
	look(3);
	assert_int_equal(sampled, 3);
}

static void test_who_is_left_alone(void **state)
{
	(void)state;
	say(1, 40, 100);
	web->scale.is_auto = false;
	look(30);
	web->scale.is_auto = true;
	web->health = HEALTH_DRAINING;
	look(30);
	web->health = HEALTH_READY;
	web->scale.is_open = true;
	look(30);
	web->scale.is_open = false;
	web->is_busy = true;
	look(30);
	web->is_busy = false;
	web->trust = PAGE_BAD;
	look(30);
	web->trust = PAGE_GOOD;
	web->guest.cores = 2; /* its cores say something else */
	look(30);
	say(2, 40, 100); /* more than there are vCPUs */
	look(30);
	web->domain.state = DOMAIN_OFF;
	look(30);
	assert_int_equal(begun.count, 0);
	web->domain.state = DOMAIN_RUNNING;
	say(1, 40, 100);
	look(4);
	assert_int_equal(begun.count, 1);
}

static void test_groups(void **state)
{
	(void)state;
	say(1, 40, 100);
	set_groups(1, 1); /* no other core could have any of it */
	look(50);
	assert_int_equal(begun.count, 0);
	set_groups(2, 1);
	look(5);
	assert_int_equal(begun.count, 1);
}

static void test_old_news(void **state)
{
	(void)state;
	say(1, 40, 100);
	for (unsigned i = 0; i < 50; i++) {
		seen_now_ms += 100;
		elastic_turn();
	}
	assert_int_equal(begun.count, 0);
}

static void test_failure(void **state)
{
	(void)state;
	say(1, 40, 100);
	look(5);
	assert_int_equal(begun.count, 1);
	web->scale.refused++;
	web->scale.is_at_work = false;
	look(40);
	assert_int_equal(begun.count, 1);
	assert_int_equal(web->elastic.now.held, POLICY_HELD_FAILED);
	look(20);
	assert_int_equal(begun.count, 2);
	/* Somebody else was quicker: that is no failure. */
	web->scale.is_at_work = false;
	look(1);
	is_refused = true;
	look(10);
	is_refused = false;
	look(10);
	assert_int_equal(begun.count, 3);
}

static void test_parks_then_unplugs(void **state)
{
	unsigned looks = 0;

	(void)state;
	ixd.host.is_kvm = true;
	elastic_init();
	web->scale.vcpus = web->domain.cpus = 4;
	set_groups(128, 4);
	say(4, 0, 2);
	look(25);
	assert_int_equal(begun.count, 1);
	assert_int_equal(begun.cores, 2);
	assert_true(begun.why.keeps_vcpus);
	assert_string_equal(begun.why.signal, "idle");
	web->scale.is_at_work = false;
	set_groups(128, 2);
	say(2, 0, 60);
	while (begun.count == 1 && looks++ < 1000)
		look(1);
	assert_int_equal(begun.count, 2);
	assert_int_equal(begun.cores, 2);
	assert_false(begun.why.keeps_vcpus);
	assert_string_equal(begun.why.signal, "parked");
	assert_in_range(looks, 580, 610);
}

/* An emulated QEMU that will not bear many more vCPUs: none is given back, and none is asked for beyond. */
static void test_few_plugs_left(void **state)
{
	(void)state;
	web->scale.vcpus = web->domain.cpus = 2;
	web->scale.plugs_left = 1;
	set_groups(128, 2);
	say(2, 500, 100);
	look(5);
	assert_int_equal(begun.cores, 3);
	web->scale.is_at_work = false;
	web->scale.vcpus = web->domain.cpus = 3;
	web->scale.plugs_left = 0;
	set_groups(128, 3);
	say(3, 500, 100);
	look(50);
	assert_int_equal(begun.count, 1);
	assert_int_equal(web->elastic.now.held, POLICY_HELD_CEILING);
	say(3, 0, 1);
	look(60);
	assert_int_equal(begun.count, 2);
	web->scale.is_at_work = false;
	set_groups(128, begun.cores);
	say(begun.cores, 0, 70);
	look(5000);
	assert_int_equal(begun.count, 2);
}

static void test_host_is_full(void **state)
{
	struct known *other = seen_guest("other", 2);

	(void)state;
	ixd.host.cores = 3;
	other->domain.cpus = 2; /* nothing is known of it but that */
	other->has_guest = false;
	say(1, 40, 100);
	look(30);
	assert_int_equal(begun.count, 0);
	assert_int_equal(web->elastic.now.held, POLICY_HELD_HOST);
	other->domain.state = DOMAIN_OFF;
	look(2);
	assert_int_equal(begun.count, 1);
}

static void test_began_anew(void **state)
{
	(void)state;
	say(1, 40, 100);
	look(5);
	web->scale.refused++;
	web->scale.is_at_work = false;
	look(1);
	web->guest.id[0] = 2; /* what the one before did is forgotten */
	look(5);
	assert_int_equal(begun.count, 2);
}

/* ---- CPUs ---- */

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_true(fprintf(f, "%s\n", text) > 0);
	assert_int_equal(fclose(f), 0);
}

static void make_tree(const char *online)
{
	static const char *const folders[] = { PATHS_ROOT, PATHS_ROOT "/sys", PATHS_ROOT "/sys/devices",
					       PATHS_ROOT "/sys/devices/system", PATHS_ROOT "/sys/devices/system/cpu" };

	for (unsigned i = 0; i < sizeof(folders) / sizeof(*folders); i++)
		mkdir(folders[i], 0755);
	put(PATHS_ROOT "/sys/devices/system/cpu/online", online);
}

/* All CPUs are ours, whatever machine this is. */
int sched_getaffinity(pid_t pid, size_t bytes, cpu_set_t *set)
{
	(void)pid;
	memset(set, 0xff, bytes);
	return 0;
}

static void test_pins(void **state)
{
	uint64_t seen = 0;

	(void)state;
	make_tree("0-7");
	pollers = "0x2";
	pin_count = 0;
	web->domain.cpus = 2;
	pin_init();
	pin_turn(0);
	assert_int_equal(pin_count, 3); /* two vCPUs, and all else */
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(pins[i].vcpu, i);
		assert_int_equal(__builtin_popcountll(pins[i].cpus), 1);
		assert_int_equal(pins[i].cpus & (seen | 0x3), 0); /* not the switch's, not everybody's */
		seen |= pins[i].cpus;
	}
	assert_int_equal(pins[2].vcpu, -1);
	assert_int_equal(pins[2].cpus, 0xff & ~seen & ~0x2ull);
	pin_turn(1);
	assert_int_equal(pin_count, 3);
	/* One comes: it alone, and what is left for the others; libvirt is away meanwhile. */
	web->domain.cpus = 3;
	is_libvirt_away = true;
	pin_turn(2);
	assert_int_equal(pin_count, 3);
	is_libvirt_away = false;
	pin_turn(3);
	assert_true(pin_count > 3);
	assert_int_equal(pins[pin_count - 1].vcpu, -1);
	assert_int_equal(pins[pin_count - 2].vcpu, 2);
	assert_int_equal(pins[pin_count - 2].cpus & seen, 0);
	/* A QEMU that is new has nothing of it. */
	pin_count = 0;
	web->domain.pid++;
	pin_turn(4);
	assert_int_equal(pin_count, 4);
	/* More vCPUs than CPUs: who finds none shares. */
	web->domain.cpus = 8;
	pin_count = 0;
	pin_turn(5);
	assert_int_equal(pins[pin_count - 2].cpus, 0xfc);
	ixd.host.cores = 0;
	assert_int_equal(elastic_cores(), 6);
	/* The database is away: what was known stays. */
	pollers = NULL;
	pin_turn(60);
	assert_int_equal(elastic_cores(), 6);
}

static void test_few_cpus_are_shared(void **state)
{
	(void)state;
	make_tree("0-3");
	pollers = "0x2";
	pin_count = 0;
	pin_init();
	pin_turn(0);
	pin_turn(1);
	assert_int_equal(pin_count, 0);
	ixd.host.cores = 0;
	assert_int_equal(elastic_cores(), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_grow_and_why, setup, teardown),
		cmocka_unit_test_setup_teardown(test_looks_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(test_who_is_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_groups, setup, teardown),
		cmocka_unit_test_setup_teardown(test_old_news, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failure, setup, teardown),
		cmocka_unit_test_setup_teardown(test_parks_then_unplugs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_few_plugs_left, setup, teardown),
		cmocka_unit_test_setup_teardown(test_host_is_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_began_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pins, setup, teardown),
		cmocka_unit_test_setup_teardown(test_few_cpus_are_shared, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
