/* SPDX-License-Identifier: MIT */
/*
 * One thing at a time that a connection takes along when it changes cores: a timer that runs, what is left
 * of a closed one, an attempt to connect, a request that is not complete, a delayed acknowledgement.
 */
#include "kernel/net/away.h"
#include "kernel/net/demux.h"
#include "test/unit/net/one.h"

/* Data that nobody acknowledges is sent again, by the core that has it, when it would have been. */
static void test_retransmission(void **state)
{
	struct net_range r = { .data = (const uint8_t *)"some data", .bytes = 9 };
	const struct sent *s;
	ix_handle_t handle;
	uint64_t taken, sent_us;
	struct peer p;
	uint32_t core, to;

	(void)state;
	begin();
	core = open_one(&p, &handle);
	to = (core + 1) % CORES_IN_TEST;
	cores_switch(core);
	assert_int_equal(net_send(handle, &r, 0, &taken), IX_OK);
	cores_all(2);
	sent_us = world.now_us;
	assert_int_equal(seg_bytes(peer_take(&p)), 9);
	cores_all(50);
	move(&p, to);
	while (!(s = peer_take(&p))) {
		assert_true(world.now_us < sent_us + 1000000);
		cores_all(1);
	}
	assert_int_equal(seg_bytes(s), 9);
	assert_true(world.now_us > sent_us + 100000); /* not because of the move */
	close_one(&p, handle, to);
}

/* An acknowledgement that was put off does not wait for the other core to have a reason. */
static void test_delayed_ack(void **state)
{
	const struct sent *s = NULL;
	ix_handle_t handle;
	struct peer p;
	uint32_t core;

	(void)state;
	begin();
	core = open_one(&p, &handle);
	while (peer_take(&p))
		;
	cores_switch(0);
	peer_send(&p, ACK | PSH, "x", 1);
	(void)wait_for(IX_EV_RECV);
	assert_null(peer_take(&p));
	move(&p, (core + 2) % CORES_IN_TEST);
	for (unsigned ms = 0; ms < 15 && !s; ms++) {
		s = peer_take(&p);
		cores_all(1);
	}
	assert_non_null(s);
	assert_int_equal(seg_ack(s), p.seq);
	close_one(&p, handle, (core + 2) % CORES_IN_TEST);
}

/* Segments that any core passed on to the next. */
static uint64_t walked(void)
{
	struct net_stats s;
	uint64_t sum = 0;

	for (uint32_t core = 0; core < CORES_IN_TEST; core++) {
		cores_switch(core);
		net_stats(&s);
		sum += s.misplaced;
	}
	return sum;
}

/* What a closed connection left is known to the new core: the peer's FIN, once more, is acknowledged, not reset. */
static void test_time_wait(void **state)
{
	const struct sent *s = NULL;
	ix_handle_t handle;
	uint64_t before;
	struct peer p;
	uint32_t core;

	(void)state;
	begin();
	core = open_one(&p, &handle);
	cores_switch(core);
	assert_int_equal(net_close(handle), IX_OK);
	cores_all(2);
	while ((s = peer_take(&p)) && !(seg_flags(s) & FIN))
		;
	assert_non_null(s);
	cores_switch(0);
	peer_send(&p, ACK | FIN, NULL, 0);
	cores_all(20);
	while (peer_take(&p))
		;
	move(&p, (core + 1) % CORES_IN_TEST);
	assert_null(peer_take(&p));
	before = walked();
	cores_switch(0);
	peer_send_at(&p, p.seq - 1, ACK | FIN, NULL, 0);
	for (unsigned ms = 0; ms < 10 && !(s = peer_take(&p)); ms++)
		cores_all(1);
	assert_int_equal(walked(), before); /* it knows by itself, nobody had to be asked */
	assert_non_null(s);
	assert_int_equal(seg_flags(s), ACK);
	assert_int_equal(seg_ack(s), p.seq);
}

