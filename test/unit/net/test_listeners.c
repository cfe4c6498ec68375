/* SPDX-License-Identifier: MIT */
/* A core follows what others listen on: ports that go from one entry of the table to another between two of its turns, and no memory. */
#include "test/fake/slab.h"
#include "test/unit/net/one.h"

#define FOLLOWER 1u /* the core that follows; what is called is called on core 0 */

static ix_handle_t listen_on(uint16_t port)
{
	struct ix_endpoint any = { .port = port };
	ix_handle_t handle;

	cores_switch(0);
	assert_int_equal(net_listen(&any, port, &handle), IX_OK);
	return handle;
}

static void unlisten(ix_handle_t handle)
{
	cores_switch(0);
	assert_int_equal(net_unlisten(handle), IX_OK);
}

/* Flags of what the follower answers to a request for @port. */
static unsigned answer_of(uint16_t port)
{
	static uint16_t from = 5000;
	struct peer p = { .address = PEER_ADDRESS, .port = ++from, .our_port = port, .seq = 1, .window = 60000 };
	const struct sent *s = NULL;

	steering = FOLLOWER;
	while (peer_take(&p))
		;
	peer_send(&p, SYN, NULL, 0);
	for (unsigned ms = 0; ms < 20 && !s; ms++) {
		cores_all(1);
		s = peer_take(&p);
	}
	assert_non_null(s);
	if (seg_flags(s) & SYN)
		peer_send(&p, RST, NULL, 0);
	cores_all(2);
	return seg_flags(s);
}

/* The later entry is free, and the one before it has its port, when the other core comes to look. */
static void test_port_in_another_entry(void **state)
{
	ix_handle_t first, second;

	(void)state;
	begin();
	first = listen_on(100);
	second = listen_on(101);
	cores_all(2);
	assert_int_equal(answer_of(101), SYN | ACK);
	unlisten(first);
	unlisten(second);
	first = listen_on(101);
	second = listen_on(100);
	cores_all(2);
	assert_int_equal(answer_of(100), SYN | ACK);
	assert_int_equal(answer_of(101), SYN | ACK);
	unlisten(first);
	unlisten(second);
	cores_all(2);
	assert_true(answer_of(101) & RST);
	assert_true(answer_of(100) & RST);
}

/* What there was no memory for, it opens as soon as there is some, though nothing is announced any more. */
static void test_no_memory(void **state)
{
	ix_handle_t handle;

	(void)state;
	begin();
	for (size_t blocks = 0; blocks < 2; blocks++) { /* not even for the first block, or not for the listener */
		handle = listen_on(102);
		fake_slab_fail_from = blocks;
		cores_turn(FOLLOWER);
		fake_slab_fail_from = SIZE_MAX;
		cores_all(2);
		assert_int_equal(answer_of(102), SYN | ACK);
		unlisten(handle);
		cores_all(2);
		assert_true(answer_of(102) & RST);
	}
}

/* The stages of the follower's turn before and after what others do meanwhile. */
static void turn_begins(void)
{
	cores_switch(FOLLOWER);
	net_tx_reclaim();
	order_poll();
}

static void turn_goes_on(void)
{
	struct buf *frames[NIC_BURST_MAX];

	cores_switch(FOLLOWER);
	net_input(frames, flow_rx(frames, NIC_BURST_MAX), true);
	net_output();
	flow_tx_flush();
}

static ix_handle_t bind_udp(uint16_t port, uint64_t cookie)
{
	struct ix_endpoint any = { .port = port };
	ix_handle_t handle;

	cores_switch(0);
	assert_int_equal(net_udp_bind(&any, cookie, &handle), IX_OK);
	return handle;
}

static void unbind(ix_handle_t handle)
{
	cores_switch(0);
	assert_int_equal(net_udp_unbind(handle), IX_OK);
}

static void send_datagram(uint16_t port)
{
	struct peer p = { .address = PEER_ADDRESS, .port = 999, .our_port = port };

	steering = FOLLOWER;
	peer_udp(&p, "abc", 3);
}

