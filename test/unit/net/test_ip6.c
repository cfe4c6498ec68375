/* SPDX-License-Identifier: MIT */
/* Received IPv6 packets: extension headers in order and out of it, random damage, and how addresses are written. */
#include <stdio.h>
#include <stdlib.h>
#include "kernel/base/ip6.h"
#include "kernel/net/checksum.h"
#include "kernel/net/core.h"
#include "kernel/net/ip6.h"
#include "kernel/net/neighbour.h"
#include "kernel/net/setup6.h"
#include "test/unit/net/world.h"

static uint64_t rng = 88172645463325252ull;

static uint32_t rnd(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)(rng >> 13);
}

static int begin(void **state)
{
	(void)state;
	world_begin(WORLD_IP6 | WORLD_GATEWAY6);
	world_listen(7, 1);
	return 0;
}

static int end(void **state)
{
	(void)state;
	world_end();
	return 0;
}

/* ---- extension headers ---- */
static uint8_t frame[1514];
static unsigned frame_bytes, last_next; /* where the number of the next header goes */

static void packet_begin(void)
{
	memset(frame, 0, sizeof(frame));
	memcpy(frame, "\2\0\0\0\0\1\2\0\0\0\0\11\x86\xdd\x60", 15);
	frame[21] = 64;
	world_ip6(frame + 22, PEER_ADDRESS);
	world_ip6(frame + 38, WORLD_ADDRESS);
	frame_bytes = 54;
	last_next = 20;
}

/* A header of @units * 8 bytes with @body behind its first two. */
static void add_header(uint8_t number, unsigned units, const void *body, unsigned body_bytes)
{
	frame[last_next] = number;
	last_next = frame_bytes;
	frame[frame_bytes + 1] = (uint8_t)(number == 44 ? 0 : units - 1);
	memcpy(frame + frame_bytes + 2, body, body_bytes);
	frame_bytes += units * 8;
}

/* An echo request as what all the headers stand before, or whatever @protocol is. */
static void packet_end(uint8_t protocol)
{
	unsigned at = frame_bytes, bytes = 16;
	uint16_t sum;

	frame[last_next] = protocol;
	frame[at] = 128;
	frame[at + 4] = 7;
	frame_bytes += bytes;
	frame[18] = (uint8_t)((frame_bytes - 54) >> 8);
	frame[19] = (uint8_t)(frame_bytes - 54);
	sum = (uint16_t)~checksum_fold((uint64_t)checksum_pseudo_ip6(frame + 14, 58, bytes) +
				       port_chksum(frame + at, (int)bytes));
	memcpy(frame + at + 2, &sum, 2);
}

/* What comes back: type and code of an ICMPv6 message, 0: nothing. */
static unsigned answer(void)
{
	unsigned before;

	world_pass(1);
	before = world.sent_count;
	world_receive(frame, frame_bytes);
	world_turn();
	world_turn();
	return world.sent_count == before ? 0 : world.sent[before].data[54] << 8 | world.sent[before].data[55];
}

#define PADDING "\1\4\0\0\0\0"
#define PROBLEM(code) (0x400u | (code))

