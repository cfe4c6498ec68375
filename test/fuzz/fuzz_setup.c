/* SPDX-License-Identifier: MIT */
/*
 * A core that has no address, and what routers, neighbours and servers say to it: the input is a row of messages of neighbour
 * discovery and MLD, answers of DHCP and DHCPv6 that fit what was asked last (so that few bytes reach far), and time. Options are
 * the input's. What is believed is within bounds, nothing is left allocated, and the core still answers.
 */
#include "kernel/base/bytes.h"
#include "kernel/net/checksum.h"
#include "kernel/net/core.h"
#include "test/fuzz/fuzz.h"
#include "test/unit/net/world.h"

#define STEPS_MAX 64u
#define OPTIONS_MAX 600u
#define IP6_AT 14u
#define IP6_L4_AT 54u
#define DHCP_BYTES 240u /* of a message, with the cookie, without options */
#define DHCP6_HEADED 18u

enum step { STEP_ICMP6, STEP_DHCP6, STEP_DHCP4, STEP_TIME, STEPS };

static uint8_t frame[IP6_L4_AT + 8 + DHCP_BYTES + OPTIONS_MAX];
static uint8_t asked4[8], asked6[DHCP6_HEADED]; /* how the last request of each kind begins */

/* What we have asked for, and how. */
static void hear(void)
{
	for (unsigned i = 0; i < world.sent_count; i++) {
		const struct sent *s = &world.sent[i];

		if (s->data[12] == 8 && s->data[23] == 17 && s->data[37] == 67)
			memcpy(asked4, s->data + 42, sizeof(asked4));
		if (s->data[12] == 0x86 && s->data[20] == 17 && s->data[56] == 2 && s->data[57] == 0x23)
			memcpy(asked6, s->data + 62, sizeof(asked6));
	}
	world.sent_count = world.taken = 0;
}

static void turn(void)
{
	world_turn();
	hear();
}

/* The input's next bytes: one, or two where it says so, how many. */
static unsigned body(struct feed *f, uint8_t *out)
{
	unsigned n = feed_u8(f);

	if (n == 255)
		n += feed_u16(f) % (OPTIONS_MAX - 254);
	return (unsigned)feed_take(f, out, n);
}

