/* SPDX-License-Identifier: MIT */
/* Datagrams both ways: in place, in order, bounded, fragments of long ones, ports that nobody has bound. */
#include "test/unit/net/world.h"

static uint8_t data[65507];

static int begin(void **state)
{
	(void)state;
	world_begin(WORLD_OFFLOADS);
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 3);
	return 0;
}

static int end(void **state)
{
	(void)state;
	world_end();
	return 0;
}

static ix_handle_t bind_port(uint16_t port)
{
	ix_handle_t h = 0;

	assert_int_equal(net_udp_bind(&(struct ix_endpoint){ .port = port }, 42, &h), IX_OK);
	return h;
}

static void test_datagram_and_answer(void **state)
{
	struct peer p = { .address = PEER_ADDRESS, .port = 999, .our_port = 7 };
	struct net_range r = { .data = data, .bytes = 1000 };
	const struct ix_event *e;
	const struct sent *s;
	unsigned at;
	uint64_t sent;
	uint32_t off;
	ix_handle_t h;

	(void)state;
	h = bind_port(7);
	peer_udp(&p, "ping", 4);
	peer_udp(&p, data, 0);
	world_turn();
	e = world_event(IX_EV_UDP_RECV, 0);
	assert_int_equal(e->len, 4);
	assert_int_equal(e->cookie, 42);
	assert_int_equal(e->handle, h);
	assert_memory_equal(buf_of_user(e->addr, 4, &off)->data + off, "ping", 4);
	assert_int_equal(world.events.peers[e->detail].remote.port, 999);
	assert_int_equal(world_event(IX_EV_UDP_RECV, 1)->len, 0);
	assert_int_equal(net_udp_send(h, &world.events.peers[e->detail].remote, &r, &sent), IX_OK);
	assert_int_equal(sent, 1000);
	world_turn();
	world_turn();
	s = &world.sent[world.sent_count - 1];
	at = world_l4_at(s->data);
	assert_int_equal(s->full_bytes, at + 1008);
	assert_memory_equal(s->data + at + 8, data, 1000);
	assert_memory_equal(s->data + at, "\0\7\3\347\3\360", 6);
	assert_int_equal(net_udp_recv_done(h, 3), IX_BAD_LENGTH);
	assert_int_equal(net_udp_recv_done(h, 0), IX_BAD_LENGTH);
	assert_int_equal(net_udp_recv_done(h, 2), IX_OK);
	assert_int_equal(net_udp_recv_done(h, 1), IX_BAD_LENGTH);
}

static void test_queue_is_bounded(void **state)
{
	struct peer p = { .address = PEER_ADDRESS, .port = 999, .our_port = 7 };
	struct net_stats stats, before;
	unsigned events = 0;
	ix_handle_t h;

	(void)state;
	h = bind_port(7);
	net_stats(&before);
	for (unsigned i = 0; i < 400; i++) {
		peer_udp(&p, data, 10);
		if (i % 50 == 49) {
			world_turn();
			events += world_event_count(IX_EV_UDP_RECV);
		}
	}
	assert_int_equal(events, 256);
	net_stats(&stats);
	assert_int_equal(stats.udp_dropped - before.udp_dropped, 400 - 256);
	assert_int_equal(net_udp_recv_done(h, 256), IX_OK);
	peer_udp(&p, data, 10);
	world_turn();
	assert_int_equal(world_event_count(IX_EV_UDP_RECV), 1);
	assert_int_equal(net_udp_unbind(h), IX_OK); /* with a datagram lent */
	assert_int_equal(net_udp_recv_done(h, 1), IX_BAD_HANDLE);
}

static void test_long_datagram_is_fragmented(void **state)
{
	struct ix_endpoint to = world_endpoint(PEER_ADDRESS, 53);
	struct net_range r = { .data = data, .bytes = 65507 };
	unsigned total = 0, count = 0, headers = world.is_ip6 ? 62 : 34; /* with the fragment's own */
	uint64_t sent;
	ix_handle_t h;

	(void)state;
	h = bind_port(7);
	assert_int_equal(net_udp_send(h, &to, &(struct net_range){ .data = data, .bytes = 1 }, &sent), IX_OK);
	world_turn();
	world_turn();
	world.sent_count = 0;
	assert_int_equal(net_udp_send(h, &to, &r, &sent), IX_OK);
	assert_int_equal(sent, 65507);
	world_turn();
	for (unsigned i = 0; i < world.sent_count; i++, count++) {
		assert_in_range(world.sent[i].full_bytes, headers + 1, 1514);
		total += world.sent[i].full_bytes - headers;
	}
	assert_int_equal(total, 65507 + 8);
	assert_int_equal(count, world.is_ip6 ? 46 : 45);
	r.bytes = 65508;
	assert_int_equal(net_udp_send(h, &to, &r, &sent), IX_BAD_LENGTH);
	to.port = 0;
	assert_int_equal(net_udp_send(h, &to, &(struct net_range){ .data = data, .bytes = 1 }, &sent), IX_BAD_CALL);
	to.addr[world.is_ip6 ? 1 : 12] = 8;
	assert_int_equal(net_udp_send(h, &to, &(struct net_range){ .data = data, .bytes = 1 }, &sent), IX_UNREACHABLE);
}

