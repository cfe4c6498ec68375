/* SPDX-License-Identifier: MIT */
/* Which address a guest gets that asks a DHCP server: every refusal, who loses what to whom, what is told, and what is done again. */
#include "hostctl/ixd/ixd.h"
#include "hostctl/ixd/lease.h"
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define GIVEN "10.77.3.4"
#define OTHER "10.77.3.5"

struct ixd ixd = { .lock = PTHREAD_MUTEX_INITIALIZER };
static struct sw_states *ports; /* as they were at the look */
static uint8_t database[2][4];  /* addresses of the same */
static struct known *web, *db;
static int64_t clock_ms;
static char told[2048]; /* events, one a line */
static unsigned published;
static int fails_port, fails_publish; /* so many times */
static const char *record_of, *record_address;
static bool has_interfaces;

static void parse(const char *text, uint8_t address[4])
{
	unsigned a[4] = { 0 };

	sscanf(text, "%u.%u.%u.%u", &a[0], &a[1], &a[2], &a[3]);
	for (unsigned i = 0; i < 4; i++)
		address[i] = (uint8_t)a[i];
}

/* ---- what lease.c asks and tells ---- */
int64_t now_ms(void)
{
	return clock_ms;
}

struct known *known_find(const char *name)
{
	for (unsigned i = 0; i < ixd.guest_count; i++)
		if (strcmp(ixd.guests[i]->name, name) == 0)
			return ixd.guests[i];
	return NULL;
}

void event_note(const char *guest, const char *event, json_t *detail)
{
	char *text = json_dumps(detail, JSON_SORT_KEYS);
	size_t at = strlen(told);

	snprintf(told + at, sizeof(told) - at, "%s %s %s\n", guest, event, text);
	free(text);
	json_decref(detail);
}

int sw_port_address(const char *guest, const uint8_t address[4], struct err *err)
{
	for (unsigned i = 0; i < ports->count; i++)
		if (strcmp(ports->guest[i].name, guest) == 0)
			memcpy(database[i], address, 4);
	if (fails_port > 0 && fails_port--)
		return err_set(err, STATUS_MACHINE, "the database has it, and the flows failed");
	return 0;
}

int deploy_publish(struct err *err)
{
	if (fails_publish > 0 && fails_publish--)
		return err_set(err, STATUS_MACHINE, "nft is busy");
	published++;
	return 0;
}

const struct sw_state *sw_states_of(const struct sw_states *states, const char *guest)
{
	static const struct sw_state none = { .number = -1 };

	for (unsigned i = 0; i < states->count; i++)
		if (strcmp(states->guest[i].name, guest) == 0)
			return &states->guest[i].state;
	return &none;
}

int guest_list(json_t **out, struct err *err)
{
	if (record_of == NULL)
		return err_set(err, STATUS_MACHINE, "the disk is gone");
	*out = json_pack("[s,s]", "web", record_of);
	return 0;
}

int guest_load(struct guest *out, const char *name, struct err *err)
{
	(void)err;
	memset(out, 0, sizeof(*out));
	if (strcmp(name, record_of) == 0 && record_address != NULL) {
		parse(record_address, out->address);
		out->prefix = 16;
	}
	return 0;
}

void guest_fini(struct guest *g)
{
	(void)g;
}

int getifaddrs(struct ifaddrs **all)
{
	static struct sockaddr_in address = { .sin_family = AF_INET }, mask = { .sin_family = AF_INET };
	static struct ifaddrs nothing, one;

	address.sin_addr.s_addr = htonl(0xc0a80109); /* 192.168.1.9/24 */
	mask.sin_addr.s_addr = htonl(0xffffff00);
	one = (struct ifaddrs){ .ifa_addr = (struct sockaddr *)&address, .ifa_netmask = (struct sockaddr *)&mask };
	nothing = (struct ifaddrs){ .ifa_next = &one }; /* an interface without an address */
	*all = &nothing;
	return has_interfaces ? 0 : -1;
}

void freeifaddrs(struct ifaddrs *all)
{
	(void)all;
}

/* ---- the scene: web and db both ask, and have nothing ---- */
static struct known *add(unsigned i, const char *name)
{
	struct known *k = calloc(1, sizeof(*k));

