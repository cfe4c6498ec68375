/* SPDX-License-Identifier: MIT */
/* Errors that somebody reports about our segments: believed only as far as they can be true. */
#include "kernel/abi/manifest.h"
#include "kernel/base/bytes.h"
#include "kernel/base/types.h"
#include "kernel/net/core.h"
#include "kernel/net/tcp_ts.h"
#include "test/fake/cpu.h"
#include "test/unit/net/world.h"

static uint8_t data[20000];
static struct peer p;

static int begin(void **state)
{
	(void)state;
	world_begin(WORLD_OFFLOADS);
	world_listen(7, 1);
	memset(&p, 0, sizeof(p));
	return 0;
}

static int end(void **state)
{
	(void)state;
	fake_core_count = 1;
	percore_id = 0;
	world_end();
	return 0;
}

static uint64_t ignored(void)
{
	return net_self.stats.icmp_ignored;
}

/* The numbers of ICMPv6 for those of ICMP. */
static unsigned kind6(unsigned type_code)
{
	switch (type_code) {
	case 0x304:
		return 0x200;
	case 0x303:
	case 0x302:
		return type_code == 0x303 ? 0x104 : 0x401;
	default:
		return type_code >> 8 == 3    ? 0x100
		       : type_code >> 8 == 11 ? 0x300
		       : type_code >> 8 == 12 ? 0x400
					      : 0x6400;
	}
}

/* An error of a router about the segment at @seq of @p's connection, which was @bytes long with its IP header. */
static void report_of(unsigned type_code, unsigned mtu, uint32_t seq, unsigned bytes)
{
	uint8_t quote[48] = { 0x45, 0, (uint8_t)(bytes >> 8), (uint8_t)bytes, 0, 0, 0x40, 0, 60, 6 };
	be32_t words[3] = { be32(WORLD_ADDRESS), be32(p.address), be32(seq) };
	be16_t ports[2] = { be16(p.our_port), be16(p.port) };
	unsigned header = world.is_ip6 ? 40 : 20;

	if (world.is_ip6) {
		memset(quote, 0, header);
		quote[0] = 0x60;
		quote[4] = (uint8_t)((bytes - 40) >> 8);
		quote[5] = (uint8_t)(bytes - 40);
		quote[6] = 6;
		world_ip6(quote + 8, WORLD_ADDRESS);
		world_ip6(quote + 24, p.address);
		type_code = kind6(type_code);
	} else {
		memcpy(quote + 12, words, 8);
	}
	memcpy(quote + header, ports, 4);
	memcpy(quote + header + 4, words + 2, 4);
	peer_icmp(type_code >> 8, type_code & 255, mtu, quote, header + 8);
}

/* MSS of a path: IPv6's header is longer by 20 bytes. */
static unsigned mss_of(unsigned mtu)
{
	return mtu - (world.is_ip6 ? 60 : 40);
}

static void report(unsigned type_code, unsigned mtu, uint32_t seq)
{
	report_of(type_code, mtu, seq, 1500);
	world_turn();
}

#define NET_UNREACHABLE 0x300u
#define PORT_UNREACHABLE 0x303u
#define TOO_BIG 0x304u
#define QUENCH 0x400u
#define EXPIRED 0xb00u
#define ECE_CWR 0xc0u /* of a TCP header */

static uint64_t send_bytes(ix_handle_t h, uint32_t bytes)
{
	struct net_range r = { .data = data, .bytes = bytes };
	uint64_t taken = 0;

	assert_int_equal(net_send(h, &r, 0, &taken), IX_OK);
	world_turn();
	return taken;
}

/* ---- connecting ---- */
static ix_handle_t connect_to(uint16_t port)
{
	struct ix_connect wish = { .remote = world_endpoint(PEER_ADDRESS, port) };
	const struct sent *s;
	ix_handle_t h = 0;

	p = (struct peer){ .address = PEER_ADDRESS, .port = port, .seq = 5000, .window = 60000 };
	assert_int_equal(net_connect(&wish, 0, &h), IX_OK);
	world_turn();
	world_turn();
	s = peer_take(&p);
	assert_non_null(s);
	p.our_port = (uint16_t)(s->data[world_l4_at(s->data)] << 8 | s->data[world_l4_at(s->data) + 1]);
	return h;
}

