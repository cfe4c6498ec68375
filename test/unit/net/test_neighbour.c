/* SPDX-License-Identifier: MIT */
/* Who is believed about Ethernet addresses, by ARP and by neighbour discovery, and what a scan leaves behind. */
#include "kernel/base/types.h"
#include "kernel/net/checksum.h"
#include "kernel/net/core.h"
#include "kernel/net/neighbour.h"
#include "kernel/net/tuple.h"
#include "test/unit/net/world.h"

static const uint8_t peer_mac[6] = { 2, 0, 0, 0, 0, 9 }, rogue_mac[6] = { 2, 0, 0, 0, 0, 0x66 };
static uint8_t data[1000];

static int begin(void **state)
{
	(void)state;
	world_begin(WORLD_OFFLOADS);
	world_pass(2500); /* our own addresses are beyond doubt */
	return 0;
}

static int end(void **state)
{
	(void)state;
	world_end();
	return 0;
}

/* ---- messages ---- */
struct nd {
	uint8_t type, code, flags, hop_limit;
	uint8_t from[16], to[16], target[16];
	const uint8_t *mac; /* in an option, NULL: none */
	uint8_t option, option_units;
	unsigned cut; /* bytes that are missing at the end */
};

static void send_nd(const struct nd *m, const uint8_t *eth_from)
{
	uint8_t frame[86] = { 2, 0, 0, 0, 0, 1 };
	unsigned bytes = (m->mac ? 32 : 24) - m->cut;
	uint16_t sum;

	memcpy(frame + 6, eth_from, 6);
	frame[12] = 0x86;
	frame[13] = 0xdd;
	frame[14] = 0x60;
	frame[19] = (uint8_t)bytes;
	frame[20] = 58;
	frame[21] = m->hop_limit;
	memcpy(frame + 22, m->from, 16);
	memcpy(frame + 38, m->to, 16);
	frame[54] = m->type;
	frame[55] = m->code;
	frame[58] = m->flags;
	memcpy(frame + 62, m->target, 16);
	if (m->mac) {
		frame[78] = m->option;
		frame[79] = m->option_units;
		memcpy(frame + 80, m->mac, 6);
	}
	sum = (uint16_t)~checksum_fold((uint64_t)checksum_pseudo_ip6(frame + 14, 58, bytes) +
				       port_chksum(frame + 54, (int)bytes));
	memcpy(frame + 56, &sum, 2);
	world_receive(frame, 54 + bytes);
}

static struct nd solicitation(void)
{
	struct nd m = { .type = 135, .hop_limit = 255, .mac = peer_mac, .option = 1, .option_units = 1 };

	world_ip6(m.from, PEER_ADDRESS);
	world_ip6(m.to, WORLD_ADDRESS);
	world_ip6(m.target, WORLD_ADDRESS);
	return m;
}

/* The host at @mac says that @address is there, though nobody has asked. */
static void claim(uint32_t address, const uint8_t *mac)
{
	uint8_t arp[60] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 8, 6, 0, 1, 8, 0, 6, 4, 0, 2 };
	be32_t from = be32(address), to = be32(WORLD_ADDRESS);
	struct nd m = { .type = 136, .hop_limit = 255, .flags = 0x20, .mac = mac, .option = 2, .option_units = 1 };

	if (world.is_ip6) {
		world_ip6(m.from, address);
		world_ip6(m.to, WORLD_ADDRESS);
		world_ip6(m.target, address);
		send_nd(&m, mac);
		return;
	}
	memcpy(arp + 22, mac, 6);
	memcpy(arp + 28, &from, 4);
	memcpy(arp + 38, &to, 4);
	world_receive(arp, sizeof(arp));
}

static struct ip6 address_of(uint32_t address)
{
	struct ip6 a;

	if (!world.is_ip6)
		return ip6_mapped(be32(address));
	world_ip6((uint8_t *)&a, address);
	return a;
}

static bool is_known(uint32_t address)
{
	struct ip6 a = address_of(address);
	uint8_t mac[6];

	return neighbour_mac(&a, mac);
}

static void expect_mac(uint32_t address, const uint8_t *wanted)
{
	struct ip6 a = address_of(address);
	uint8_t mac[6];

	assert_true(neighbour_mac(&a, mac));
	assert_memory_equal(mac, wanted, 6);
}

/* ---- tests ---- */
static void test_who_asks_is_answered(void **state)
{
	struct nd m = solicitation();
	unsigned before = world.control_count;

	(void)state;
	world_ip6(m.from, 0x0a000077);
	m.mac = rogue_mac;
	send_nd(&m, rogue_mac);
	world_turn();
	assert_int_equal(world.control_count, before + 1);
	assert_int_equal(world.control.data[54], 136);
	assert_int_equal(world.control.data[58], 0x60); /* solicited, override */
	assert_memory_equal(world.control.data, rogue_mac, 6);
	assert_memory_equal(world.control.data + 62, m.target, 16);
	assert_false(is_known(0x0a000077)); /* a stranger leaves nothing behind */
	/* Whether our address is free: it is not, and all may know. */
	m = solicitation();
	memset(m.from, 0, 16);
	m.mac = NULL;
	memcpy(m.to, "\xff\2\0\0\0\0\0\0\0\0\0\1\xff\0\0\1", 16);
	send_nd(&m, rogue_mac);
	world_turn();
	assert_int_equal(world.control_count, before + 2);
	assert_memory_equal(world.control.data, "\x33\x33\0\0\0\1", 6);
	assert_int_equal(world.control.data[58], 0x20);
}