static uint32_t pointer(void)
{
	const uint8_t *p = world.sent[world.sent_count - 1].data + 58;

	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void test_headers_are_walked(void **state)
{
	struct ip6_walk w;

	(void)state;
	packet_begin();
	packet_end(58);
	assert_int_equal(answer(), 0x8100);
	packet_begin(); /* the walk finds the end of a long chain, though echo is answered only without one */
	add_header(0, 1, PADDING, 6);
	add_header(60, 1, PADDING, 6);
	add_header(43, 1, "\0\0\0\0\0\0", 6);
	add_header(44, 1, "\0\0\0\0\0\5", 6); /* a whole packet as one fragment */
	add_header(60, 1, PADDING, 6);
	packet_end(6);
	assert_true(ip6_walk(frame + 14, frame_bytes - 14, &w));
	assert_int_equal(w.protocol, 6);
	assert_int_equal(w.at, 80);
	assert_int_equal(w.problem, 0);
}

static void test_what_is_not_understood(void **state)
{
	(void)state;
	packet_begin();
	packet_end(99);
	assert_int_equal(answer(), PROBLEM(1));
	assert_int_equal(pointer(), 6);
	packet_begin();
	add_header(60, 1, PADDING, 6);
	packet_end(50);
	assert_int_equal(answer(), PROBLEM(1));
	assert_int_equal(pointer(), 40);
	packet_begin();
	add_header(43, 1, "\0\1\0\0\0\0", 6); /* to be forwarded */
	packet_end(58);
	assert_int_equal(answer(), PROBLEM(0));
	assert_int_equal(pointer(), 42);
	packet_begin();
	add_header(60, 1, "\x85\1\0\1\1\0", 6); /* an option that nobody knows: whoever does not shall say so */
	packet_end(58);
	assert_int_equal(answer(), PROBLEM(2));
	assert_int_equal(pointer(), 42);
	packet_begin();
	add_header(60, 1, "\x45\1\0\1\1\0", 6); /* ... shall be silent */
	packet_end(58);
	assert_int_equal(answer(), 0);
	packet_begin();
	packet_end(59); /* nothing follows */
	assert_int_equal(answer(), 0);
}

static void test_chains_without_end(void **state)
{
	(void)state;
	packet_begin();
	for (unsigned i = 0; i < 9; i++) /* more than any real packet has */
		add_header(60, 1, PADDING, 6);
	packet_end(99);
	assert_int_equal(answer(), 0);
	packet_begin();
	for (unsigned i = 0; i < 4; i++) /* longer than any real one */
		add_header(43, 20, "\0\0", 2);
	packet_end(99);
	assert_int_equal(answer(), 0);
	packet_begin();
	add_header(60, 1, PADDING, 6);
	add_header(0, 1, PADDING, 6); /* hop-by-hop, not in the first place */
	packet_end(99);
	assert_int_equal(answer(), 0);
	packet_begin();
	add_header(60, 4, "\1\34", 2); /* 30 bytes of padding */
	packet_end(99);
	assert_int_equal(answer(), 0);
	packet_begin();
	add_header(44, 1, "\0\1\0\0\0\5", 6); /* a real fragment */
	packet_end(99);
	assert_int_equal(answer(), 0);
	packet_begin();
	add_header(44, 1, "\6\0\0\0\0\5", 6);
	packet_end(99);
	assert_int_equal(answer(), 0);
	packet_begin();
	add_header(60, 1, "\5\7\0\0\0\0", 6); /* an option longer than its header */
	packet_end(99);
	assert_int_equal(answer(), 0);
}

static void test_errors_are_few(void **state)
{
	unsigned before;

	(void)state;
	world_pass(1100);
	before = world.sent_count;
	for (unsigned i = 0; i < 1000; i++) {
		packet_begin();
		packet_end(99);
		world_receive(frame, frame_bytes);
		if (i % 100 == 0)
			world_turn();
	}
	world_turn();
	assert_in_range(world.sent_count - before, 50, 150);
}

/* Never is anything read beyond the packet (the sanitizers watch), and the service goes on. */
static void test_random_damage(void **state)
{
	struct peer p = { 0 };
	struct ip6_walk w;

	(void)state;
	for (unsigned round = 0; round < 60000; round++) {
		unsigned headers = rnd() % 6, bytes;
		uint8_t *exact;

		packet_begin();
		for (unsigned i = 0; i < headers; i++)
			add_header((uint8_t[]){ 0, 60, 43, 44, 60, 58 }[rnd() % 6], 1 + rnd() % 3, PADDING, 6);
		packet_end((uint8_t[]){ 6, 17, 58, 99 }[rnd() % 4]);
		for (unsigned i = rnd() % 8; i; i--)
			frame[14 + rnd() % (frame_bytes - 14)] = (uint8_t)rnd();
		bytes = rnd() % 3 ? frame_bytes : 54 + rnd() % (frame_bytes - 53);
		exact = malloc(bytes - 14);
		memcpy(exact, frame + 14, bytes - 14);
		if (ip6_walk(exact, bytes - 14, &w) && !w.problem)
			assert_true(w.at <= bytes - 14);
		free(exact);
		world_receive(frame, bytes);
		if (round % 64 == 0) {
			world_pass(1);
			world.sent_count = world.taken = 0;
		}
	}
	world_pass(5);
	world.sent_count = world.taken = 0;
	peer_open(&p, 7, 5);
}

static void test_impossible_addresses(void **state)
{
	static const uint8_t impossible[][16] = {
		{ 0 },
		{ [15] = 1 },
		{ 0xff, 2, [15] = 1 },
		{ [10] = 0xff, [11] = 0xff, [12] = 10, [15] = 2 }, /* an IPv4 address: ring 3 would take it for one */
	};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		packet_begin();
		memcpy(frame + 22, impossible[i], 16);
		packet_end(58);
		assert_int_equal(answer(), 0);
	}
	packet_begin();
	world_ip6(frame + 22, WORLD_ADDRESS); /* ourselves */
	packet_end(58);
	assert_int_equal(answer(), 0);
	packet_begin();
	frame[53] ^= 4; /* not to us */
	packet_end(58);
	assert_int_equal(answer(), 0);
}

