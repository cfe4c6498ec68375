/* SPDX-License-Identifier: MIT */
/* Moves that do not go smoothly: ring 3 is told late, or the other core has no room for a connection that is to follow. */
#include "kernel/event/event.h"
#include "test/fake/slab.h"
#include "test/unit/net/one.h"

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
	(void)net_take_moved();
	assert_int_equal(net_set(handle, IX_SET_NODELAY, 1), IX_MOVED);
	assert_int_equal(net_shutdown(handle), IX_MOVED);
	assert_int_equal(net_set(handle + (1ull << 32), IX_SET_NODELAY, 1), IX_BAD_HANDLE); /* of no life yet */
	assert_int_equal(net_take_moved(), 2);
	assert_int_equal(net_take_moved(), 0);
	assert_int_equal(net_release(handle), IX_OK);
	assert_int_equal(wait_for(IX_EV_MOVED), o.to);
	cores_all(2);
	cores_switch(core);
	assert_int_equal(net_set(handle, IX_SET_NODELAY, 1), IX_MOVED); /* it has gone from here */
	assert_int_equal(net_take_moved(), 1);
	cores_switch(o.to);
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

/* The next order for a group begins in the turn that answers the last one: nothing else would wake the boot core for it. */
static void test_next_order(void **state)
{
	uint32_t from, first, second;
	struct order o = { .op = ORDER_MOVE };

	(void)state;
	begin();
	o.group = MODE == CORES_QUEUE ? 3 : 99;
	from = flow_owner((uint8_t)o.group);
	first = from == 1 ? 2 : 1;
	second = first + 1;
	cores_switch(0);
	o.to = first;
	assert_int_equal(order_submit(&o), 0);
	o.to = second;
	assert_int_equal(order_submit(&o), 0);
	under_way = 2;
	for (unsigned n = 0; under_way == 2; n++) {
		assert_true(n < 20);
		for (uint32_t core = CORES_IN_TEST; core-- > 0;)
			cores_turn(core);
	}
	for (unsigned n = 0; n < 20; n++)
		for (uint32_t core = 1; core < CORES_IN_TEST; core++)
			cores_turn(core);
	assert_int_equal(flow_owner((uint8_t)o.group), second);
	cores_all(2);
	assert_int_equal(under_way, 0);
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
		cmocka_unit_test(test_told_late),       cmocka_unit_test(test_refused),
		cmocka_unit_test(test_connect_refused), cmocka_unit_test(test_next_order),
		cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