static void send_to(ix_handle_t h, uint32_t address, const void *bytes, unsigned count, int expected)
{
	struct ix_endpoint to = world_endpoint(address, 53);
	struct net_range r = { .data = bytes, .bytes = count };
	uint64_t sent;

	assert_int_equal(net_udp_send(h, &to, &r, &sent), expected);
	assert_int_equal(sent, expected == IX_OK ? count : 0);
}

static void test_every_length_of_one_frame(void **state)
{
	unsigned most = world.is_ip6 ? 1452 : 1472;
	ix_handle_t h;

	(void)state;
	h = bind_port(7);
	send_to(h, PEER_ADDRESS, data, 1, IX_OK);
	world_turn();
	world_turn(); /* the neighbour is known */
	for (unsigned n = 0; n <= most; n++) {
		world.sent_count = 0;
		send_to(h, PEER_ADDRESS, data + n, n, IX_OK);
		world_turn();
		assert_int_equal(world.sent_count, 1);
		assert_int_equal(world.sent[0].full_bytes, world_l4_at(world.sent[0].data) + 8 + n);
		assert_memory_equal(world.sent[0].data + world_l4_at(world.sent[0].data) + 8, data + n, n);
	}
	world.sent_count = 0;
	send_to(h, PEER_ADDRESS, data, most + 1, IX_OK);
	world_turn();
	assert_int_equal(world.sent_count, 2);
}

/* Addresses that share one place in the cache of Ethernet headers, in turns. */
static void test_many_receivers(void **state)
{
	ix_handle_t h;

	(void)state;
	h = bind_port(7);
	world.has_addresses = true;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 20; i++) {
			uint32_t address = PEER_ADDRESS + 0x1000 + i * 64;
			const struct sent *s;

			send_to(h, address, &i, sizeof(i), IX_OK);
			world_turn();
			world_turn();
			assert_true(world.sent_count > 0);
			s = &world.sent[world.sent_count - 1];
			address = be32(address);
			assert_memory_equal(s->data + world_l4_at(s->data) - 4, &address, 4);
			if (!world.is_ip6)
				assert_memory_equal(s->data + 2, &address, 4);
			assert_memory_equal(s->data + world_l4_at(s->data) + 8, &i, sizeof(i));
			world.sent_count = 0;
		}
	}
}

static void test_a_burst_waits_for_the_device(void **state)
{
	unsigned most = world.is_ip6 ? 0 : 1024, at;
	ix_handle_t h;

	(void)state;
	h = bind_port(7);
	send_to(h, PEER_ADDRESS, data, 1, IX_OK);
	world_turn();
	world_turn();
	world.sent_count = 0;
	world.is_full = true;
	for (unsigned i = 0; i < most; i++)
		send_to(h, PEER_ADDRESS, &i, sizeof(i), IX_OK);
	send_to(h, PEER_ADDRESS, data, 1, IX_NO_MEMORY);
	world_turn();
	world.is_full = false;
	world_turn();
	world_turn();
	assert_int_equal(world.sent_count, most);
	for (unsigned i = 0; i < most; i++) { /* in order */
		at = world_l4_at(world.sent[i].data) + 8;
		assert_memory_equal(world.sent[i].data + at, &i, sizeof(i));
	}
	send_to(h, PEER_ADDRESS, data, 1, IX_OK);
	assert_int_equal(world.sent_count, most + 1); /* at once again */
}

static void test_port_that_nobody_has_bound(void **state)
{
	struct peer p = { .address = PEER_ADDRESS, .port = 999, .our_port = 5353 };
	const struct sent *s;

	(void)state;
	peer_udp(&p, data, 10);
	world_turn();
	world_turn();
	s = &world.sent[world.sent_count - 1];
	assert_memory_equal(s->data + world_l4_at(s->data), world.is_ip6 ? "\1\4" : "\3\3", 2); /* unreachable, port */
}

