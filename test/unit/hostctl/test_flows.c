/* SPDX-License-Identifier: MIT */
/* The flow table: what is let through from whom to whom, and what is not. That OVS takes it and obeys is system.host's. */
#include "hostctl/sw/flows.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define WEB "02:49:58:00:00:02"
#define DB "02:49:58:00:00:03"
#define HOST "02:00:00:00:00:01"

static struct ovs_ports *ports;
static char *flows;

static struct ovs_port *add_port(int32_t number, const char *name, const char *guest)
{
	struct ovs_port *p = &ports->port[ports->count++];

	p->number = number;
	snprintf(p->name, sizeof(p->name), "%s", name);
	snprintf(p->guest, sizeof(p->guest), "%s", guest);
	memcpy(p->mac, *guest ? (uint8_t[]){ 2, 0x49, 0x58, 0, 0, (uint8_t)number } : (uint8_t[]){ 2, 0, 0, 0, 0, 1 },
	       6);
	if (*guest)
		memcpy(p->address, (uint8_t[]){ 10, 77, 0, (uint8_t)number }, 4);
	return p;
}

static void allow(struct ovs_port *p, const char *guest)
{
	snprintf(p->allow[p->allow_count++], sizeof(p->allow[0]), "%s", guest);
}

static int setup(void **state)
{
	(void)state;
	ports = calloc(1, sizeof(*ports) + 8 * sizeof(ports->port[0]));
	add_port(1, SW_HOST_PORT, "");
	add_port(2, "ix02", "web");
	add_port(3, "ix03", "db");
	return ports ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	free(ports);
	free(flows);
	flows = NULL;
	return 0;
}

/* Whether one line has all of the words, which end with NULL. */
static bool has(const char *first, ...)
{
	bool is_found = false;

	for (const char *line = flows; *line && !is_found; line = strchr(line, '\n') + 1) {
		char *text = strndup(line, strcspn(line, "\n"));
		va_list words;

		is_found = strstr(text, first) != NULL;
		va_start(words, first);
		for (const char *w = va_arg(words, const char *); w && is_found; w = va_arg(words, const char *))
			is_found = strstr(text, w) != NULL;
		va_end(words);
		free(text);
	}
	return is_found;
}

static void test_sources(void **state)
{
	(void)state;
	flows = flows_write(ports);
	assert_true(has("in_port=2,dl_src=" WEB ",ip,nw_src=10.77.0.2,actions=goto_table:1", NULL));
	assert_true(has("in_port=2,dl_src=" WEB ",arp,arp_spa=10.77.0.2,arp_sha=" WEB, "goto_table", NULL));
	assert_true(has("table=4", "cookie=0x4958000100000002,in_port=2,actions=drop", NULL));
	assert_true(has("in_port=2,dl_src=" WEB ",icmp6", "ipv6_src=::49:58ff:fe00:2/", "nd_tll=" WEB, NULL));
	/* A guest is no router, and no DHCP server. */
	assert_true(has("table=0", "icmp_type=134,actions=goto_table:4", NULL));
	assert_true(has("table=0", "udp,tp_src=67,actions=goto_table:4", NULL));
	assert_false(has("in_port=2", "tp_dst=67", NULL));
}

static void test_without_an_address(void **state)
{
	(void)state;
	memset(ports->port[1].address, 0, 4);
	ports->port[1].is_dhcp = true;
	flows = flows_write(ports);
	assert_true(has("in_port=2", "nw_src=0.0.0.0,tp_src=68,tp_dst=67", NULL));
	assert_false(has("in_port=2", ",ip,nw_src=", NULL));
}

static void test_guests_are_apart(void **state)
{
	(void)state;
	flows = flows_write(ports);
	assert_true(has("table=1,priority=55,dl_dst=" DB ",actions=goto_table:2", NULL));
	assert_true(has("table=2", "cookie=0x4958000200000002,in_port=2,actions=drop", NULL));
	assert_false(has("in_port=2,dl_dst=" DB, NULL));
	assert_true(has("in_port=2,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00,actions=meter:2,output:1", NULL));
	assert_false(has("in_port=2,dl_dst=01:00", "output:3", NULL));
	assert_true(has("in_port=2,dl_dst=" HOST ",actions=output:1", NULL));
	assert_true(has("priority=30,dl_dst=" WEB ",actions=output:2", NULL));
}

/* One of them alone cannot open the way. */
static void test_both_must_allow(void **state)
{
	(void)state;
	allow(&ports->port[1], "db");
	flows = flows_write(ports);
	assert_false(has("in_port=2,dl_dst=" DB, NULL));
	assert_false(has("in_port=3,dl_dst=" WEB, NULL));
	free(flows);
	allow(&ports->port[2], "web");
	flows = flows_write(ports);
	assert_true(has("in_port=2,dl_dst=" DB ",actions=output:3", NULL));
	assert_true(has("in_port=3,dl_dst=" WEB ",actions=output:2", NULL));
	assert_true(has("in_port=2,dl_dst=01:00", "output:3", NULL));
}