static void test_malformed_messages(void **state)
{
	unsigned before = world.control_count;
	struct nd m;

	(void)state;
#define SEND_WITH(what)     \
	m = solicitation(); \
	what;               \
	send_nd(&m, peer_mac)
	SEND_WITH(m.hop_limit = 254); /* it has come from beyond a router */
	SEND_WITH(m.code = 1);
	SEND_WITH(m.option_units = 0);    /* an option without end */
	SEND_WITH(m.option_units = 2);    /* longer than the message */
	SEND_WITH(m.target[0] = 0xff);    /* a group */
	SEND_WITH(m.target[15] ^= 1);     /* not ours */
	SEND_WITH(memset(m.from, 0, 16)); /* from nobody, yet with an Ethernet address */
	SEND_WITH(m.type = 137);          /* a redirect */
	for (unsigned cut = 1; cut < 32; cut++) {
		if (cut == 8)
			continue; /* without the option it is a good one */
		SEND_WITH(m.cut = cut);
	}
	for (unsigned i = 0; i < 3; i++)
		world_turn();
	assert_int_equal(world.control_count, before);
}

static ix_handle_t talk(struct peer *p)
{
	ix_handle_t h = peer_open(p, 7, 5);

	while (peer_take(p))
		;
	return h;
}

static const struct sent *send_one(ix_handle_t h, struct peer *p)
{
	struct net_range r = { .data = data, .bytes = 10 };
	uint64_t taken;
	const struct sent *s;

	assert_int_equal(net_send(h, &r, 0, &taken), IX_OK);
	world_turn();
	s = peer_take(p);
	peer_send(p, ACK, NULL, 0);
	world_turn();
	return s;
}

static void test_a_second_claim_is_not_believed(void **state)
{
	struct peer p = { .address = PEER_ADDRESS };
	unsigned asked;
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = talk(&p);
	world_pass(1100);
	asked = world.arp_requests;
	claim(PEER_ADDRESS, rogue_mac);
	world_turn();
	assert_int_equal(world.arp_requests, asked + 1); /* he who is known is asked, and answers */
	world_turn();
	expect_mac(PEER_ADDRESS, peer_mac);
	assert_memory_equal(send_one(h, &p)->data, peer_mac, 6);
	for (unsigned i = 0; i < 5000; i++) { /* also not by saying it often, nor does that cost much */
		claim(PEER_ADDRESS, rogue_mac);
		if (i % 10 == 0)
			world_pass(1);
	}
	assert_in_range(world.arp_requests, asked + 1, asked + 3);
	assert_memory_equal(send_one(h, &p)->data, peer_mac, 6);
}

static void test_who_is_gone_can_be_replaced(void **state)
{
	struct peer p = { .address = PEER_ADDRESS };

	(void)state;
	world_listen(7, 1);
	talk(&p);
	world_pass(1100);
	world.is_arp_silent = true;
	claim(PEER_ADDRESS, rogue_mac);
	world_pass(1500);
	expect_mac(PEER_ADDRESS, peer_mac); /* not at once */
	for (unsigned s = 0; s < 6; s++) {
		world_pass(1000);
		claim(PEER_ADDRESS, rogue_mac);
	}
	world_turn();
	expect_mac(PEER_ADDRESS, rogue_mac);
}

/* A host for each address of a network sends something that must be answered; none of them exists. */
static void test_a_scan_drives_nobody_out(void **state)
{
	struct peer p = { .address = PEER_ADDRESS }, honest = { .address = PEER_ADDRESS + 1 };
	ix_handle_t h;

	(void)state;
	world_listen(7, 1);
	h = talk(&p);
	world.answers_below = 0x0a000100;
	for (uint32_t i = 0; i < 20000; i++) {
		struct peer ghost = { .address = 0x0a100000 + i, .port = 1234, .our_port = 7, .window = 1000 };

		peer_send(&ghost, SYN, NULL, 0);
		if (i % 20 == 0) {
			world_pass(1);
			world.sent_count = world.taken = 0;
		}
		if (i % 4000 == 3999) {
			assert_non_null(send_one(h, &p));
			expect_mac(PEER_ADDRESS, peer_mac);
		}
		if (i == 10000) /* in the midst of it somebody new is served */
			assert_non_null(send_one(talk(&honest), &honest));
	}
	assert_non_null(send_one(h, &p));
	world_pass(8000);
	for (uint32_t i = 0; i < 20000; i++)
		assert_false(is_known(0x0a100000 + i));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest both[] = {
		TEST(test_a_second_claim_is_not_believed), TEST(test_a_scan_drives_nobody_out),
		TEST(test_who_is_gone_can_be_replaced), /* last: somebody else is the peer from then on */
	};
	const struct CMUnitTest ip6[] = {
		TEST(test_who_asks_is_answered),
		TEST(test_malformed_messages),
	};
	int failed = cmocka_run_group_tests(both, NULL, NULL);

	return failed + (WORLD_OFFLOADS & WORLD_IP6 ? cmocka_run_group_tests(ip6, NULL, NULL) : 0);
}
