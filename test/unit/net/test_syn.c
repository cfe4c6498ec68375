/* SPDX-License-Identifier: MIT */
/* Too many requests: cookies that bring back what there was to know, forged ones, a flood, a full backlog. */
#include "kernel/base/types.h"
#include "kernel/net/core.h"
#include "test/fake/cpu.h"
#include "kernel/net/tcp_ts.h"
#include "test/fake/slab.h"
#include "test/unit/net/world.h"

#define PORT WORLD_SPECIAL_PORT
#define FLOOD 100000u
#define BURST 64u /* frames in a turn */

static uint8_t data[2000];

static int begin(void **state)
{
	(void)state;
	world_begin(WORLD_OFFLOADS);
	world_listen(PORT, 1);
	return 0;
}

static int end(void **state)
{
	(void)state;
	world_end();
	return 0;
}

static struct net_stats stats_now(void)
{
	struct net_stats s;

	net_stats(&s);
	return s;
}

static struct peer stranger(uint32_t address, uint16_t port)
{
	return (struct peer){
		.address = address, .port = port, .our_port = PORT, .seq = port * 7919u, .window = 60000
	};
}

/* Whoever asks from now on gets a cookie. */
static void fill_half_open(void)
{
	for (uint16_t i = 0; i < WORLD_HALF_OPEN; i++) {
		struct peer p = stranger(PEER_ADDRESS, (uint16_t)(1000 + i));

		peer_send(&p, SYN, NULL, 0);
	}
	world_turn();
	world_turn();
	assert_int_equal(net_self.half_open_count, WORLD_HALF_OPEN);
}

/* Its SYN is answered without anything being kept. */
static void ask(struct peer *p)
{
	uint64_t cookies = stats_now().cookies_sent;
	size_t blocks = fake_slab_blocks;
	const struct sent *s;

	while (peer_take(p))
		;
	peer_send(p, SYN, NULL, 0);
	world_turn();
	s = peer_take(p);
	assert_non_null(s);
	assert_int_equal(seg_flags(s), SYN | ACK);
	assert_int_equal(seg_ack(s), p->seq);
	assert_int_equal(seg_window(s), 65535);
	assert_int_equal(stats_now().cookies_sent, cookies + 1);
	world_turn(); /* the device gives the frame back */
	assert_int_equal(fake_slab_blocks, blocks);
	assert_int_equal(net_self.half_open_count, WORLD_HALF_OPEN);
}

static void test_cookie_becomes_a_connection(void **state)
{
	struct peer p = stranger(PEER_ADDRESS, 2000);
	struct net_range r = { .data = data, .bytes = 1000 };
	const struct tcp_pcb *pcb;
	const struct ix_event *e;
	uint64_t taken;
	ix_handle_t h;

	(void)state;
	fill_half_open();
	ask(&p);
	peer_send(&p, ACK | PSH, "hello", 5); /* the first acknowledgement was lost */
	world_turn();
	e = world_event(IX_EV_KNOCK, 0);
	assert_non_null(e);
	h = e->handle;
	assert_int_equal(net_accept(h, 9), IX_OK);
	world_turn();
	assert_int_equal(world_event(IX_EV_RECV, 0)->len, 5);
	pcb = pcb_of(conn_find(h));
	assert_int_equal(pcb->mss, world.is_ip6 ? 1440 : 1460);
	assert_int_equal(pcb->snd_scale, 2); /* the class below the 3 that was asked for */
	assert_true(pcb->flags & TF_WND_SCALE);
	assert_true(pcb->flags & TF_SACK);
	assert_int_equal(pcb->snd_wnd, 60000 / 2);
	assert_int_equal(pcb->rttest, 0); /* no estimate from a round trip that nobody timed */
	assert_int_equal(conn_find(h)->rto_floor_ms, 5);
	world_pass(30);
	while (peer_take(&p))
		;
	assert_int_equal(net_send(h, &r, 0, &taken), IX_OK);
	world_turn();
	assert_int_equal(seg_bytes(peer_take(&p)), 1000);
	peer_send(&p, ACK, NULL, 0);
	world_turn();
	assert_int_equal(world_event(IX_EV_SENT, 0)->len, 1000);
	assert_int_equal(stats_now().cookies_good, 1);
}

