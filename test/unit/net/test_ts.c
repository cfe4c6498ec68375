/* SPDX-License-Identifier: MIT */
/* Timestamps as a peer sees them: agreed on, echoed, believed, and what is too old to be true. [RFC 7323] */
#include "kernel/net/core.h"
#include "test/unit/net/world.h"

static uint8_t data[4000];

static struct peer new_peer(void)
{
	return (struct peer){ .window = 65535, .has_ts = true, .ts = 0x7fffff00u };
}

static ix_handle_t open_peer(struct peer *p)
{
	ix_handle_t h = peer_open(p, 7, 5);

	peer_send(p, ACK | PSH, "x", 1); /* so that nothing is left to acknowledge */
	world_pass(20);
	while (peer_take(p))
		;
	return h;
}

static void begin(void)
{
	world_begin(WORLD_OFFLOADS);
	world_listen(7, 1);
}

static void test_every_segment_has_one(void **state)
{
	struct net_range r = { .data = data, .bytes = sizeof(data) };
	struct peer p = new_peer();
	const struct sent *s;
	unsigned bytes = 0;
	uint64_t taken;
	ix_handle_t h;

	(void)state;
	begin();
	h = open_peer(&p);
	assert_int_equal(net_send(h, &r, 0, &taken), IX_OK);
	assert_int_equal(taken, sizeof(data));
	world_turn();
	while ((s = peer_take(&p)) != NULL) {
		assert_int_equal(seg_ts_echo(s), p.ts);
		assert_true(seg_ts(s) != 0);
		assert_true(s->bytes - seg_bytes(s) >= 34 + 32);
		assert_true(s->mss ? s->mss == 1448 : seg_bytes(s) <= 1448);
		bytes += seg_bytes(s);
	}
	assert_int_equal(bytes, sizeof(data));
	world_end();
}

static void test_clock_is_the_peers_own(void **state)
{
	struct peer p = new_peer(), q = new_peer(), other = new_peer();
	uint32_t before;

	(void)state;
	begin();
	other.address = PEER_ADDRESS + 1;
	open_peer(&p);
	open_peer(&q);
	open_peer(&other);
	before = p.ts_echo;
	assert_in_range(q.ts_echo - p.ts_echo, 0, 100); /* one host, one clock: its TIME_WAIT may go by it */
	assert_true(other.ts_echo - q.ts_echo > 1000);
	world_pass(500);
	peer_send(&p, ACK | PSH, "y", 1);
	world_pass(20);
	assert_non_null(peer_take(&p));
	assert_in_range(p.ts_echo - before, 500, 600);
	world_end();
}

static void test_an_old_segment_is_dropped_and_acknowledged(void **state)
{
	struct peer p = new_peer();
	const struct sent *s;

	(void)state;
	begin();
	open_peer(&p);
	p.ts -= 1;
	peer_send_at(&p, p.seq, ACK | PSH, "old", 3);
	peer_send_at(&p, p.seq, ACK | PSH, "old", 3);
	world_turn();
	assert_int_equal(world_event_count(IX_EV_RECV), 0);
	s = peer_take(&p);
	assert_non_null(s);
	assert_int_equal(seg_ack(s), p.seq);
	assert_null(peer_take(&p)); /* one a batch */
	p.ts += 1;
	peer_send(&p, ACK | PSH, "new", 3);
	world_turn();
	assert_int_equal(world_event_count(IX_EV_RECV), 1);
	p.ts -= 5;
	peer_send(&p, RST | ACK, NULL, 0); /* however old */
	world_turn();
	assert_int_equal(world_event(IX_EV_DEAD, 0)->detail, IX_DEAD_RESET);
	world_end();
}

static void test_a_segment_without_is_dropped_silently(void **state)
{
	struct peer p = new_peer();

	(void)state;
	begin();
	open_peer(&p);
	p.has_ts = false;
	peer_send_at(&p, p.seq, ACK | PSH, "bare", 4);
	world_pass(30);
	assert_null(peer_take(&p));
	p.has_ts = true;
	peer_send(&p, ACK | PSH, "full", 4);
	world_turn();
	assert_int_equal(world_event(IX_EV_RECV, 0)->len, 4);
	world_end();
}