static void put_half(uint8_t *at, unsigned v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

/* @bytes behind an IPv6 header of a router on the link, @which in its address; @sum_at: of the checksum, in the message. */
static void send6(uint8_t which, unsigned protocol, unsigned bytes, unsigned sum_at)
{
	static const uint8_t start[] = { 0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 0x86, 0xdd, 0x60 };
	uint8_t *ip = frame + IP6_AT;
	uint16_t sum = 0;

	memset(frame, 0, IP6_L4_AT);
	memcpy(frame, start, sizeof(start));
	frame[11] = which & 0x10 ? 0x66 : 9; /* somebody else's card */
	put_half(ip + 4, bytes);
	ip[6] = (uint8_t)protocol;
	ip[7] = which & 0x20 ? 64 : 255;
	if (!(which & 0x40)) {
		memcpy(ip + 8, "\xfe\x80", 2);
		ip[23] = 1 + (which & 3u);
	}
	if (which & 0x80)
		memcpy(ip + 24, net_self.ip6.addresses, 16);
	else
		memcpy(ip + 24, "\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	memcpy(frame + IP6_L4_AT + sum_at, &sum, sizeof(sum));
	sum = (uint16_t)~checksum_fold((uint64_t)checksum_pseudo_ip6(ip, (uint8_t)protocol, bytes) +
				       port_chksum(frame + IP6_L4_AT, (int)bytes));
	memcpy(frame + IP6_L4_AT + sum_at, &sum, sizeof(sum));
	world_receive(frame, IP6_L4_AT + bytes);
}

/* [type, what follows the checksum]; six in eight are neighbour discovery's five types and MLD's query. */
static void icmp6(struct feed *f)
{
	static const uint8_t types[] = { 134, 134, 136, 135, 137, 133, 130 };
	uint8_t which = feed_u8(f), type = feed_u8(f);
	unsigned bytes;

	memset(frame, 0, sizeof(frame));
	bytes = body(f, frame + IP6_L4_AT + 4);
	frame[IP6_L4_AT] = type < sizeof(types) ? types[type] : type;
	send6(which, 58, 4 + bytes, 2);
}

/* [type, options]: to what was asked last, with our name, unless bit 3 of @which says otherwise. */
static void dhcp6(struct feed *f)
{
	uint8_t which = feed_u8(f), type = feed_u8(f);
	uint8_t *udp = frame + IP6_L4_AT;
	unsigned head = which & 8 ? 4 : DHCP6_HEADED, bytes;

	memset(frame, 0, sizeof(frame));
	bytes = head + body(f, udp + 8 + head);
	memcpy(udp, "\2\x23\2\x22", 4);
	put_half(udp + 4, 8 + bytes);
	memcpy(udp + 8, asked6, head);
	udp[8] = type < 2 ? (uint8_t)(type ? 7 : 2) : type; /* a reply, an advertisement */
	send6(which, 17, 8 + bytes, 6);
}

/* [address and server's, options]. */
static void dhcp4(struct feed *f)
{
	static const uint8_t start[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0,  9,
					 8,    0,    0x45, 0,    0,    0,    0, 0, 0, 0, 64, 17 };
	uint8_t *ip = frame + 14, *dhcp = frame + 42;
	uint8_t which = feed_u8(f);
	unsigned bytes;
	uint16_t sum;

	memset(frame, 0, sizeof(frame));
	memcpy(frame, start, sizeof(start));
	feed_take(f, dhcp + 16, 8); /* yiaddr, siaddr */
	bytes = DHCP_BYTES + body(f, dhcp + DHCP_BYTES);
	put_half(ip + 2, 28 + bytes);
	memcpy(ip + 12, "\x0a\0\0\2\xff\xff\xff\xff", 8);
	memcpy(frame + 34, "\0\x43\0\x44", 4);
	put_half(frame + 38, 8 + bytes);
	memcpy(dhcp, "\2\1\6", 3);
	if (!(which & 1))
		memcpy(dhcp + 4, asked4 + 4, 4);
	memcpy(dhcp + 28, world_nic.mac, 6);
	memcpy(dhcp + 236, "\x63\x82\x53\x63", 4);
	sum = (uint16_t)~port_chksum(ip, 20);
	memcpy(ip + 10, &sum, 2);
	world.pieces = which & 2 ? 64 : 0;
	world_receive(frame, 42 + bytes);
	world.pieces = 0;
}

static void step(struct feed *f)
{
	uint8_t what = feed_u8(f);

	switch (what % STEPS) {
	case STEP_ICMP6:
		icmp6(f);
		break;
	case STEP_DHCP6:
		dhcp6(f);
		break;
	case STEP_DHCP4:
		dhcp4(f);
		break;
	default:
		world.now_us += feed_u16(f) * (what & 0x80 ? 1000000ull : 1000ull);
		break;
	}
	turn();
	FUZZ_CHECK(net_self.ip6.address_count <= ARRAY_COUNT(net_self.ip6.addresses));
}

/* To our link-local address, which is never given up. */
static void expect_answer(void)
{
	uint8_t *message = frame + IP6_L4_AT;
	bool is_answered = false;

	memset(frame, 0, sizeof(frame));
	memcpy(message, "\x80\0\0\0\0\1\0\1data", 12);
	send6(0x80, 58, 12, 2);
	for (unsigned ms = 0; ms < 3000 && !is_answered; ms++) {
		world_pass(1);
		for (unsigned i = 0; i < world.sent_count; i++)
			is_answered |= world.sent[i].data[20] == 58 && world.sent[i].data[54] == 129;
		hear();
	}
	FUZZ_CHECK(is_answered);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes)
{
	struct feed f = { input, input + bytes };

	world_begin(2 | WORLD_IP6 | WORLD_SLAAC | WORLD_DHCP);
	for (unsigned s = 0; s < 8; s++) { /* so that it asks: for a router, for addresses */
		world.now_us += 1000000;
		turn();
	}
	for (unsigned i = 0; i < STEPS_MAX && feed_left(&f); i++)
		step(&f);
	expect_answer();
	world_end();
	return 0;
}