static void test_cookie_with_timestamps(void **state)
{
	struct peer p = stranger(PEER_ADDRESS, 2010), q = stranger(PEER_ADDRESS, 2011);
	const struct tcp_pcb *pcb;
	ix_handle_t h;

	(void)state;
	p.has_ts = true;
	p.ts = 123456;
	fill_half_open();
	ask(&p);
	assert_true(p.ts_echo != 0);
	world_pass(10);
	p.ts += 10;
	peer_send(&p, ACK, NULL, 0);
	world_turn();
	h = world_event(IX_EV_KNOCK, 0)->handle;
	assert_int_equal(net_accept(h, 9), IX_OK);
	pcb = pcb_of(conn_find(h));
	assert_true(pcb->flags & TF_TIMESTAMP);
	assert_int_equal(pcb->ts_recent, p.ts);
	assert_in_range(ts_clock(conn_find(h)) - p.ts_echo, 10, 11); /* the clock goes on */
	ask(&q);                                                     /* without */
	peer_send(&q, ACK, NULL, 0);
	world_turn();
	h = world_event(IX_EV_KNOCK, 0)->handle;
	assert_int_equal(net_accept(h, 9), IX_OK);
	assert_false(pcb_of(conn_find(h))->flags & TF_TIMESTAMP);
}

/* The one frame that was handed over, to the core that it was meant for. */
static void pass_on(uint32_t core)
{
	struct buf *b = world.handed[0].first;

	assert_int_equal(world.handed_count, 1);
	assert_int_equal(world.handed[0].core, core);
	world.handed_count = 0;
	percore_id = core;
	world_receive_buf(b);
	world_turn();
}

/* No core knows the connection yet: asked are all, and it is made where its segments arrive. */
static void test_cookie_comes_back_to_where_it_arrived(void **state)
{
	struct peer p = stranger(PEER_ADDRESS, 2020), q = stranger(PEER_ADDRESS, 2021);

	(void)state;
	fill_half_open();
	ask(&p);
	ask(&q);
	q.ack++; /* nobody's */
	fake_core_count = 3;
	percore_id = 1;
	peer_send(&p, ACK | PSH, "hello", 5);
	world_turn();
	pass_on(2);
	pass_on(0);
	assert_int_equal(world_event_count(IX_EV_KNOCK), 0);
	pass_on(1);
	assert_int_equal(world_event_count(IX_EV_KNOCK), 1);
	assert_int_equal(net_reject(world_event(IX_EV_KNOCK, 0)->handle), IX_OK);
	world_turn();
	peer_send(&q, ACK, NULL, 0);
	world_turn();
	pass_on(2);
	pass_on(0);
	assert_null(peer_take(&q));
	pass_on(1);
	assert_int_equal(seg_flags(peer_take(&q)) & RST, RST);
	fake_core_count = 1;
	percore_id = 0;
}

/* An acknowledgement that fits no cookie is answered as one of no connection. */
static void expect_refused(struct peer *p)
{
	while (peer_take(p))
		;
	peer_send_at(p, p->seq, ACK, NULL, 0);
	world_turn();
	assert_null(world_event(IX_EV_KNOCK, 0));
	assert_int_equal(seg_flags(peer_take(p)) & RST, RST);
}

static void test_forged_cookies_are_refused(void **state)
{
	struct peer good = stranger(PEER_ADDRESS, 2001), p;

	(void)state;
	fill_half_open();
	ask(&good);
	for (unsigned bit = 0; bit < 32; bit++) {
		p = good;
		p.ack = ((p.ack - 1) ^ 1u << bit) + 1; /* each bit counts, also those that say what it is */
		expect_refused(&p);
	}
	p = good;
	p.port++;
	expect_refused(&p);
	p = good;
	p.seq++;
	expect_refused(&p);
	world_pass(90000); /* an old one */
	fill_half_open();
	p = stranger(PEER_ADDRESS, 2002);
	ask(&p);
	expect_refused(&good);
	peer_send(&p, ACK, NULL, 0);
	world_turn();
	assert_non_null(world_event(IX_EV_KNOCK, 0));
}

static void test_cookie_lives_for_half_a_minute(void **state)
{
	struct peer p = stranger(PEER_ADDRESS, 2003);

	(void)state;
	fill_half_open();
	ask(&p);
	world.now_us += 30000000;
	peer_send(&p, ACK, NULL, 0);
	world_turn();
	assert_non_null(world_event(IX_EV_KNOCK, 0));
}