static void test_a_hard_error_ends_a_connect(void **state)
{
	ix_handle_t h = connect_to(80);
	unsigned segments;

	(void)state;
	report(NET_UNREACHABLE, 0, p.ack - 1);
	report(PORT_UNREACHABLE, 0, p.ack); /* not the SYN's number */
	report(PORT_UNREACHABLE, 0, p.ack - 2);
	assert_null(world_event(IX_EV_DEAD, 0));
	segments = world.sent_count;
	report(PORT_UNREACHABLE, 0, p.ack - 1);
	assert_int_equal(world_event(IX_EV_DEAD, 0)->handle, h);
	assert_int_equal(world_event(IX_EV_DEAD, 0)->detail, IX_DEAD_UNREACHABLE);
	world_turn();
	assert_int_equal(world.sent_count, segments); /* nobody is there to be reset */
}

static void test_a_soft_error_is_remembered(void **state)
{
	const struct ix_event *e = NULL;

	(void)state;
	connect_to(81);
	for (unsigned ms = 0; ms < 80000 && !e; ms++) {
		world_pass(1);
		e = world_event(IX_EV_DEAD, 0);
		if (!e && peer_take(&p))
			report(EXPIRED, 0, p.ack - 1);
	}
	assert_non_null(e);
	assert_int_equal(e->detail, IX_DEAD_UNREACHABLE); /* and not only that time was out */
}

/* ---- established ---- */
static void test_no_error_ends_a_connection(void **state)
{
	static const unsigned all[] = { 0x300, 0x301, 0x302, 0x303, 0x305, 0x30d, EXPIRED, 0xb01, 0xc00, QUENCH };
	ix_handle_t h = peer_open(&p, 7, 5);
	uint32_t cwnd;

	(void)state;
	send_bytes(h, 1000);
	cwnd = pcb_of(conn_find(h))->cwnd;
	for (unsigned i = 0; i < ARRAY_COUNT(all); i++) {
		report(all[i], 0, p.ack);
		assert_null(world_event(IX_EV_DEAD, 0));
	}
	assert_int_equal(pcb_of(conn_find(h))->cwnd, cwnd); /* no quench either [RFC 6633] */
	while (peer_take(&p))
		;
	peer_send(&p, ACK, NULL, 0);
	world_turn();
	assert_int_equal(world_event(IX_EV_SENT, 0)->len, 1000);
}

/* ---- path MTU ---- */
/* All that was sent until now is lost; the next segments must carry it again, no larger than @most. */
static void expect_again(uint32_t from, uint32_t bytes, unsigned most)
{
	uint32_t seen = 0;

	for (const struct sent *s = peer_take(&p); s; s = peer_take(&p)) {
		if (!world.is_ip6)
			assert_int_equal(s->data[20] & 0x40, 0x40); /* not to be cut on the way */
		assert_in_range(seg_bytes(s), 1, most);
		assert_int_equal(seg_seq(s), from + seen);
		assert_memory_equal(seg_data(s), data + seen, seg_bytes(s));
		seen += seg_bytes(s);
	}
	assert_int_equal(seen, bytes);
}

static void fill(void)
{
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
}

static void drain(void)
{
	while (peer_take(&p))
		;
}

static void test_the_first_flight_is_cut_at_once(void **state)
{
	ix_handle_t h = peer_open(&p, 7, 5);
	uint32_t first;

	(void)state;
	fill();
	drain();
	first = p.ack;
	assert_int_equal(send_bytes(h, 4000), 4000);
	drain();
	p.ack = first;
	world_turn(); /* the device gives them back */
	report(TOO_BIG, 1280, first);
	assert_int_equal(pcb_of(conn_find(h))->mss, mss_of(1280));
	assert_int_equal(pcb_of(conn_find(h))->nrtx, 0);
	expect_again(first, 4000, mss_of(1280));
	peer_send(&p, ACK, NULL, 0);
	world_turn();
	assert_int_equal(world_event(IX_EV_SENT, 0)->len, 4000);
	/* What follows is cut so from the start. */
	first = p.ack;
	assert_int_equal(send_bytes(h, 2 * mss_of(1280)), 2 * mss_of(1280));
	expect_again(first, 2 * mss_of(1280), mss_of(1280));
	peer_send(&p, ACK, NULL, 0);
	world_turn();
}

static void test_with_timestamps_they_are_smaller(void **state)
{
	ix_handle_t h;
	uint32_t first;

	(void)state;
	fill();
	p.has_ts = true;
	p.ts = 1000;
	h = peer_open(&p, 7, 5);
	drain();
	first = p.ack;
	assert_int_equal(send_bytes(h, 4000), 4000);
	drain();
	p.ack = first;
	world_turn();
	report(TOO_BIG, 1280, first);
	expect_again(first, 4000, mss_of(1280) - TS_BYTES);
	peer_send(&p, ACK, NULL, 0);
	world_turn();
}

