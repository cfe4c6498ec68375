/* SPDX-License-Identifier: MIT */
/* Addresses and routers by router advertisement, and advertisements that are not to be followed. */
#include "kernel/base/types.h"
#include "kernel/net/checksum.h"
#include "kernel/net/core.h"
#include "kernel/net/ip6.h"
#include "test/unit/net/world.h"

#define HOUR 3600u

static const uint8_t router_mac[6] = { 2, 0, 0, 0, 0, 9 }, rogue_mac[6] = { 2, 0, 0, 0, 0, 0x66 };

struct prefix {
	uint8_t first[8]; /* of the /64 */
	uint8_t bits, flags;
	uint32_t valid_s, preferred_s;
};

struct ra {
	uint8_t from; /* last byte of fe80:: */
	const uint8_t *mac;
	uint16_t lifetime_s;
	uint8_t hop_limit;
	uint16_t mtu; /* 0: none */
	unsigned prefix_count;
	struct prefix prefixes[4];
	bool is_global; /* its sender's address */
};

static void put32(uint8_t *p, uint32_t v)
{
	be32_t be = be32(v);

	memcpy(p, &be, 4);
}

static unsigned put_options(uint8_t *at, const struct ra *ra)
{
	unsigned bytes = 0;

	if (ra->mtu) {
		at[0] = 5;
		at[1] = 1;
		put32(at + 4, ra->mtu);
		bytes = 8;
	}
	for (unsigned i = 0; i < ra->prefix_count; i++, bytes += 32) {
		const struct prefix *p = &ra->prefixes[i];

		at[bytes] = 3;
		at[bytes + 1] = 4;
		at[bytes + 2] = p->bits;
		at[bytes + 3] = p->flags;
		put32(at + bytes + 4, p->valid_s);
		put32(at + bytes + 8, p->preferred_s);
		memcpy(at + bytes + 16, p->first, 8);
	}
	return bytes;
}

