/* SPDX-License-Identifier: MIT */
/* An address by DHCPv6: asked for, renewed, lost; servers that answer something else. */
#include "kernel/base/types.h"
#include "kernel/net/checksum.h"
#include "kernel/net/core.h"
#include "kernel/net/ip6.h"
#include "test/unit/net/world.h"

enum { SOLICIT = 1, ADVERTISE = 2, REQUEST = 3, RENEW = 5, REBIND = 6, REPLY = 7 };

static uint32_t fake_random = 88172645;
static uint8_t server_id[8] = { 0, 3, 0, 1, 1, 2, 3, 4 };
static uint32_t valid_s = 1000, preferred_s = 800, t1_s = 100, t2_s = 160;
static uint8_t leased = 0x42; /* last byte of 2001:db8:: */
static uint16_t status;

static void put32(uint8_t *p, uint32_t v)
{
	be32_t be = be32(v);

	memcpy(p, &be, 4);
}

static unsigned head(uint8_t *frame, unsigned protocol, unsigned bytes, const char *eth)
{
	memset(frame, 0, 54);
	memcpy(frame, eth, 6);
	memcpy(frame + 6, "\2\0\0\0\0\11\x86\xdd\x60", 9);
	frame[18] = (uint8_t)(bytes >> 8);
	frame[19] = (uint8_t)bytes;
	frame[20] = (uint8_t)protocol;
	frame[21] = 255;
	memcpy(frame + 22, "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	memcpy(frame + 38, "\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	return 54;
}

static void finish(uint8_t *frame, unsigned protocol, unsigned bytes, unsigned field)
{
	uint16_t sum = (uint16_t)~checksum_fold((uint64_t)checksum_pseudo_ip6(frame + 14, (uint8_t)protocol, bytes) +
						port_chksum(frame + 54, (int)bytes));

	memcpy(frame + 54 + field, &sum, 2);
	world_receive(frame, 54 + bytes);
}

/* The router says that there is a server. */
static void advertise_managed(void)
{
	uint8_t frame[70];

	head(frame, 58, 16, "\x33\x33\0\0\0\1");
	memset(frame + 54, 0, 16);
	frame[54] = 134;
	frame[59] = 0x80;
	frame[60] = 0x23; /* 9,000 s and some */
	finish(frame, 58, 16, 2);
	world_turn();
	world_turn();
}

/* The next message to a server. Return: NULL if none comes within @ms. */
static const uint8_t *next_message(unsigned ms)
{
	for (; ms; ms--) {
		while (world.taken < world.sent_count) {
			const struct sent *s = &world.sent[world.taken++];

			if (s->data[20] == 17 && s->data[56] == 2 && s->data[57] == 0x23) {
				assert_memory_equal(s->data + 38, "\xff\2\0\0\0\0\0\0\0\0\0\0\0\1\0\2", 16);
				assert_memory_equal(s->data, "\x33\x33\0\1\0\2", 6);
				return s->data + 62;
			}
		}
		world_pass(1);
	}
	return NULL;
}

/* What a good server answers to @message. Return: bytes behind the UDP header. */
static unsigned build(uint8_t *out, const uint8_t *message)
{
	static const uint8_t our_id[14] = { 0, 1, 0, 10, 0, 3, 0, 1, 2, 0, 0, 0, 0, 1 };
	unsigned at = 4;

	memcpy(out, message, 4);
	out[0] = message[0] == SOLICIT ? ADVERTISE : REPLY;
	memcpy(out + at, our_id, sizeof(our_id));
	at += sizeof(our_id);
	memcpy(out + at, "\0\2\0\10", 4);
	memcpy(out + at + 4, server_id, 8);
	at += 12;
	memset(out + at, 0, 50);
	memcpy(out + at, status ? "\0\3\0\56" : "\0\3\0\50", 4);
	out[at + 7] = 1;
	put32(out + at + 8, t1_s);
	put32(out + at + 12, t2_s);
	memcpy(out + at + 16, "\0\5\0\30\x20\1\xd\xb8", 8);
	out[at + 35] = leased;
	put32(out + at + 36, preferred_s);
	put32(out + at + 40, valid_s);
	at += 44;
	if (status) {
		memcpy(out + at, "\0\15\0\2\0\0", 6);
		out[at + 5] = (uint8_t)status;
		at += 6;
	}
	return at;
}

static void send_server(const uint8_t *payload, unsigned bytes)
{
	uint8_t frame[54 + 8 + 400];

	head(frame, 17, 8 + bytes, "\2\0\0\0\0\1");
	memcpy(frame + 38, net_self.ip6.addresses, 16);
	memcpy(frame + 54, "\2\x23\2\x22", 4);
	frame[58] = (uint8_t)((8 + bytes) >> 8);
	frame[59] = (uint8_t)(8 + bytes);
	memset(frame + 60, 0, 2);
	memcpy(frame + 62, payload, bytes);
	finish(frame, 17, 8 + bytes, 6);
	world_turn();
}

static void answer(const uint8_t *message)
{
	uint8_t payload[400];

	send_server(payload, build(payload, message));
}

static bool has(uint8_t last)
{
	uint8_t a[16] = { 0x20, 1, 0xd, 0xb8, [15] = last };

	return ip6_is_ours((const struct ip6 *)(const void *)a);
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

/* In this order: what one leaves, the next one finds. */
static void test_asked_for_when_the_router_says_so(void **state)
{
	const uint8_t *m;

	(void)state;
	assert_null(next_message(3000));
	advertise_managed();
	m = next_message(1500);
	assert_non_null(m);
	assert_int_equal(m[0], SOLICIT);
	assert_non_null(next_message(1500)); /* again, as nobody answers */
	m = next_message(3000);
	assert_non_null(m);
	status = 2; /* no addresses available */
	answer(m);
	status = 0;
	valid_s = 0;
	answer(m);
	valid_s = 1000;
	m = next_message(6000);
	assert_int_equal(m[0], SOLICIT);
	answer(m);
	m = next_message(10);
	assert_int_equal(m[0], REQUEST);
	assert_memory_equal(m + 4 + 14 + 4, server_id, 8);
	assert_false(has(leased)); /* it is not ours before the second answer */
	answer(m);
	assert_true(has(leased));
}

static void test_renewed(void **state)
{
	const uint8_t *m;

	(void)state;
	assert_null(next_message(85000)); /* some went by between the tests */
	m = next_message(16000);
	assert_int_equal(m[0], RENEW);
	server_id[7]++;
	answer(m); /* another server's word */
	server_id[7]--;
	answer(m);
	assert_true(has(leased));
	assert_null(next_message(98000));
	m = next_message(4000);
	assert_int_equal(m[0], RENEW);
	for (unsigned i = 0; m && m[0] == RENEW && i < 10; i++)
		m = next_message(60000);
	assert_non_null(m);
	assert_int_equal(m[0], REBIND); /* now anybody may */
	server_id[7]++;
	answer(m);
	assert_true(has(leased));
}

static void test_lost_and_asked_for_anew(void **state)
{
	const uint8_t *m = NULL;

	(void)state;
	for (unsigned i = 0; i < 40 && (!m || m[0] != SOLICIT); i++)
		m = next_message(600000);
	assert_non_null(m);
	assert_int_equal(m[0], SOLICIT);
	world_pass(2000);
	assert_false(has(leased));
	leased = 0x43;
	m = next_message(100000);
	answer(m);
	answer(next_message(10));
	assert_true(has(0x43));
}

static uint32_t rnd(void)
{
	fake_random = fake_random * 1664525 + 1013904223;
	return fake_random >> 8;
}

/* Damaged answers to a true question: nothing is read beyond them, and no address comes of what is cut or of others. */
static void test_damaged_answers(void **state)
{
	uint8_t payload[400], good[400];
	unsigned bytes;
	const uint8_t *m;

	(void)state;
	do
		m = next_message(200000);
	while (m && m[0] != RENEW);
	assert_non_null(m);
	leased = 0x44;
	bytes = build(good, m);
	for (unsigned cut = 0; cut < bytes; cut++)
		send_server(good, cut);
	for (unsigned i = 1; i < 26; i++) { /* transaction, our name and the server's */
		if (i >= 4 && i < 8)
			continue; /* another option, which it need not be */
		memcpy(payload, good, bytes);
		payload[i] ^= 0x40;
		send_server(payload, bytes);
		assert_false(has(0x44));
	}
	assert_false(has(0x44));
	for (unsigned round = 0; round < 20000; round++) {
		memcpy(payload, good, bytes);
		payload[1] ^= 1; /* so that nothing can come of it */
		for (unsigned i = rnd() % 6 + 1; i; i--)
			payload[4 + rnd() % (bytes - 4)] = (uint8_t)rnd();
		send_server(payload, rnd() % 3 ? bytes : rnd() % (bytes + 1));
		payload[1] ^= 1;
		payload[2 + rnd() % 2] ^= (uint8_t)(1 + rnd() % 255);
		send_server(payload, bytes);
		world.sent_count = world.taken = 0;
	}
	assert_false(has(0x44));
	send_server(good, bytes);
	assert_true(has(0x44));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_asked_for_when_the_router_says_so),
		TEST(test_renewed),
		TEST(test_lost_and_asked_for_anew),
		TEST(test_damaged_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