/* ---- as people write them ---- */
static void test_text(void **state)
{
	static const struct {
		const char *in, *out; /* NULL: no address */
	} cases[] = {
		{ "::", "::" },
		{ "::1", "::1" },
		{ "1::", "1::" },
		{ "2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1" }, /* the first of equals [RFC 5952 4.2.3] */
		{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
		{ "1:0:0:2::3", "1:0:0:2::3" },
		{ "fe80::0123:0:0:1/64", "fe80::123:0:0:1" },
		{ "0:0:0:0:0:0:0:0", "::" },
		{ "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8" },
		{ "1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0" },
		{ "1:2:3:4:5:6:7", NULL },
		{ "1:2:3:4:5:6:7:8:9", NULL },
		{ "1:2:3:4::5:6:7:8", NULL },
		{ "1::2::3", NULL },
		{ ":1:2:3:4:5:6:7", NULL },
		{ "1:2:3:4:5:6:7:", NULL },
		{ "12345::", NULL },
		{ "1:::2", NULL },
		{ "g::", NULL },
		{ "", NULL },
		{ ":", NULL },
		{ "::ffff:1.2.3.4", NULL },
	};
	char text[IP6_TEXT_BYTES];
	const char *rest;
	struct ip6 a, b;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool is_good = ip6_parse(cases[i].in, &a, &rest);

		if (is_good != !!cases[i].out)
			print_error("%s\n", cases[i].in);
		assert_int_equal(is_good, !!cases[i].out);
		if (!is_good)
			continue;
		ip6_text(text, &a);
		assert_string_equal(text, cases[i].out);
	}
	for (unsigned round = 0; round < 20000; round++) {
		for (unsigned i = 0; i < 8; i++)
			((uint16_t *)&a)[i] = rnd() % 3 ? 0 : (uint16_t)rnd();
		ip6_text(text, &a);
		assert_true(ip6_parse(text, &b, &rest) && !*rest);
		assert_memory_equal(&a, &b, sizeof(a));
	}
}

/* A router that withdraws the prefix that the manifest gives. */
static void test_the_manifests_prefix_stays(void **state)
{
	struct ip6 ours = world.conf.address6, neighbour = ours, hop;

	(void)state;
	neighbour.words[3] ^= be32(0xff);
	setup6_prefix(&ours, 64, 0);
	setup6_prefix(&ours, 64, 1);
	world_pass(3000);
	assert_int_equal(net_self.ip6.prefix_count, 1);
	assert_true(neighbour_next_hop(&neighbour, &hop));
	assert_true(ip6_is_equal(&neighbour, &hop));
}

/* An advertisement, from the address of the manifest's gateway, that it is no router any more. */
static void test_the_manifests_gateway_stays(void **state)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 9 };
	struct ip6 gateway = world.conf.gateway6;

	(void)state;
	for (unsigned tries = 0; tries < 3; tries++) { /* the first one only says which Ethernet address it has */
		setup6_router(&gateway, mac, tries < 2);
		world_pass(100);
	}
	world_pass(3000);
	assert_true(ip6_is_equal(&net_self.ip6.router, &gateway));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_headers_are_walked),
		TEST(test_what_is_not_understood),
		TEST(test_chains_without_end),
		TEST(test_errors_are_few),
		TEST(test_random_damage),
		TEST(test_impossible_addresses),
		TEST(test_the_manifests_prefix_stays),
		TEST(test_the_manifests_gateway_stays),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
