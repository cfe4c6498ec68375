/* SPDX-License-Identifier: MIT */
/*
 * One thing at a time that a connection takes along when it changes cores: a timer that runs, what is left
 * of a closed one, an attempt to connect, a request that is not complete, a delayed acknowledgement.
 */
#include "kernel/event/event.h"
#include "kernel/order/order.h"
#include "test/fake/slab.h"
#include "test/unit/net/cores.h"

#ifndef MODE
#define MODE CORES_HASH
#endif
#define PORT 7u

static unsigned under_way;
static int last_status;
static unsigned steering; /* CORES_QUEUE: to which queue the peer's segments come */

static uint8_t queue_of(uint16_t port)
{
	(void)port;
	return (uint8_t)steering;
}

static void on_answer(const struct order_answer *a)
{
	under_way--;
	last_status = a->status;
}

static const struct ix_event *event_on(uint32_t core, enum ix_event_kind kind)
{
	for (unsigned i = 0; i < cores.events[core].count; i++)
		if (cores.events[core].events[i].kind == kind)
			return &cores.events[core].events[i];
	return NULL;
}

/* A millisecond each, until some core writes an event of @kind: that core, which is then present. */
static uint32_t wait_for(enum ix_event_kind kind)
{
	for (unsigned ms = 0; ms < 3000; ms++) {
		world.now_us += 1000;
		for (uint32_t core = 0; core < CORES_IN_TEST; core++) {
			cores_turn(core);
			if (event_on(core, kind))
				return core;
		}
	}
	fail_msg("no event of kind %u", kind);
	return 0;
}

static uint8_t group_of(const struct peer *p)
{
	struct ix_endpoint e = world_endpoint(p->address, 0);
	be32_t remote;

	memcpy(&remote, e.addr + 12, sizeof(remote));
	return MODE == CORES_QUEUE ? (uint8_t)steering
				   : flow_group_of_tuple(remote, be32(WORLD_ADDRESS), be16(p->port), be16(p->our_port));
}

/* The group of @p to core @to; ring 3 releases at once. */
static void move(const struct peer *p, uint32_t to)
{
	struct order o = { .op = ORDER_MOVE, .group = group_of(p), .to = to };

	cores_switch(0);
	assert_int_equal(order_submit(&o), 0);
	under_way = 1;
	for (unsigned ms = 0; under_way; ms++) {
		assert_true(ms < 100);
		world.now_us += 100;
		for (uint32_t core = 0; core < CORES_IN_TEST; core++) {
			cores_turn(core);
			for (unsigned i = 0; i < cores.events[core].count; i++)
				if (cores.events[core].events[i].kind == IX_EV_MOVING)
					assert_int_equal(net_release(cores.events[core].events[i].handle), IX_OK);
		}
	}
	assert_int_equal(last_status, 0);
}

/* Return: the core that it is on. */
static uint32_t open_one(struct peer *p, ix_handle_t *handle)
{
	static uint16_t port = 3000;
	const struct sent *s = NULL;
	uint32_t core;

	*p = (struct peer){
		.address = PEER_ADDRESS, .port = ++port, .our_port = PORT, .seq = port * 7777u, .window = 60000
	};
	cores_switch(0);
	while (peer_take(p))
		;
	peer_send(p, SYN, NULL, 0);
	for (unsigned ms = 0; ms < 20 && !s; ms++) {
		cores_all(1);
		s = peer_take(p);
	}
	assert_non_null(s);
	assert_int_equal(seg_flags(s), SYN | ACK);
	cores_switch(0);
	peer_send(p, ACK, NULL, 0);
	core = wait_for(IX_EV_KNOCK);
	*handle = event_on(core, IX_EV_KNOCK)->handle;
	assert_int_equal(net_accept(*handle, port), IX_OK);
	cores_all(2);
	return core;
}

static void begin(void)
{
	static bool is_up;
	struct ix_endpoint any = { .port = PORT };
	ix_handle_t handle;

	steering = 0;
	world.sent_count = world.taken = 0;
	if (is_up)
		return;
	is_up = true;
	cores.queue_of = queue_of;
	cores_begin(MODE, WORLD_OFFLOADS);
	cores_switch(0);
	order_on_answer(on_answer);
	assert_int_equal(net_listen(&any, 0, &handle), IX_OK);
	cores_all(2);
}

static void close_one(struct peer *p, ix_handle_t handle, uint32_t core)
{
	cores_switch(core);
	assert_int_equal(net_abort(handle), IX_OK);
	cores_all(3);
	while (peer_take(p))
		;
}

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
	assert_int_equal(net_sendv(handle, &r, 1, 0, &taken), IX_OK);
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
static ix_handle_t connect_to(struct peer *p, unsigned flags)
{
	struct ix_connect wish = { .remote = world_endpoint(PEER_ADDRESS, 99), .cookie = 77 };
	const struct sent *s = NULL;
	ix_handle_t handle;

	assert_int_equal(net_connect(&wish, flags, &handle), IX_OK);
	*p = (struct peer){ .address = PEER_ADDRESS, .port = 99, .window = 60000, .seq = 555 };
	for (unsigned ms = 0; ms < 20 && !s; ms++) {
		cores_all(1);
		s = peer_take(p);
	}
	assert_non_null(s);
	assert_int_equal(seg_flags(s), SYN);
	p->our_port = (uint16_t)(s->data[world_l4_at(s->data)] << 8 | s->data[world_l4_at(s->data) + 1]);
	return handle;
}