	assert_non_null(k);
	snprintf(k->name, sizeof(k->name), "%s", name);
	k->has_guest = true;
	k->trust = PAGE_GOOD;
	snprintf(ports->guest[i].name, sizeof(ports->guest[i].name), "%s", name);
	ports->guest[i].state = (struct sw_state){ .is_there = true, .is_dhcp = true, .number = 2 + (int)i };
	ixd.guests[ixd.guest_count++] = k;
	return k;
}

static int setup(void **state)
{
	(void)state;
	ports = calloc(1, sizeof(*ports) + 2 * sizeof(ports->guest[0]));
	assert_non_null(ports);
	ports->count = 2;
	web = add(0, "web");
	db = add(1, "db");
	parse("10.77.0.1", ixd.host.address);
	memset(database, 0, sizeof(database));
	clock_ms = 1000000;
	told[0] = '\0';
	published = 0;
	fails_port = fails_publish = 0;
	record_of = "static";
	record_address = "10.77.0.5";
	has_interfaces = true;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(web);
	free(db);
	ixd.guest_count = 0;
	free(ports);
	return 0;
}

static void offer(unsigned guest, const char *address)
{
	struct sw_state *port = &ports->guest[guest].state;

	parse(address, port->offered[port->offered_count++]);
}

static void says(struct known *k, const char *address)
{
	parse(address, k->guest.address);
}

static void look(void)
{
	clock_ms += 1000;
	for (unsigned i = 0; i < 2; i++)
		memcpy(ports->guest[i].state.address, database[i], 4);
	lease_look("web", ports);
	lease_look("db", ports);
}

static void has(unsigned guest, const char *address)
{
	uint8_t wanted[4];

	parse(address, wanted);
	assert_memory_equal(database[guest], wanted, 4);
}

static void was_told(const char *text)
{
	assert_string_equal(told, text);
	told[0] = '\0';
}

/* ---- tests ---- */
static void test_given_and_lost(void **state)
{
	(void)state;
	look();
	was_told("");
	offer(0, GIVEN);
	look();
	has(0, "0.0.0.0"); /* an offer that it did not take */
	says(web, GIVEN);
	look();
	has(0, GIVEN);
	was_told("web address {\"address\": \"" GIVEN "\"}\n");
	assert_int_equal(published, 1);
	ports->guest[0].state.offered_count = 0; /* ten minutes later it is its all the same */
	for (unsigned i = 0; i < 5; i++)
		look();
	was_told("");
	says(web, "0.0.0.0");
	look();
	has(0, GIVEN); /* its page may be older than what we know of its port */
	look();
	has(0, "0.0.0.0");
	was_told("web address-lost {\"address\": \"" GIVEN "\"}\n");
	assert_int_equal(published, 2);
}

/* Refused, said once, and nothing is let through. */
static void is_refused(const char *address, const char *why)
{
	char text[128];

	says(web, address);
	look();
	was_told(""); /* it may have been given it a moment ago */
	look();
	snprintf(text, sizeof(text), "web address-refused {\"address\": \"%s\", \"why\": \"%s\"}\n", address, why);
	was_told(text);
	has(0, "0.0.0.0");
	for (unsigned i = 0; i < 5; i++)
		look();
	was_told("");
	says(web, "0.0.0.0");
	look();
}

static void test_refusals(void **state)
{
	static const char *const no_host[] = { "0.0.0.9", "127.0.0.1", "224.0.0.9", "255.255.255.255" };
	static const char *const of_host[] = { "10.77.0.1", "192.168.1.9", "192.168.1.0", "192.168.1.255" };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		ports->guest[0].state.offered_count = 0;
		offer(0, no_host[i]);
		is_refused(no_host[i], "no host can have it");
		offer(0, of_host[i]);
		is_refused(of_host[i], "it is the host's");
	}
	is_refused(GIVEN, "no DHCP server gave it");
	offer(0, "10.77.0.5");
	is_refused("10.77.0.5", "it is another guest's");
	offer(0, "192.168.1.8");
	says(web, "192.168.1.8"); /* of the same network, and nobody's */
	look();
	has(0, "192.168.1.8");
	assert_int_equal(published, 1);
}

