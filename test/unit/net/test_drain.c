/* SPDX-License-Identifier: MIT */
/* While we drain: nobody new comes in and nobody is told why; whoever is here goes on. And what the outside is told of us. */
#include "test/unit/net/world.h"

#define PORT 7u

static uint8_t data[1000];

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
	net_drain(false);
	world_end();
	return 0;
}

static struct peer newcomer(uint16_t port)
{
	return (struct peer){
		.address = PEER_ADDRESS, .port = port, .our_port = PORT, .seq = port * 7919u, .window = 60000
	};
}

/* A request of @p, and whatever is said to it within a turn or two. */
static const struct sent *knock(struct peer *p)
{
	uint32_t seq = p->seq;

	while (peer_take(p))
		;
	peer_send(p, SYN, NULL, 0);
	p->seq = seq;
	world_turn();
	world_turn();
	return peer_take(p);
}

static void test_requests_wait(void **state)
{
	struct peer p = newcomer(4000);
	struct net_stats before, after;

	(void)state;
	assert_false(net_is_draining());
	net_drain(true);
	assert_true(net_is_draining());
	net_stats(&before);
	assert_null(knock(&p)); /* neither answered nor refused */
	assert_null(knock(&p));
	net_stats(&after);
	assert_int_equal(after.resets_sent, before.resets_sent);
	assert_int_equal(after.accepted, before.accepted);
	net_drain(false);
	assert_int_equal(seg_flags(knock(&p)), SYN | ACK); /* the same request, asked again */
}

/* A port that nobody serves is refused as ever: that answer is right whoever serves next. */
static void test_closed_port(void **state)
{
	struct peer p = newcomer(4001);

	(void)state;
	net_drain(true);
	p.our_port = 4242;
	assert_int_equal(seg_flags(knock(&p)), RST | ACK);
}

static void test_who_is_here_goes_on(void **state)
{
	struct net_range r = { .data = data, .bytes = sizeof(data) };
	struct peer open = { 0 };
	struct net_stats stats;
	ix_handle_t h = peer_open(&open, PORT, 5);
	const struct sent *s;
	uint64_t taken;

	(void)state;
	net_drain(true);
	peer_send(&open, ACK | PSH, data, sizeof(data));
	world_turn();
	assert_non_null(world_event(IX_EV_RECV, 0));
	assert_int_equal(net_recv_done(h, sizeof(data)), IX_OK);
	while (peer_take(&open))
		;
	assert_int_equal(net_send(h, &r, 0, &taken), IX_OK);
	assert_int_equal(taken, sizeof(data));
	world_turn();
	s = peer_take(&open);
	assert_non_null(s);
	assert_int_equal(seg_bytes(s), sizeof(data));
	net_stats(&stats);
	assert_int_equal(stats.connections, 1);
	peer_send(&open, ACK | FIN, NULL, 0);
	world_turn();
	assert_int_equal(net_close(h), IX_OK);
	world_turn();
	while (peer_take(&open))
		;
	peer_send(&open, ACK, NULL, 0);
	world_turn();
	net_stats(&stats);
	assert_int_equal(stats.connections, 0); /* what whoever drains us waits for */
}

/* A handshake that had begun ends: the other side counts on its answer. */
static void test_half_open(void **state)
{
	struct peer p = newcomer(4002);

	(void)state;
	assert_int_equal(seg_flags(knock(&p)), SYN | ACK);
	p.seq++;
	net_drain(true);
	peer_send(&p, ACK, NULL, 0);
	world_turn();
	assert_non_null(world_event(IX_EV_KNOCK, 0));
	assert_int_equal(net_reject(world_event(IX_EV_KNOCK, 0)->handle), IX_OK);
	world_turn();
}

static void test_who(void **state)
{
	struct net_who who;

	(void)state;
	net_who(&who);
	assert_int_equal(who.address, be32(WORLD_ADDRESS));
	assert_int_equal(who.prefix, 8);
	if (!world.is_ip6)
		return;
	assert_memory_equal(&who.address6, &world.conf.address6, sizeof(who.address6));
	world.conf.prefix6_bits = 56;
	net_who(&who);
	assert_int_equal(who.prefix6, 56);
	world.conf.prefix6_bits = 64;
}

static void test_who_after_the_end(void **state)
{
	struct net_who who;

	(void)state;
	net_partition_end();
	net_partition_start();
	net_who(&who);
	assert_false(who.is_ready); /* until the ports are served again */
	assert_int_equal(who.address, be32(WORLD_ADDRESS));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_requests_wait), TEST(test_closed_port), TEST(test_who_is_here_goes_on),
		TEST(test_half_open),     TEST(test_who),         TEST(test_who_after_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