/* What gets through is believed more than what is said. */
static void expect_timeout_needed(ix_handle_t h)
{
	uint32_t first;

	fill();
	send_bytes(h, 3000);
	drain();
	peer_send(&p, ACK, NULL, 0);
	world_turn();
	first = p.ack;
	send_bytes(h, 3000);
	drain();
	p.ack = first;
	report(TOO_BIG, world.is_ip6 ? 1280 : 1000, first);
	assert_int_equal(pcb_of(conn_find(h))->mss, mss_of(1500));
	p.ack = first + 3000;
	peer_send(&p, ACK, NULL, 0); /* it arrived: the report was a lie */
	world_pass(2000);
	assert_int_equal(pcb_of(conn_find(h))->mss, mss_of(1500));
	first = p.ack;
	send_bytes(h, 3000);
	drain();
	world_pass(5000); /* an ordinary loss */
	assert_int_equal(pcb_of(conn_find(h))->mss, mss_of(1500));
	drain();
	p.ack = first;
	peer_send(&p, ACK, NULL, 0);
	report(TOO_BIG, world.is_ip6 ? 1280 : 1000, first);
	drain();
	p.ack = first;
	world_pass(30000);
	assert_int_equal(pcb_of(conn_find(h))->mss, mss_of(world.is_ip6 ? 1280 : 1000));
	while (p.ack != first + 3000) {
		assert_non_null(peer_take(&p));
		peer_send(&p, ACK, NULL, 0);
		world_turn();
	}
}

static void test_later_it_takes_a_timeout_too(void **state)
{
	(void)state;
	expect_timeout_needed(peer_open(&p, 7, 5));
}

/* The claim lies elsewhere then. */
static void test_with_ecn_it_does_as_well(void **state)
{
	ix_handle_t h;

	(void)state;
	world.conf.ports[0].ecn = IX_ECN_CLASSIC;
	world_listen(WORLD_SPECIAL_PORT, 1);
	p.syn_flags = ECE_CWR;
	h = peer_open(&p, WORLD_SPECIAL_PORT, 5);
	assert_true(conn_find(h)->flags & CONN_ECN);
	expect_timeout_needed(h);
}

static void test_implausible_sizes(void **state)
{
	ix_handle_t h = peer_open(&p, 7, 5);
	const struct tcp_pcb *pcb = pcb_of(conn_find(h));

	(void)state;
	send_bytes(h, 3000);
	world_turn();
	report(TOO_BIG, 1500, p.ack);
	report(TOO_BIG, 9000, p.ack);
	report(TOO_BIG, 0, p.ack);
	report(TOO_BIG, 1280, p.ack - 1);      /* acknowledged */
	report(TOO_BIG, 1280, p.ack + 3000);   /* not sent */
	report_of(TOO_BIG, 1280, p.ack, 1000); /* it would have fitted */
	world_turn();
	assert_int_equal(pcb->mss, mss_of(1500));
	report(TOO_BIG, 68, p.ack);
	assert_int_equal(pcb->mss,
			 world.is_ip6 ? 1440 : 536); /* every path takes so much; IPv6 drops the liar's word */
	drain();
}

/* ---- what is no error of ours ---- */
static void test_damaged(void **state)
{
	ix_handle_t h = peer_open(&p, 7, 5);
	uint8_t quote[48] = { 0x45, 0, 5, 0xdc, 0, 0, 0x40, 0, 60, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2 };
	unsigned header = world.is_ip6 ? 40 : 20, type = world.is_ip6 ? 2 : 3, code = world.is_ip6 ? 0 : 4;
	uint64_t before;

	(void)state;
	if (world.is_ip6) {
		memset(quote, 0, sizeof(quote));
		quote[0] = 0x60;
		quote[4] = 5;
		quote[6] = 6;
		world_ip6(quote + 8, WORLD_ADDRESS);
		world_ip6(quote + 24, p.address);
	}
	send_bytes(h, 1000);
	before = ignored();
	for (unsigned bytes = 0; bytes <= header + 8; bytes++) /* too short, then of nobody */
		peer_icmp(type, code, 1280, quote, bytes);
	quote[0] = world.is_ip6 ? 0x50 : 0x4f; /* another version, or a header longer than what is there */
	peer_icmp(type, code, 1280, quote, header + 8);
	quote[0] = world.is_ip6 ? 0x45 : 0x65;
	peer_icmp(type, code, 1280, quote, header + 8);
	quote[0] = world.is_ip6 ? 0x60 : 0x45;
	quote[world.is_ip6 ? 6 : 7] = world.is_ip6 ? 44 : 9; /* a fragment; not the first one */
	peer_icmp(type, code, 1280, quote, header + 8);
	world_turn();
	/* Of IPv4 the shorter ones never came so far. */
	assert_int_equal(ignored(), before + (world.is_ip6 ? 49 + 3 : 4));
	assert_int_equal(pcb_of(conn_find(h))->mss, mss_of(1500));
}