static void test_without_cookies_nobody_looks_for_them(void **state)
{
	struct peer p = stranger(PEER_ADDRESS, 2004);

	(void)state;
	world_pass(1);
	world.now_us += 100000000; /* the last one was sent long ago */
	world_turn();
	p.ack = 1;
	expect_refused(&p);
}

/* 100,000 requests from everywhere: nothing is kept, the connection there is goes on, new ones are taken. */
static void test_flood(void **state)
{
	struct peer old = { 0 }, young;
	ix_handle_t h = peer_open(&old, PORT, 5);
	size_t blocks = 0, most = 0;

	(void)state;
	for (unsigned n = 0; n < FLOOD; n += BURST) {
		for (unsigned i = 0; i < BURST - 1; i++) {
			struct peer p = stranger(0x0a000100u + (n + i) % 200, (uint16_t)(1 + (n + i) % 65535));

			p.seq = n * 2654435761u;
			peer_send(&p, SYN, NULL, 0);
		}
		world.sent_count = world.taken = 0;
		world.now_us += 1000;
		peer_send(&old, ACK | PSH, "x", 1);
		world_turn();
		assert_int_equal(world_event_count(IX_EV_KNOCK), 0);
		assert_int_equal(world_event(IX_EV_RECV, 0)->len, 1);
		assert_int_equal(net_recv_done(h, 1), IX_OK);
		if (n == 200 * BURST)
			blocks = fake_slab_blocks;
		if (n > 200 * BURST)
			most = MAX(most, fake_slab_blocks);
		if (n % (256 * BURST) == 0) {
			young = stranger(PEER_ADDRESS, (uint16_t)(40000 + n / BURST));
			world.sent_count = world.taken = 0;
			peer_send(&young, SYN, NULL, 0);
			world_turn();
			assert_non_null(peer_take(&young));
			peer_send(&young, ACK, NULL, 0);
			world_turn();
			assert_int_equal(world_event_count(IX_EV_KNOCK), 1);
			assert_int_equal(net_reject(world_event(IX_EV_KNOCK, 0)->handle), IX_OK);
		}
	}
	assert_in_range(most, blocks - 64, blocks + 64);
	assert_true(stats_now().cookies_sent > FLOOD / 2);
	assert_int_equal(net_self.half_open_count, WORLD_HALF_OPEN);
}

static void test_a_small_segment_size_has_no_cookie(void **state)
{
	struct peer p = stranger(PEER_ADDRESS, 2005);
	uint64_t dropped = stats_now().backlog_dropped;

	(void)state;
	fill_half_open();
	world.mss = 100;
	peer_send(&p, SYN, NULL, 0);
	world_turn();
	world.mss = 0;
	assert_null(peer_take(&p)); /* 536 would be more than it can take */
	assert_int_equal(stats_now().backlog_dropped, dropped + 1);
}

/* ---- backlog ---- */
static void test_backlog_is_bounded(void **state)
{
	struct peer p[WORLD_BACKLOG + 1] = { 0 };
	ix_handle_t h[WORLD_BACKLOG];
	uint64_t dropped;

	(void)state;
	for (unsigned i = 0; i < WORLD_BACKLOG; i++)
		h[i] = peer_knock(&p[i], PORT);
	p[WORLD_BACKLOG] = stranger(PEER_ADDRESS, 2006);
	dropped = stats_now().backlog_dropped;
	peer_send_at(&p[WORLD_BACKLOG], p[WORLD_BACKLOG].seq, SYN, NULL, 0);
	world_turn();
	assert_null(peer_take(&p[WORLD_BACKLOG])); /* neither taken nor refused */
	assert_int_equal(stats_now().backlog_dropped, dropped + 1);
	assert_int_equal(net_accept(h[0], 1), IX_OK);
	assert_int_equal(net_reject(h[1]), IX_OK);
	p[WORLD_BACKLOG].seq++;
	peer_send_at(&p[WORLD_BACKLOG], p[WORLD_BACKLOG].seq - 1, SYN, NULL, 0);
	world_turn();
	assert_int_equal(seg_flags(peer_take(&p[WORLD_BACKLOG])), SYN | ACK);
	peer_send(&p[WORLD_BACKLOG], ACK, NULL, 0);
	world_turn();
	assert_int_equal(world_event_count(IX_EV_KNOCK), 1);
}