/* Where it cannot be known whose an address is, nobody gets it. */
static void test_unknown(void **state)
{
	(void)state;
	offer(0, GIVEN);
	has_interfaces = false;
	is_refused(GIVEN, "it is the host's");
	has_interfaces = true;
	record_of = NULL;
	is_refused(GIVEN, "it is another guest's");
	record_of = "static";
	record_address = NULL; /* a guest whose record says no address */
	says(web, GIVEN);
	look();
	has(0, GIVEN);
}

/* Two lies in turn: an event every other second at most, however often it changes its mind. */
static void test_lies_are_counted(void **state)
{
	unsigned events = 0;

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		says(web, i % 4 < 2 ? GIVEN : OTHER);
		clock_ms += 100;
		lease_look("web", ports);
	}
	for (const char *at = told; (at = strstr(at, "address-refused")) != NULL; at++)
		events++;
	assert_in_range(events, 1, 3);
}

/* The server's word decides between two: who was given it and not again by the time that another was, loses it. */
static void test_from_one_to_another(void **state)
{
	(void)state;
	offer(0, GIVEN);
	says(web, GIVEN);
	look();
	offer(1, GIVEN);
	says(db, GIVEN);
	told[0] = '\0';
	look();
	look();
	was_told("db address-refused {\"address\": \"" GIVEN "\", \"why\": \"another guest has it\"}\n");
	has(0, GIVEN);
	has(1, "0.0.0.0");
	ports->guest[0].state.offered_count = 0;
	look();
	has(0, "0.0.0.0");
	has(1, GIVEN);
	assert_non_null(strstr(told, "web address-lost {\"address\": \"" GIVEN "\"}\n"));
	assert_non_null(strstr(told, "db address {\"address\": \"" GIVEN "\"}\n"));
	told[0] = '\0';
	look();
	look();
	has(0, "0.0.0.0");
	has(1, GIVEN);
	was_told("web address-refused {\"address\": \"" GIVEN "\", \"why\": \"no DHCP server gave it\"}\n");
	/* A port whose address is a record's gives way to nobody. */
	ports->guest[1].state.is_dhcp = false;
	ports->guest[1].state.offered_count = 0;
	offer(0, GIVEN);
	look();
	look();
	has(0, "0.0.0.0");
}

/* What a guest says whose page cannot be believed, which is no guest, or whose address is not by DHCP. */
static void test_passed_over(void **state)
{
	(void)state;
	offer(0, GIVEN);
	says(web, GIVEN);
	web->trust = PAGE_BAD;
	look();
	web->trust = PAGE_GOOD;
	web->has_guest = false;
	look();
	web->has_guest = true;
	ports->guest[0].state.is_dhcp = false;
	look();
	ports->guest[0].state.is_dhcp = true;
	lease_look("nobody", ports);
	was_told("");
	has(0, "0.0.0.0");
	/* A guest that is started anew says nothing yet, and keeps what it has. */
	look();
	has(0, GIVEN);
	web->is_busy = true;
	says(web, "0.0.0.0");
	look();
	look();
	has(0, GIVEN);
}

/* Flows that failed although the database has the address by then, and published ports that did: done again until they are so. */
static void test_done_again(void **state)
{
	(void)state;
	offer(0, GIVEN);
	says(web, GIVEN);
	fails_port = 2;
	fails_publish = 1;
	look();
	has(0, GIVEN);
	was_told("");
	look();
	was_told("");
	look(); /* the flows are there, nft fails */
	assert_int_equal(published, 0);
	look();
	assert_int_equal(published, 1);
	was_told("web address {\"address\": \"" GIVEN "\"}\n");
	look();
	assert_int_equal(published, 1);
	fails_publish = 1;
	says(web, "0.0.0.0");
	look();
	look();
	look();
	was_told("web address-lost {\"address\": \"" GIVEN "\"}\n");
	assert_int_equal(published, 2);
	has(0, "0.0.0.0");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_given_and_lost),
		TEST(test_refusals),
		TEST(test_unknown),
		TEST(test_lies_are_counted),
		TEST(test_from_one_to_another),
		TEST(test_passed_over),
		TEST(test_done_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