static void test_ping(void **state)
{
	uint8_t frame[98] = { 2, 0, 0, 0,  0, 1,    2,    0,  0, 0, 0, 9,  8, 0, 0x45, 0, 0, 84,   0,
			      0, 0, 0, 64, 1, 0x66, 0xa7, 10, 0, 0, 2, 10, 0, 0, 1,    8, 0, 0xf7, 0xff };

	(void)state;
	world_receive(frame, sizeof(frame));
	world_turn();
	world_turn();
	assert_int_equal(world.sent_count, 1);
	assert_int_equal(world.sent[0].data[34], 0);
	assert_int_equal(world.sent[0].full_bytes, 98);
}

/* A datagram of "ping" with one thing of it changed at @at of its UDP header. Return: whether it reaches the socket. */
static bool arrives(unsigned at, uint8_t high, uint8_t low)
{
	struct peer p = { .address = PEER_ADDRESS, .port = 999, .our_port = 7 };
	struct buf *b;

	peer_udp(&p, "ping", 4);
	assert_int_equal(world_take_waiting(&b), 1);
	b->data[b->off + world_l4_at(b->data + b->off) + at] = high;
	b->data[b->off + world_l4_at(b->data + b->off) + at + 1] = low;
	world_receive_buf(b);
	world_turn();
	return world_event(IX_EV_UDP_RECV, 0) != NULL;
}

/* Whoever has not been told by the device that a checksum is good looks for himself [RFC 768, RFC 8200 8.1]. */
static void test_damaged(void **state)
{
	ix_handle_t h = bind_port(7);
	struct net_stats stats, before;

	(void)state;
	net_stats(&before);
	assert_int_equal(arrives(8, 'p', 'o'), world.is_csum_unchecked);
	assert_int_equal(arrives(6, 0, 0), world.is_csum_unchecked || !world.is_ip6); /* none; IPv6 has no such thing */
	net_stats(&stats);
	assert_int_equal(stats.bad_csum - before.bad_csum, world.is_csum_unchecked ? 0 : 1 + world.is_ip6);
	assert_false(arrives(4, 0, 7)); /* shorter than its header */
	if (world.is_csum_unchecked || !world.is_ip6) {
		assert_true(arrives(4, 0, 12));
		assert_false(arrives(4, 1, 12)); /* longer than the packet */
	}
	(void)net_udp_unbind(h);
}

/* Nor is it looked at by the checksum alone: without one, a length beyond the packet is refused all the same. */
static void test_a_length_beyond_the_packet(void **state)
{
	struct peer p = { .address = PEER_ADDRESS, .port = 999, .our_port = 7 };
	struct buf *b;
	uint8_t *udp;

	(void)state;
	bind_port(7);
	peer_udp(&p, "ping", 4);
	assert_int_equal(world_take_waiting(&b), 1);
	udp = b->data + b->off + world_l4_at(b->data + b->off);
	udp[5] = 13; /* padding, or what is left of somebody else's frame */
	udp[6] = udp[7] = 0;
	world_receive_buf(b);
	world_turn();
	assert_null(world_event(IX_EV_UDP_RECV, 0));
}

/* What comes by the other family is for another address. */
static void test_bound_to_one_address(void **state)
{
	struct ix_endpoint ours = world_endpoint(WORLD_ADDRESS, 7);
	struct peer p = { .address = PEER_ADDRESS, .port = 999, .our_port = 7 };
	bool is_ip6 = world.is_ip6;
	ix_handle_t h;

	(void)state;
	assert_int_equal(net_udp_bind(&ours, 1, &h), IX_OK);
	for (unsigned i = 0; i < 2; i++) {
		world.is_ip6 = is_ip6 ^ !i;
		peer_udp(&p, "ping", 4);
		world_turn();
		assert_int_equal(world_event_count(IX_EV_UDP_RECV), i);
	}
}

static void test_bound_once(void **state)
{
	struct ix_endpoint other = world_endpoint(PEER_ADDRESS + 7, 8);
	ix_handle_t h;

	(void)state;
	bind_port(7);
	world_listen(7, 1); /* TCP has its own ports */
	assert_int_equal(net_udp_bind(&(struct ix_endpoint){ .port = 7 }, 1, &h), IX_IN_USE);
	assert_int_equal(net_udp_bind(&other, 1, &h), IX_UNREACHABLE);
	assert_int_equal(net_udp_bind(&(struct ix_endpoint){ .port = 0 }, 1, &h), IX_BAD_CALL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_datagram_and_answer),
		TEST(test_queue_is_bounded),
		TEST(test_long_datagram_is_fragmented),
		TEST(test_every_length_of_one_frame),
		TEST(test_many_receivers),
		TEST(test_a_burst_waits_for_the_device),
		TEST(test_port_that_nobody_has_bound),
		TEST(test_ping),
		TEST(test_damaged),
		TEST(test_a_length_beyond_the_packet),
		TEST(test_bound_to_one_address),
		TEST(test_bound_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