/* A request that is half way through goes along; ring 3 hears of it on the new core only. */
static void test_half_open(void **state)
{
	struct peer p = { .address = PEER_ADDRESS, .port = 2999, .our_port = PORT, .seq = 12345, .window = 60000 };
	const struct sent *s = NULL;
	uint32_t to, core;

	(void)state;
	begin();
	cores_switch(0);
	peer_send(&p, SYN, NULL, 0);
	for (unsigned ms = 0; ms < 20 && !s; ms++) {
		cores_all(1);
		s = peer_take(&p);
	}
	assert_non_null(s);
	to = (flow_owner(group_of(&p)) + 3) % CORES_IN_TEST;
	move(&p, to);
	cores_switch(0);
	peer_send(&p, ACK, NULL, 0);
	core = wait_for(IX_EV_KNOCK);
	assert_int_equal(core, to);
	assert_int_equal(net_reject(event_on(core, IX_EV_KNOCK)->handle), IX_OK);
	cores_all(3);
	while (peer_take(&p))
		;
}

/* ---- where groups are queues ---- */
static uint32_t hash_of(const struct peer *p)
{
	struct demux_tuple t = { .remote = be32(p->address),
				 .local = be32(WORLD_ADDRESS),
				 .remote_port = be16(p->port),
				 .local_port = be16(p->our_port) };

	return demux_hash(&t);
}

/* The first answer shows where the connection belongs: there `connected` is said, unless it is pinned. */
static void test_connect(void **state)
{
	struct peer p;
	ix_handle_t handle;
	uint32_t core, to;

	(void)state;
	begin();
	if (MODE != CORES_QUEUE)
		return;
	for (unsigned is_pinned = 0; is_pinned < 2; is_pinned++) {
		cores_switch(1);
		handle = connect_to(&p, is_pinned ? IX_CONNECT_PINNED : 0);
		steering = foreign_queue(1);
		to = flow_owner((uint8_t)steering);
		cores_switch(0);
		peer_send(&p, SYN | ACK, NULL, 0);
		if (!is_pinned) {
			core = wait_for(IX_EV_MOVING);
			assert_int_equal(core, 1);
			assert_null(event_on(1, IX_EV_CONNECTED));
			assert_int_equal(event_on(1, IX_EV_MOVING)->detail, to);
			assert_int_equal(net_release(handle), IX_OK);
		}
		core = wait_for(IX_EV_CONNECTED);
		assert_int_equal(core, is_pinned ? 1 : to);
		if (!is_pinned) {
			assert_int_equal(event_on(to, IX_EV_MOVED)->cookie, 77);
			assert_int_equal(cores.events[to].events[0].kind, IX_EV_MOVED);
		}
		assert_int_equal(away_has(hash_of(&p)), !is_pinned);
		close_one(&p, handle, core);
		assert_false(away_has(hash_of(&p)));
	}
}

/* There and back again: at home nobody has to be told of it. */
static void test_back(void **state)
{
	ix_handle_t handle;
	unsigned home = 0;
	struct peer p;

	(void)state;
	begin();
	if (MODE != CORES_QUEUE)
		return;
	cores_switch(1);
	handle = connect_to(&p, 0);
	while (flow_owner((uint8_t)home) != 1)
		home++;
	steering = home;
	cores_switch(0);
	peer_send(&p, SYN | ACK, NULL, 0);
	assert_int_equal(wait_for(IX_EV_CONNECTED), 1);
	assert_false(away_has(hash_of(&p)));
	move(&p, 3);
	assert_true(away_has(hash_of(&p)));
	move(&p, 2);
	assert_true(away_has(hash_of(&p)));
	move(&p, 1);
	assert_false(away_has(hash_of(&p)));
	close_one(&p, handle, 1);
}

/* As if connections of all odd hashes had gone elsewhere, or as if they ended there. */
static void fill_odd(bool is_full)
{
	static struct {
		struct tcp_pcb pcb;
		uint8_t room[sizeof(struct conn) + 64];
	} block;
	struct conn *c = conn_of(&block.pcb);

	block.pcb.local_port = PORT_FIRST;
	for (c->hash = 1; c->hash < 1u << 16; c->hash += 2) {
		c->flags = is_full ? CONN_HASHED : CONN_AWAY;
		if (is_full)
			assert_true(away_begin(c));
		else
			away_drop(c);
	}
}