static void test_what_is_remembered_goes_stale(void **state)
{
	static const uint64_t day_us = 86400000000ull;
	struct peer p = new_peer();

	(void)state;
	begin();
	open_peer(&p);
	p.ts -= 1000;
	world.now_us += 23 * day_us;
	peer_send_at(&p, p.seq, ACK | PSH, "a", 1);
	world_turn();
	assert_int_equal(world_event_count(IX_EV_RECV), 0);
	world.now_us += 2 * day_us;
	peer_send(&p, ACK | PSH, "b", 1);
	world_turn();
	assert_int_equal(world_event_count(IX_EV_RECV), 1);
	world_pass(20);
	world_end();
}

/* lwIP sends both without options. */
static void test_probes_and_keepalives_have_one(void **state)
{
	struct net_range r = { .data = data, .bytes = 3 };
	struct peer p = new_peer();
	const struct sent *s;
	uint64_t taken;
	ix_handle_t h;

	(void)state;
	begin();
	h = open_peer(&p);
	assert_int_equal(net_set(h, IX_SET_KEEPALIVE, 1000), IX_OK);
	world_pass(1100);
	s = peer_take(&p);
	assert_non_null(s);
	assert_int_equal(seg_bytes(s), 0);
	assert_int_equal(seg_seq(s), p.ack - 1);
	assert_int_equal(seg_ts_echo(s), p.ts);
	p.window = 0;
	peer_send(&p, ACK, NULL, 0);
	world_turn();
	data[0] = 0xa5;
	assert_int_equal(net_send(h, &r, 0, &taken), IX_OK);
	world_pass(1000);
	s = peer_take(&p);
	assert_non_null(s);
	assert_int_equal(seg_bytes(s), 1);
	assert_int_equal(*seg_data(s), 0xa5);
	assert_int_equal(seg_ts_echo(s), p.ts);
	world_end();
}

static void test_an_echo_measures_what_was_sent_again(void **state)
{
	struct net_range r = { .data = data, .bytes = 100 };
	struct peer p = new_peer();
	uint64_t taken;
	ix_handle_t h;
	int before;

	(void)state;
	begin();
	h = open_peer(&p);
	before = pcb_of(conn_find(h))->sa;
	world.is_losing = true;
	assert_int_equal(net_send(h, &r, 0, &taken), IX_OK);
	world_pass(150);
	world.is_losing = false;
	for (unsigned ms = 0; ms < 3000 && !peer_take(&p); ms++)
		world_pass(1); /* until it is sent again */
	world_pass(80);
	peer_send(&p, ACK, NULL, 0);
	world_turn();
	assert_in_range(pcb_of(conn_find(h))->sa, before + 10, before + 160);
	world_end();
}

static const uint8_t *tcp_of(unsigned i)
{
	return world.sent[i].data + world_l4_at(world.sent[i].data);
}

static void test_off_means_neither_offered_nor_agreed(void **state)
{
	struct peer p = new_peer(), q = { .address = PEER_ADDRESS };
	struct ix_connect wish = { 0 };
	const struct sent *s;
	ix_handle_t h;

	(void)state;
	begin();
	net_shared.has_timestamps = false;
	peer_knock(&p, 7);
	assert_int_equal(p.ts_echo, 0);
	wish.remote = world_endpoint(PEER_ADDRESS, 99);
	assert_int_equal(net_connect(&wish, 0, &h), IX_OK);
	world_turn();
	for (unsigned i = 0; i < world.sent_count; i++)
		if (tcp_of(i)[2] == 0 && tcp_of(i)[3] == 99)
			q.port = (uint16_t)(tcp_of(i)[2] << 8 | tcp_of(i)[3]);
	assert_int_equal(q.port, 99);
	world.taken = 0;
	while ((s = peer_take(&q)) != NULL)
		assert_int_equal(seg_ts(s), 0);
	net_shared.has_timestamps = true;
	world_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_segment_has_one),
		cmocka_unit_test(test_clock_is_the_peers_own),
		cmocka_unit_test(test_an_old_segment_is_dropped_and_acknowledged),
		cmocka_unit_test(test_a_segment_without_is_dropped_silently),
		cmocka_unit_test(test_what_is_remembered_goes_stale),
		cmocka_unit_test(test_probes_and_keepalives_have_one),
		cmocka_unit_test(test_an_echo_measures_what_was_sent_again),
		cmocka_unit_test(test_off_means_neither_offered_nor_agreed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