/* An error that counts, but for bytes that are turned. Return: whether it has counted. */
static bool counts(unsigned at, uint8_t bits, unsigned other_at, uint16_t other)
{
	uint64_t before = net_self.stats.icmp_errors;
	struct buf *b;

	report_of(NET_UNREACHABLE, 0, p.ack, 1500);
	assert_int_equal(world_take_waiting(&b), 1);
	b->data[b->off + at] ^= bits;
	b->data[b->off + other_at] ^= (uint8_t)(other >> 8);
	b->data[b->off + other_at + 1] ^= (uint8_t)other;
	world_receive_buf(b);
	world_turn();
	return net_self.stats.icmp_errors != before;
}

static void test_one_thing_wrong(void **state)
{
	unsigned quote = world_l4_at(world.is_ip6 ? (const uint8_t[14]){ [12] = 0x86 } : (const uint8_t[14]){ 0 }) + 8;

	(void)state;
	send_bytes(peer_open(&p, 7, 5), 1000);
	assert_true(counts(0, 0, 0, 0));
	assert_false(counts(quote - 6, 0x10, 0, 0)); /* the checksum */
	assert_false(counts(quote + 7, 0x10, 0, 0)); /* what it is over */
	assert_true(counts(0, 0, 0, 0));
	if (world.is_ip6)
		return;
	assert_true(counts(quote + 1, 1, quote + 10, 0xfffe));  /* another byte; the sum is right again */
	assert_false(counts(quote + 7, 1, quote + 10, 0xfffe)); /* not a first fragment */
}

/* @count errors within one turn of the clock. Return: how many counted. */
static uint64_t count_of(unsigned count)
{
	uint64_t errors = net_self.stats.icmp_errors;

	for (unsigned i = 0; i < count; i++) {
		report_of(NET_UNREACHABLE, 0, p.ack, 1500);
		if (i % 100 == 99)
			world_turn();
	}
	world_turn();
	return net_self.stats.icmp_errors - errors;
}

static void test_no_more_than_so_many_a_second(void **state)
{
	uint64_t first, now;
	bool is_drawn = false;

	(void)state;
	send_bytes(peer_open(&p, 7, 5), 1000);
	world_pass(1100);
	first = count_of(1600);
	assert_in_range(first, 500, 1500);
	world_pass(500);
	assert_int_equal(count_of(10), 0); /* for the whole of it */
	for (unsigned s = 0; s < 5; s++) {
		world_pass(1001);
		now = count_of(1600);
		assert_in_range(now, 500, 1500);
		is_drawn |= now != first;
	}
	assert_true(is_drawn); /* so that who counts what is left learns nothing */
}

/* They come to the boot core, and go from there to whoever has the connection. */
static void test_on_to_the_owner(void **state)
{
	struct buf *b;

	(void)state;
	peer_open(&p, 7, 5);
	fake_core_count = 3;
	p.port++; /* nobody's */
	report_of(NET_UNREACHABLE, 0, p.ack, 1500);
	for (uint32_t core = 1; core < 3; core++) {
		world_turn();
		assert_int_equal(world.handed_count, 1);
		assert_int_equal(world.handed[0].core, core);
		b = world.handed[0].first;
		assert_true(b->flags & BUF_QUOTED);
		world.handed_count = 0;
		percore_id = core;
		world_receive_buf(b);
	}
	world_turn(); /* the last one forgets it */
	assert_int_equal(world.handed_count, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_a_hard_error_ends_a_connect),
		TEST(test_a_soft_error_is_remembered),
		TEST(test_no_error_ends_a_connection),
		TEST(test_the_first_flight_is_cut_at_once),
		TEST(test_with_timestamps_they_are_smaller),
		TEST(test_later_it_takes_a_timeout_too),
		TEST(test_with_ecn_it_does_as_well),
		TEST(test_implausible_sizes),
		TEST(test_damaged),
		TEST(test_one_thing_wrong),
		TEST(test_no_more_than_so_many_a_second),
		TEST(test_on_to_the_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