/* What came to a socket is told with its cookie and its handle, though it is gone and its entry is another one's by then. */
static void test_datagram_of_an_earlier_life(void **state)
{
	ix_handle_t first, second;
	const struct ix_event *e;

	(void)state;
	begin();
	for (unsigned is_tcp = 0; is_tcp < 2; is_tcp++) {
		first = bind_udp(200, 0xaaaa);
		cores_all(2);
		send_datagram(200);
		turn_begins();
		turn_goes_on();
		unbind(first);
		second = is_tcp ? listen_on(201) : bind_udp(201, 0xbbbb);
		cores_switch(FOLLOWER);
		world_events(&cores.events[FOLLOWER]);
		e = event_on(FOLLOWER, IX_EV_UDP_RECV);
		assert_non_null(e);
		assert_int_equal(e->cookie, 0xaaaa);
		assert_int_equal(e->handle, first);
		assert_int_equal(net_udp_recv_done(first, 1), IX_BAD_HANDLE);
		if (is_tcp)
			unlisten(second);
		else
			unbind(second);
		cores_all(2);
	}
}

/* What comes for a socket that this core does not follow yet does not go into the queue of the one whose entry it has. */
static void test_datagram_of_a_later_life(void **state)
{
	ix_handle_t first, second;
	const struct ix_event *e;

	(void)state;
	begin();
	first = bind_udp(200, 0xaaaa);
	cores_all(2);
	turn_begins();
	unbind(first);
	second = bind_udp(201, 0xbbbb);
	send_datagram(201);
	turn_goes_on();
	assert_false(net_has_events());
	cores_all(2);
	send_datagram(201);
	cores_turn(FOLLOWER);
	e = event_on(FOLLOWER, IX_EV_UDP_RECV);
	assert_non_null(e);
	assert_int_equal(e->cookie, 0xbbbb);
	assert_int_equal(e->handle, second);
	assert_int_equal(net_udp_recv_done(second, 1), IX_OK);
	unbind(second);
	cores_all(2);
}

/* A handle that one core has just made is good on the others at once. */
static void test_handle_of_this_turn(void **state)
{
	struct ix_endpoint to = world_endpoint(PEER_ADDRESS, 53);
	struct net_range r = { .data = (const uint8_t *)"x", .bytes = 1 };
	ix_handle_t first, second;
	uint64_t sent;

	(void)state;
	begin();
	first = bind_udp(200, 0xaaaa);
	cores_switch(FOLLOWER);
	assert_int_equal(net_udp_send(first, &to, &r, &sent), IX_OK);
	unbind(first);
	second = bind_udp(201, 0xbbbb);
	cores_switch(FOLLOWER);
	assert_int_equal(net_udp_send(first, &to, &r, &sent), IX_BAD_HANDLE);
	assert_int_equal(net_udp_send(second, &to, &r, &sent), IX_OK);
	unbind(second);
	cores_all(20);
}

/* A request for a port that is listened on since this core's last look is not refused: it comes again and is served. */
static void test_request_before_the_look(void **state)
{
	struct peer p = { .address = PEER_ADDRESS, .port = 4999, .our_port = 301, .seq = 1, .window = 60000 };
	ix_handle_t first, second;

	(void)state;
	begin();
	first = listen_on(300);
	cores_all(2);
	turn_begins();
	unlisten(first);
	second = listen_on(301);
	while (peer_take(&p))
		;
	steering = FOLLOWER;
	peer_send(&p, SYN, NULL, 0);
	turn_goes_on();
	cores_all(2);
	assert_null(peer_take(&p));
	assert_int_equal(answer_of(301), SYN | ACK);
	unlisten(second);
	cores_all(2);
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
		cmocka_unit_test(test_port_in_another_entry),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_datagram_of_an_earlier_life),
		cmocka_unit_test(test_datagram_of_a_later_life),
		cmocka_unit_test(test_handle_of_this_turn),
		cmocka_unit_test(test_request_before_the_look),
		cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