/* A queue that another core than @core polls. */
static unsigned foreign_queue(uint32_t core)
{
	unsigned q = 0;

	while (flow_owner((uint8_t)q) == core)
		q++;
	return q;
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
		close_one(&p, handle, core);
	}
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

/* A turn of @core, whose array has other events already and no room. */
static void turn_full(uint32_t core)
{
	const struct ix_event other = { .kind = IX_EV_TIMER };

	cores_switch(core);
	net_tx_reclaim();
	order_poll();
	net_output();
	event_begin();
	while (event_room())
		event_push(&other);
	net_events();
}

/* Ring 3 has so much to do that it is told late: nothing goes before it has been. */
static void test_told_late(void **state)
{
	struct order o = { .op = ORDER_MOVE };
	ix_handle_t handle;
	struct peer p;
	uint32_t core;

	(void)state;
	begin();
	core = open_one(&p, &handle);
	o.group = group_of(&p);
	o.to = (core + 1) % CORES_IN_TEST;
	cores_switch(0);
	assert_int_equal(order_submit(&o), 0);
	under_way = 1;
	for (unsigned i = 0; i < 8; i++) {
		world.now_us += i < 4 ? 1000 : 1500000;
		turn_full(core);
		for (uint32_t c = 0; c < CORES_IN_TEST; c++) {
			if (c == core)
				continue;
			cores_turn(c);
			assert_null(event_on(c, IX_EV_MOVED));
		}
	}
	assert_int_equal(wait_for(IX_EV_MOVING), core);
	assert_int_equal(net_release(handle), IX_OK);
	assert_int_equal(wait_for(IX_EV_MOVED), o.to);
	cores_all(2);
	close_one(&p, handle, o.to);
}

/* A millisecond each core; there is no memory on @starved. Return: what a call on @core, which comes last, answers. */
static int turn_starved(uint32_t starved, uint32_t core, ix_handle_t handle)
{
	world.now_us += 1000;
	for (uint32_t c = 0; c < CORES_IN_TEST; c++) {
		if (c == starved)
			fake_slab_fail_from = 0;
		if (c != core)
			cores_turn(c);
		fake_slab_fail_from = SIZE_MAX;
	}
	cores_turn(core);
	return net_set(handle, IX_SET_NODELAY, 1);
}

/* The other core has no room: calls that came too late are asked for again here, as after any other move. */
static void test_refused(void **state)
{
	ix_handle_t handle;
	uint32_t core, to;
	struct peer p;
	int status = IX_OK;

	(void)state;
	begin();
	if (MODE != CORES_QUEUE)
		return;
	core = open_one(&p, &handle);
	steering = foreign_queue(core);
	to = flow_owner((uint8_t)steering);
	for (unsigned i = 0; i < 8; i++) {
		cores_switch(0);
		peer_send(&p, ACK | PSH, "y", 1);
		if (i < 7)
			cores_all(8);
	}
	for (unsigned ms = 0; ms < 8 && status == IX_OK; ms++)
		status = turn_starved(to, core, handle);
	assert_int_equal(status, IX_MOVED);
	for (unsigned ms = 0; ms < 8 && !event_on(core, IX_EV_MOVING); ms++)
		turn_starved(to, core, handle);
	assert_non_null(event_on(core, IX_EV_MOVING));
	assert_int_equal(event_on(core, IX_EV_MOVING)->detail, core);
	assert_int_equal(net_release(handle), IX_OK);
	assert_int_equal(wait_for(IX_EV_MOVED), core);
	assert_non_null(event_on(core, IX_EV_RECV)); /* the eighth */
	assert_int_equal(net_set(handle, IX_SET_NODELAY, 1), IX_OK);
	close_one(&p, handle, core);
}

/* The same of one that begins: it goes on where it was begun, and does not ask for ever. */
static void test_connect_refused(void **state)
{
	struct peer p;
	ix_handle_t handle;
	unsigned asked = 0;

	(void)state;
	begin();
	if (MODE != CORES_QUEUE)
		return;
	cores_switch(1);
	handle = connect_to(&p, 0);
	steering = foreign_queue(1);
	cores_switch(0);
	peer_send(&p, SYN | ACK, NULL, 0);
	for (unsigned ms = 0; ms < 20 && !event_on(1, IX_EV_CONNECTED); ms++) {
		turn_starved(flow_owner((uint8_t)steering), 1, handle);
		if (event_on(1, IX_EV_MOVING)) {
			assert_int_equal(net_release(handle), IX_OK);
			asked++;
		}
	}
	assert_int_equal(asked, 1);
	assert_non_null(event_on(1, IX_EV_CONNECTED));
	close_one(&p, handle, 1);
}

static void test_empty(void **state)
{
	(void)state;
	begin();
	for (uint32_t core = 0; core < CORES_IN_TEST; core++) {
		cores_switch(core);
		net_partition_end();
	}
	cores_all(500);
	cores_check_empty();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_retransmission), cmocka_unit_test(test_delayed_ack),
		cmocka_unit_test(test_time_wait),      cmocka_unit_test(test_half_open),
		cmocka_unit_test(test_connect),        cmocka_unit_test(test_eight),
		cmocka_unit_test(test_refused),        cmocka_unit_test(test_connect_refused),
		cmocka_unit_test(test_told_late),      cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