/* No port is chosen that may be in use elsewhere. */
static void test_ports(void **state)
{
	ix_handle_t handle;
	struct peer p;

	(void)state;
	begin();
	if (MODE != CORES_QUEUE)
		return;
	fill_odd(true);
	for (unsigned i = 0; i < 24; i++) {
		cores_switch(i % CORES_IN_TEST);
		handle = connect_to(&p, 0);
		assert_int_equal(hash_of(&p) % 2, 0);
		assert_int_equal(p.our_port % CORES_IN_TEST, i % CORES_IN_TEST);
		close_one(&p, handle, i % CORES_IN_TEST);
	}
	fill_odd(false);
}

/* Eight segments in a row from one other core, and the connection is there; seven are not enough. */
static void test_eight(void **state)
{
	ix_handle_t handle;
	uint32_t core, to;
	unsigned home, other;
	struct peer p;

	(void)state;
	begin();
	if (MODE != CORES_QUEUE)
		return;
	home = steering;
	core = open_one(&p, &handle);
	other = foreign_queue(core);
	to = flow_owner((uint8_t)other);
	for (unsigned row = 0; row < 3; row++) { /* interrupted in time */
		steering = other;
		for (unsigned i = 0; i < 7; i++) {
			cores_switch(0);
			peer_send(&p, ACK | PSH, "y", 1);
			cores_all(8);
			for (uint32_t c = 0; c < CORES_IN_TEST; c++)
				assert_null(event_on(c, IX_EV_MOVING));
		}
		steering = home;
		cores_switch(0);
		peer_send(&p, ACK | PSH, "y", 1);
		cores_all(8);
	}
	steering = other;
	for (unsigned i = 0; i < 8; i++) {
		cores_switch(0);
		peer_send(&p, ACK | PSH, "y", 1);
		if (i < 7)
			cores_all(8);
	}
	assert_int_equal(wait_for(IX_EV_MOVING), core);
	assert_int_equal(net_release(handle), IX_OK);
	assert_int_equal(wait_for(IX_EV_MOVED), to);
	assert_non_null(event_on(to, IX_EV_RECV)); /* the eighth */
	close_one(&p, handle, to);
}

/* ---- where groups are not queues ---- */
static void give_all_away(uint32_t core)
{
	for (unsigned g = 0; g < flow_groups(); g++) {
		struct order o = { .op = ORDER_MOVE, .group = g, .to = (core + 1 + g % 3) % CORES_IN_TEST };

		if (flow_owner((uint8_t)g) != core)
			continue;
		cores_switch(0);
		assert_int_equal(order_submit(&o), 0);
		under_way = 1;
		while (under_way)
			cores_all(1);
		assert_int_equal(last_status, 0);
	}
}

/* A core that has just come, or is about to leave, has no group: what it begins goes where the first answer arrives. */
static void test_bare(void **state)
{
	ix_handle_t handle;
	struct peer p;
	uint32_t to;

	(void)state;
	begin();
	if (MODE == CORES_QUEUE)
		return;
	give_all_away(2);
	for (unsigned is_pinned = 0; is_pinned < 2; is_pinned++) {
		cores_switch(2);
		handle = connect_to(&p, is_pinned ? IX_CONNECT_PINNED : 0);
		to = flow_owner(group_of(&p));
		assert_int_not_equal(to, 2);
		cores_switch(0);
		peer_send(&p, SYN | ACK, NULL, 0);
		if (!is_pinned) {
			assert_int_equal(wait_for(IX_EV_MOVING), 2);
			assert_int_equal(event_on(2, IX_EV_MOVING)->detail, to);
			assert_int_equal(net_release(handle), IX_OK);
		}
		assert_int_equal(wait_for(IX_EV_CONNECTED), is_pinned ? 2 : to);
		close_one(&p, handle, is_pinned ? 2 : to);
	}
}

static void test_empty(void **state)
{
	(void)state;
	begin();
	cores_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_retransmission), cmocka_unit_test(test_delayed_ack),
		cmocka_unit_test(test_time_wait),      cmocka_unit_test(test_half_open),
		cmocka_unit_test(test_connect),        cmocka_unit_test(test_eight),
		cmocka_unit_test(test_back),           cmocka_unit_test(test_ports),
		cmocka_unit_test(test_bare),           cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