static void advertise(const struct ra *ra)
{
	uint8_t frame[300] = { 0x33, 0x33, 0, 0, 0, 1 };
	unsigned bytes;
	uint16_t sum;

	memcpy(frame + 6, ra->mac, 6);
	memcpy(frame + 12, "\x86\xdd\x60", 3);
	frame[20] = 58;
	frame[21] = ra->hop_limit;
	memcpy(frame + 22, ra->is_global ? "\x20\1" : "\xfe\x80", 2);
	frame[37] = ra->from;
	memcpy(frame + 38, "\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	frame[54] = 134;
	frame[58] = 64;
	frame[60] = (uint8_t)(ra->lifetime_s >> 8);
	frame[61] = (uint8_t)ra->lifetime_s;
	bytes = 16 + put_options(frame + 70, ra);
	frame[19] = (uint8_t)bytes;
	sum = (uint16_t)~checksum_fold((uint64_t)checksum_pseudo_ip6(frame + 14, 58, bytes) +
				       port_chksum(frame + 54, (int)bytes));
	memcpy(frame + 56, &sum, 2);
	world_receive(frame, 54 + bytes);
	world_turn();
	world_turn();
}

static struct ra good(void)
{
	return (struct ra){ .from = 1,
			    .mac = router_mac,
			    .lifetime_s = 1800,
			    .hop_limit = 255,
			    .prefix_count = 1,
			    .prefixes = { { { 0x20, 1, 0xd, 0xb8, 0, 0, 0, 1 }, 64, 0xc0, 24 * HOUR, 4 * HOUR } } };
}

/* Our address in 2001:db8:0:@net::/64. */
static struct ip6 ours(uint8_t net)
{
	struct ip6 a;
	uint8_t bytes[16] = { 0x20, 1, 0xd, 0xb8, 0, 0, 0, net, 0, 0, 0, 0xff, 0xfe, 0, 0, 1 };

	memcpy(&a, bytes, 16);
	return a;
}

static bool has(uint8_t net)
{
	struct ip6 a = ours(net);

	return ip6_is_ours(&a);
}

static uint8_t router_now(void)
{
	return (uint8_t)(be32(net_self.ip6.router.words[3]));
}

static int begin(void **state)
{
	(void)state;
	world_begin(WORLD_SLAAC | WORLD_IP6);
	return 0;
}

static int end(void **state)
{
	(void)state;
	world_end();
	return 0;
}

/* ---- in this order: what one leaves, the next one finds ---- */
static void test_asks_for_routers(void **state)
{
	(void)state;
	assert_int_equal(net_self.ip6.address_count, 1); /* the link-local one */
	world_pass(1100);
	for (unsigned ms = 0; ms < 8000 && world.control.data[54] != 133; ms++)
		world_pass(1);
	assert_int_equal(world.control.data[54], 133);
	assert_memory_equal(world.control.data, "\x33\x33\0\0\0\2", 6);
	assert_memory_equal(world.control.data + 22, "\xfe\x80",
			    2); /* beyond doubt by now: with our Ethernet address */
	assert_int_equal(world.control.data[62], 1);
}

static void test_not_to_be_followed(void **state)
{
	struct ra ra = good();

	(void)state;
	ra.hop_limit = 64;
	advertise(&ra);
	ra = good();
	ra.is_global = true;
	advertise(&ra);
	assert_int_equal(net_self.ip6.address_count, 1);
	assert_int_equal(router_now(), 0);
	ra = good();
	ra.prefixes[0].bits = 63; /* no room for an Ethernet identifier */
	ra.prefixes[0].flags = 0x40;
	advertise(&ra);
	ra.prefixes[0] = (struct prefix){ { 0xfe, 0x80 }, 64, 0xc0, HOUR, HOUR };
	advertise(&ra);
	ra.prefixes[0] = (struct prefix){ { 0xff, 2 }, 64, 0xc0, HOUR, HOUR };
	advertise(&ra);
	ra = good();
	ra.prefixes[0].preferred_s = ra.prefixes[0].valid_s + 1;
	advertise(&ra);
	assert_int_equal(net_self.ip6.address_count, 1);
	assert_int_equal(router_now(), 1); /* the router itself is none the worse */
}

static void test_address_and_router(void **state)
{
	struct ra ra = good();
	struct ip6 far = { { be32(0x2a000000), 0, 0, be32(1) } };

	(void)state;
	ra.mtu = 1400;
	advertise(&ra);
	assert_true(has(1));
	assert_int_equal(router_now(), 1);
	assert_int_equal(net_self.ip6.prefix_count, 1);
	assert_int_equal(ip6_mtu(), 1400);
	assert_true(ip6_is_equal(ip6_source(&far), &net_self.ip6.addresses[1]));
	ra.mtu = 1000; /* no IPv6 link */
	advertise(&ra);
	ra.mtu = 9000;
	advertise(&ra);
	assert_int_equal(ip6_mtu(), 1400);
}

static void test_another_router_waits(void **state)
{
	struct ra rogue = good();

	(void)state;
	rogue.from = 0x66;
	rogue.mac = rogue_mac;
	rogue.mtu = 1280;
	rogue.prefixes[0].first[7] = 2;
	advertise(&rogue);
	rogue.prefixes[0] = (struct prefix){ { 0x20 }, 3, 0x80, HOUR, HOUR }; /* all the world is on the link */
	advertise(&rogue);
	assert_int_equal(router_now(), 1);
	assert_false(has(2));
	assert_int_equal(net_self.ip6.prefix_count, 1);
	assert_int_equal(ip6_mtu(), 1400);
}

static void test_in_the_name_of_the_router(void **state)
{
	struct ra forged = good();

	(void)state;
	forged.mac = rogue_mac;
	forged.lifetime_s = 0;
	forged.prefixes[0].valid_s = forged.prefixes[0].preferred_s = 0;
	for (unsigned i = 0; i < 10; i++)
		advertise(&forged);
	assert_int_equal(router_now(), 1);
	assert_true(has(1));
	world_pass(6000); /* it was asked, and answered */
	assert_int_equal(router_now(), 1);
}

static void test_tables_are_small_and_full_ones_stay(void **state)
{
	struct ra ra = good();

	(void)state;
	ra.prefix_count = 4;
	for (unsigned round = 0; round < 8; round++) {
		for (unsigned i = 0; i < 4; i++) {
			ra.prefixes[i] = good().prefixes[0];
			ra.prefixes[i].first[7] = (uint8_t)(10 + round * 4 + i);
		}
		advertise(&ra);
	}
	assert_true(has(1));
	assert_int_equal(net_self.ip6.address_count, IP6_ADDRESSES);
	assert_int_equal(net_self.ip6.prefix_count, IP6_PREFIXES);
	for (unsigned i = 0; i < 60; i++) { /* routers, too */
		ra.from = (uint8_t)(0x70 + i);
		advertise(&ra);
	}
	assert_int_equal(router_now(), 1);
}

static void test_lives_end(void **state)
{
	struct ra ra = good();

	(void)state;
	ra.prefixes[0].valid_s = ra.prefixes[0].preferred_s = 60; /* not even its router can cut it shorter than 2 h */
	advertise(&ra);
	world_pass(100000);
	assert_true(has(1));
	advertise(&ra); /* or it would go with the rest */
	for (unsigned i = 0; i < 7300; i++) {
		world.now_us += 1000000;
		world_turn();
	}
	assert_false(has(1));
	assert_int_equal(router_now(), 0);              /* nobody has renewed it */
	assert_int_equal(net_self.ip6.prefix_count, 3); /* those of 24 h */
}

static void test_the_next_router(void **state)
{
	struct ra ra = good(), second = good();

	(void)state;
	advertise(&ra);
	second.from = 2;
	advertise(&second);
	assert_int_equal(router_now(), 1);
	ra.lifetime_s = 0;
	advertise(&ra);
	assert_int_equal(router_now(), 2);
	world_pass(2000);
	ra.lifetime_s = 1800;
	advertise(&ra);
	assert_int_equal(router_now(), 2); /* no going back while it lives */
	world.answers_below = 2;
	world_pass(70000); /* and it does not, any more */
	assert_int_equal(router_now(), 1);
}

static void test_somebody_has_our_address(void **state)
{
	struct ra ra = good();
	uint8_t frame[86] = { 0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0x66, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255 };
	struct ip6 taken = ours(0x50);
	uint16_t sum;

	(void)state;
	for (unsigned i = 0; i < 90000; i++) { /* all that was before is over */
		world.now_us += 1000000;
		world_turn();
	}
	ra.prefixes[0].first[7] = 0x50;
	advertise(&ra);
	assert_true(has(0x50)); /* used at once */
	memcpy(frame + 22, &taken, 16);
	memcpy(frame + 38, "\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	frame[54] = 136;
	frame[58] = 0x20;
	memcpy(frame + 62, &taken, 16);
	frame[78] = 2;
	frame[79] = 1;
	memcpy(frame + 80, rogue_mac, 6);
	sum = (uint16_t)~checksum_fold((uint64_t)checksum_pseudo_ip6(frame + 14, 58, 32) + port_chksum(frame + 54, 32));
	memcpy(frame + 56, &sum, 2);
	world_receive(frame, sizeof(frame));
	world_turn();
	assert_false(has(0x50)); /* somebody was first */
	advertise(&ra);
	world_pass(2100);
	assert_true(has(0x50));
	world_receive(frame, sizeof(frame)); /* too late: it is ours */
	world_turn();
	assert_true(has(0x50));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_asks_for_routers),
		TEST(test_not_to_be_followed),
		TEST(test_address_and_router),
		TEST(test_another_router_waits),
		TEST(test_in_the_name_of_the_router),
		TEST(test_tables_are_small_and_full_ones_stay),
		TEST(test_lives_end),
		TEST(test_the_next_router),
		TEST(test_somebody_has_our_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