static void test_half_open_ones_wait_for_room(void **state)
{
	struct peer p[WORLD_BACKLOG + 1];
	ix_handle_t first = 0;

	(void)state;
	for (unsigned i = 0; i <= WORLD_BACKLOG; i++) {
		p[i] = stranger(PEER_ADDRESS, (uint16_t)(2100 + i));
		peer_send(&p[i], SYN, NULL, 0);
	}
	world_turn();
	world_turn();
	for (unsigned i = 0; i <= WORLD_BACKLOG; i++) {
		assert_non_null(peer_take(&p[i]));
		world.taken = 0;
		peer_send(&p[i], ACK, NULL, 0);
		world_turn();
		assert_int_equal(world_event_count(IX_EV_KNOCK), i < WORLD_BACKLOG);
		if (i == 0)
			first = world_event(IX_EV_KNOCK, 0)->handle;
	}
	while (peer_take(&p[WORLD_BACKLOG]))
		;
	assert_int_equal(net_accept(first, 1), IX_OK);
	world_pass(1500);
	assert_int_equal(seg_flags(peer_take(&p[WORLD_BACKLOG])), SYN | ACK); /* we ask again */
	peer_send(&p[WORLD_BACKLOG], ACK, NULL, 0);
	world_turn();
	assert_int_equal(world_event_count(IX_EV_KNOCK), 1);
}

/* Anybody can send one while a handshake is under way: what was asked for first counts. */
static void test_another_syn_changes_nothing(void **state)
{
	struct peer p = stranger(PEER_ADDRESS, 2300), other;
	const struct tcp_pcb *pcb;

	(void)state;
	peer_send(&p, SYN, NULL, 0);
	world_turn();
	world_turn();
	assert_non_null(peer_take(&p));
	other = p;
	other.has_ts = true;
	other.ts = 77;
	world.mss = 536;
	peer_send_at(&other, p.seq + 5000, SYN, NULL, 0);
	world_turn();
	world.mss = 0;
	peer_send(&p, ACK, NULL, 0);
	world_turn();
	assert_int_equal(world_event_count(IX_EV_KNOCK), 1);
	pcb = pcb_of(conn_find(world_event(IX_EV_KNOCK, 0)->handle));
	assert_false(pcb->flags & TF_TIMESTAMP);
	assert_int_equal(pcb->mss, world.is_ip6 ? 1440 : 1460);
}

static void test_a_cookie_waits_for_room(void **state)
{
	struct peer p[WORLD_BACKLOG] = { 0 }, late = stranger(PEER_ADDRESS, 2200);
	ix_handle_t h = 0;

	(void)state;
	fill_half_open();
	ask(&late);
	world_pass(80000); /* the half-open ones expire, the cookie is renewed */
	fill_half_open();
	late.seq--;
	ask(&late);
	world_pass(0);
	world.now_us += 1000;
	for (unsigned i = 0; i < WORLD_BACKLOG; i++)
		h = peer_knock(&p[i], PORT); /* by cookies, too */
	peer_send_at(&late, late.seq, ACK, NULL, 0);
	while (peer_take(&late))
		;
	world_turn();
	assert_null(peer_take(&late));
	assert_int_equal(world_event_count(IX_EV_KNOCK), 0);
	assert_int_equal(net_accept(h, 1), IX_OK);
	peer_send_at(&late, late.seq, ACK | PSH, data, 10);
	world_turn();
	assert_int_equal(world_event_count(IX_EV_KNOCK), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_cookie_becomes_a_connection),
		TEST(test_cookie_with_timestamps),
		TEST(test_cookie_comes_back_to_where_it_arrived),
		TEST(test_forged_cookies_are_refused),
		TEST(test_cookie_lives_for_half_a_minute),
		TEST(test_without_cookies_nobody_looks_for_them),
		TEST(test_flood),
		TEST(test_a_small_segment_size_has_no_cookie),
		TEST(test_backlog_is_bounded),
		TEST(test_half_open_ones_wait_for_room),
		TEST(test_another_syn_changes_nothing),
		TEST(test_a_cookie_waits_for_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