/* Beside those of its interface id it has the one it was given. */
static void test_given_ip6(void **state)
{
	(void)state;
	flows = flows_write(ports);
	assert_false(has("fd07::abc", NULL));
	free(flows);
	memcpy(ports->port[1].address6, (uint8_t[]){ 0xfd, 7, [14] = 0x0a, [15] = 0xbc }, 16);
	flows = flows_write(ports);
	assert_true(has("in_port=2", "icmp_type=136", "nd_target=fd07::abc", "nd_tll=" WEB, NULL));
	assert_true(has("table=1", "ipv6_dst=fd07::abc,actions=goto_table:2", NULL));
}

/* With a port to the world, what is not the host's goes there; and the world's frames never go back to the world. */
static void test_world(void **state)
{
	(void)state;
	add_port(9, "eth0", "");
	flows = flows_write(ports);
	assert_true(has("priority=40,in_port=2,actions=output:9", NULL));
	assert_true(has("priority=10,in_port=1,actions=output:9", NULL));
	assert_true(has("table=0", "in_port=9,actions=goto_table:3", NULL));
	assert_false(has("in_port=9,actions=output", NULL));
}

/* A port whose ids cannot be believed has no flows: nothing passes. */
static void test_unknown_port(void **state)
{
	(void)state;
	ports->port[1].number = -1;
	flows = flows_write(ports);
	assert_false(has("in_port=2", NULL));
	assert_false(has("output:-1", NULL));
	assert_false(has(WEB, NULL));
	assert_true(has("table=4,priority=0,", "actions=drop", NULL));
}

static unsigned lines_of(const char *text)
{
	unsigned count = 0;

	for (; *text != '\0'; text++)
		count += *text == '\n';
	return count;
}

/* The table is read once a second and made anew for each change: it grows with guests, not with pairs of them. */
static void test_size(void **state)
{
	unsigned few, many;

	(void)state;
	flows = flows_write(ports);
	few = lines_of(flows);
	free(flows);
	for (int32_t i = 4; i < 8; i++)
		add_port(i, "ix", "more");
	flows = flows_write(ports);
	many = lines_of(flows);
	assert_int_equal((many - few) % 4, 0);
	assert_true((many - few) / 4 < 24);
}

static void change(const char *diff, const char *wanted)
{
	char *text = flows_change(diff, ports);

	assert_string_equal(text, wanted);
	free(text);
}

/* As diff-flows says it: table 0 is not named, and of what goes only the match is asked for. */
static void test_change(void **state)
{
	(void)state;
	change("", "");
	change("\n", "");
	change("+table=1 priority=40,in_port=2 actions=output:9\n-table=1 priority=40,in_port=2 actions=output:1\n",
	       "delete_strict table=1,priority=40,in_port=2\nadd table=1 priority=40,in_port=2 actions=output:9\n");
	change("-priority=92,ipv6,nw_frag=yes actions=goto_table:4\n"
	       "-table=4 priority=50,in_port=2 cookie=0x4958000100000002 actions=drop",
	       "delete_strict table=0,priority=92,ipv6,nw_frag=yes\ndelete_strict table=4,priority=50,in_port=2\n");
	change("-table=3  actions=drop\n-table=9\n-\n",
	       "delete_strict table=3,\ndelete_strict table=9,\ndelete_strict table=0,\n");
	change("+priority=200,in_port=9 actions=goto_table:3\nand more words\n",
	       "add priority=200,in_port=9 actions=goto_table:3\n");
}

/* What the switch has learnt of a guest that asks for its address stays; of ports that are others' by now it does not. */
static void test_offers_stay(void **state)
{
	static const char learnt[] =
		"-table=5 ip,in_port=3,nw_src=10.77.3.4 cookie=0x4958000300000003 hard_timeout=600 actions=drop\n";
	static const char gone[] = "delete_strict table=5,ip,in_port=3,nw_src=10.77.3.4\n";

	(void)state;
	change(learnt, gone);
	ports->port[2].is_dhcp = true;
	change(learnt, "");
	ports->port[2].number = -1;
	change(learnt, gone);
	change("-table=4 ip,in_port=3 actions=drop\n-table=5 ip actions=drop\n+table=5 ip,in_port=3 actions=drop\n",
	       "delete_strict table=4,ip,in_port=3\ndelete_strict table=5,ip\nadd table=5 ip,in_port=3 actions=drop\n");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_sources),          TEST(test_without_an_address),
		TEST(test_guests_are_apart), TEST(test_both_must_allow),
		TEST(test_given_ip6),        TEST(test_world),
		TEST(test_unknown_port),     TEST(test_size),
		TEST(test_change),           TEST(test_offers_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
