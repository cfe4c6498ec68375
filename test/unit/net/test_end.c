/* SPDX-License-Identifier: MIT */
/* The partition dies with everything in flight: resets, nothing left, no handle survives, the host still answers. */
#include "test/unit/net/world.h"

#define CONNECTIONS 60u

static uint8_t data[30000];
static struct peer peers[CONNECTIONS];
static ix_handle_t handles[CONNECTIONS];

static int begin(void **state)
{
	(void)state;
	world_begin(WORLD_OFFLOADS);
	memset(peers, 0, sizeof(peers));
	return 0;
}

static int end(void **state)
{
	(void)state;
	world_end();
	return 0;
}

/* Connections in every state that there is. */
static void open_all(void)
{
	struct net_range r = { .data = data, .bytes = sizeof(data) };
	struct ix_connect wish = { .remote = { .addr = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = 2 },
					       .port = 80 } };
	struct peer half = { .address = PEER_ADDRESS, .port = 7777, .our_port = 7, .seq = 1, .window = 1000 };
	uint64_t taken;
	ix_handle_t h;

	world_listen(7, 1);
	assert_int_equal(net_udp_bind(&(struct ix_endpoint){ .port = 7 }, 2, &h), IX_OK);
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		handles[i] = i % 6 == 0 ? peer_knock(&peers[i], 7) : peer_open(&peers[i], 7, i);
		if (i % 6 == 0)
			continue;
		peer_send(&peers[i], ACK, data, 1000);
		peer_send_at(&peers[i], peers[i].seq + 5000, ACK, data, 1000);
		world_turn();
		if (i % 6 >= 2)
			assert_int_equal(net_send(handles[i], &r, 0, &taken), IX_OK);
		if (i % 6 == 3)
			net_close(handles[i]);
		if (i % 6 == 4)
			net_shutdown(handles[i]);
		if (i % 6 == 5)
			peer_send(&peers[i], ACK | FIN, NULL, 0);
	}
	world_turn();
	assert_int_equal(net_connect(&wish, 0, &h), IX_OK);
	peer_send(&half, SYN, NULL, 0);
	peer_udp(&half, data, 100);
	peer_send(&peers[1], ACK, data, 100); /* events that nobody reads any more */
	world_turn();
}

static void test_partition_end_frees_everything(void **state)
{
	struct net_stats stats;

	(void)state;
	open_all();
	net_partition_end();
	net_stats(&stats);
	assert_int_equal(stats.connections, 0);
	for (unsigned i = 0; i < CONNECTIONS; i++)
		assert_int_equal(net_abort(handles[i]), IX_BAD_HANDLE);
	world_turn();
	assert_int_equal(world.events.count, 0);
}

static void test_memory_stays_until_the_device_gives_it_back(void **state)
{
	(void)state;
	world.is_holding = true;
	open_all();
	net_partition_end();
	world_turn();
	assert_true(net_partition_pending_tx() > 20);
	world_give_back(10000);
	world_turn();
	assert_int_equal(net_partition_pending_tx(), 0);
}

static void test_down_partition_drops_knocks_and_answers_ping(void **state)
{
	struct peer p = { .address = PEER_ADDRESS, .port = 6000, .our_port = 7, .seq = 9, .window = 1000 };

	(void)state;
	net_partition_end();
	peer_send(&p, SYN, NULL, 0);
	world_turn();
	world_turn();
	assert_null(peer_take(&p)); /* not refused: it comes back */
	world_pass(3100);
	p.seq = 9;
	peer_send(&p, SYN, NULL, 0);
	world_turn();
	world_turn();
	assert_int_equal(seg_flags(peer_take(&p)), RST | ACK);
	net_partition_start();
	world_listen(7, 1);
	p.port = 0;
	p.seq = 0;
	peer_open(&p, 7, 1);
}

static void test_handles_never_come_back(void **state)
{
	static ix_handle_t seen[200];
	struct peer p;

	(void)state;
	world_listen(7, 1);
	for (unsigned i = 0; i < 200; i++) {
		memset(&p, 0, sizeof(p));
		seen[i] = peer_open(&p, 7, i);
		net_abort(seen[i]);
		world_turn();
		for (unsigned k = 0; k < i; k++)
			assert_true(seen[k] != seen[i]);
		assert_int_equal(net_recv_done(seen[i], 1), IX_BAD_HANDLE);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_partition_end_frees_everything),
		TEST(test_memory_stays_until_the_device_gives_it_back),
		TEST(test_down_partition_drops_knocks_and_answers_ping),
		TEST(test_handles_never_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
