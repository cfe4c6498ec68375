/* SPDX-License-Identifier: MIT */
/*
 * Segments that arrive on a core that does not have their connection, as after a change of the switch's
 * steering: from core to core until one knows it, never answered on the way, limited, never reset beyond
 * the limit. The one core of this process plays each core in turn.
 */
#include <stdlib.h>
#include "kernel/flow/flow.h"
#include "kernel/net/moving.h"
#include "test/fake/cpu.h"
#include "test/unit/net/world.h"

#define CORES 4u
#define PORT 7u
#define WALKS_PER_S 65536u
#define WAVE 250u

static void begin(void)
{
	struct peer p = { .address = PEER_ADDRESS };

	world_begin(WORLD_OFFLOADS);
	(void)world_listen(PORT, 1);
	(void)peer_open(&p, PORT, 2); /* so that the peer's hardware address is known */
	world_pass(1100);             /* it has nothing left to do on this core; and a second of its own */
	fake_core_count = CORES;
	percore_id = 1;
}

static void end(void)
{
	fake_core_count = 1;
	percore_id = 0;
	world_end();
}

static struct peer stranger(uint16_t port)
{
	return (struct peer){
		.address = PEER_ADDRESS, .port = port, .our_port = PORT, .seq = 77, .ack = 99, .window = 1000
	};
}

static const struct net_stats *stats(void)
{
	static struct net_stats s;

	net_stats(&s);
	return &s;
}

/* The one frame that was handed over; it is the test's now. */
static struct buf *taken(uint32_t to)
{
	assert_int_equal(world.handed_count, 1);
	assert_int_equal(world.handed[0].core, to);
	world.handed_count = 0;
	return world.handed[0].first;
}

static void free_handed(void)
{
	while (world.handed_count)
		buf_free_frame(world.handed[--world.handed_count].first);
}

/* All the way round: each core passes it on, only the last one answers. */
static void test_round(void **state)
{
	struct peer p = stranger(1000);
	const struct sent *answer;
	struct buf *b;

	(void)state;
	begin();
	peer_send(&p, ACK, "x", 1);
	world_turn();
	for (uint32_t core = 2; core != 1; core = (core + 1) % CORES) {
		b = taken(core);
		assert_true(b->flags & BUF_MISPLACED);
		assert_int_equal(b->core, 1);
		assert_null(peer_take(&p));
		percore_id = core;
		world_receive_buf(b);
		world_turn();
	}
	assert_int_equal(percore_id, 0);
	assert_int_equal(world.handed_count, 0);
	answer = peer_take(&p);
	assert_non_null(answer);
	assert_int_equal(seg_flags(answer) & RST, RST);
	assert_null(peer_take(&p));
	assert_int_equal(stats()->misplaced, 3);
	end();
}

/* What is left of a connection answers its own; of a later one of the same ends, which may be anywhere, it knows nothing. */
static void test_closed(void **state)
{
	struct peer p = { .address = PEER_ADDRESS };
	ix_handle_t h;

	(void)state;
	begin();
	fake_core_count = 1;
	percore_id = 0;
	h = peer_open(&p, PORT, 3);
	assert_int_equal(net_close(h), IX_OK);
	world_turn();
	assert_non_null(peer_take(&p));
	peer_send(&p, ACK | FIN, NULL, 0);
	world_turn();
	fake_core_count = CORES;
	while (peer_take(&p))
		;
	peer_send_at(&p, p.seq - 1, ACK | FIN, NULL, 0);
	world_turn();
	assert_int_equal(world.handed_count, 0);
	assert_int_equal(seg_flags(peer_take(&p)), ACK);
	peer_send_at(&p, p.seq + 5000, ACK, "x", 1);
	world_turn();
	assert_null(peer_take(&p));
	buf_free_frame(taken(1));
	end();
}

/* While something moves nobody may answer: it goes round, but not for ever. */
static void test_rounds_end(void **state)
{
	struct peer p = stranger(1000);
	uint64_t dropped = stats()->misplaced_dropped;
	unsigned hops = 0;

	(void)state;
	begin();
	walk_unsettle();
	peer_send(&p, ACK, "x", 1);
	world_turn();
	for (; world.handed_count && hops < 1000; hops++) {
		percore_id = world.handed[0].core;
		world.handed_count = 0;
		world_receive_buf(world.handed[0].first);
		world_turn();
	}
	walk_settle();
	assert_in_range(hops, 60 * CORES, 70 * CORES);
	assert_int_equal(stats()->misplaced_dropped, dropped + 1);
	assert_null(peer_take(&p));
	end();
}

/* What begins a connection is answered where it arrives. */
static void test_syn_stays(void **state)
{
	struct peer p = stranger(1001);

	(void)state;
	begin();
	peer_send(&p, SYN, NULL, 0);
	world_turn();
	assert_int_equal(world.handed_count, 0);
	assert_int_equal(seg_flags(peer_take(&p)), SYN | ACK);
	peer_send(&p, RST, NULL, 0);
	world_turn();
	end();
}

/* Everything else walks, whatever its flags: a connection that another core began, its end, its reset. */
static void test_kinds(void **state)
{
	static const unsigned kinds[] = { ACK, ACK | PSH, ACK | FIN, RST, RST | ACK, SYN | ACK, FIN, 0 };
	struct peer p = stranger(1002);

	(void)state;
	begin();
	for (unsigned i = 0; i < ARRAY_COUNT(kinds); i++) {
		peer_send(&p, kinds[i], NULL, 0);
		world_turn();
		buf_free_frame(taken(2));
		assert_null(peer_take(&p));
	}
	end();
}

/* What reaches its owner by way of other cores is taken as if it had arrived there. */
static void test_owner(void **state)
{
	struct peer p = { .address = PEER_ADDRESS, .port = 1003, .window = 60000 };
	const struct ix_event *e;
	struct buf *b;

	(void)state;
	begin();
	percore_id = 0;
	(void)peer_open(&p, PORT, 5);
	percore_id = 1;
	p.port = 1004; /* of nobody here, so that it is handed on; then the connection's, as on its owner's core */
	peer_send(&p, ACK | PSH, "hello", 5);
	world_turn();
	b = taken(2);
	b->data[b->off + world_l4_at(b->data + b->off) + 1] = 1003 & 255;
	b->flags |= BUF_CSUM_GOOD;
	percore_id = 0;
	world_receive_buf(b);
	world_turn();
	e = world_event(IX_EV_RECV, 0);
	assert_non_null(e);
	assert_int_equal(e->cookie, 5);
	p.port = 1003;
	world_pass(300);
	assert_non_null(peer_take(&p)); /* acknowledged */
	assert_int_equal(world.handed_count, 0);
	end();
}

/* A wave, as when a switch changes its mind about every flow at once. */
static void test_wave(void **state)
{
	struct net_stats before;
	static struct peer p;
	unsigned sent = 0, answers;

	(void)state;
	begin();
	before = *stats();
	answers = world.sent_count;
	while (sent < WALKS_PER_S + 10 * WAVE) {
		for (unsigned i = 0; i < WAVE; i++, sent++) {
			p = stranger((uint16_t)(30000 + sent % 30000));
			peer_send(&p, ACK, "x", 1);
		}
		world_turn();
		free_handed();
	}
	assert_int_equal(world.sent_count, answers); /* nobody was answered */
	assert_int_equal(stats()->misplaced - before.misplaced, WALKS_PER_S);
	assert_int_equal(stats()->misplaced_dropped - before.misplaced_dropped, sent - WALKS_PER_S);
	assert_int_equal(stats()->resets_sent, before.resets_sent);
	/* The next second is a new one. */
	world_pass(1000);
	p = stranger(999);
	peer_send(&p, ACK, "x", 1);
	world_turn();
	buf_free_frame(taken(2));
	end();
}

static void test_ring_full(void **state)
{
	struct peer p = stranger(1005);
	unsigned dropped = (unsigned)stats()->misplaced_dropped;

	(void)state;
	begin();
	world.is_hand_full = true;
	peer_send(&p, ACK, "x", 1);
	world_turn();
	assert_int_equal(stats()->misplaced_dropped - dropped, 1);
	assert_null(peer_take(&p));
	end(); /* the buffer is back, or this fails */
}

/* The source port of a connection that core @core opens. */
static uint16_t port_of_connect(uint32_t core)
{
	struct ix_connect wish = { .remote = world_endpoint(PEER_ADDRESS, 80), .cookie = 6 };
	const struct sent *s;
	ix_handle_t h;
	unsigned at;

	percore_id = core;
	assert_int_equal(net_connect(&wish, 0, &h), IX_OK);
	world_turn();
	s = &world.sent[world.sent_count - 1];
	assert_int_equal(seg_flags(s), SYN);
	assert_int_equal(net_abort(h), IX_OK);
	world_turn(); /* dead */
	at = world_l4_at(s->data);
	return (uint16_t)(s->data[at] << 8 | s->data[at + 1]);
}

/* The source port of an outgoing connection is one whose answers come to its core. */
static void test_ports(void **state)
{
	(void)state;
	begin();
	world.is_spread = true;
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(port_of_connect(i % CORES) / 7 % FLOW_GROUPS_MAX % CORES, i % CORES);
	world.is_queue_group = true;
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(port_of_connect(i % CORES) % CORES, i % CORES);
	end();
}

/* What waits for a connection that moves: in order, bounded, and not while memory is short. */
static void test_park(void **state)
{
	struct park park = { 0 };
	struct net_stats s[2];
	struct buf *b[4];
	uint32_t free_before;

	(void)state;
	begin();
	net_stats(&s[0]);
	free_before = buf_available();
	for (unsigned i = 0; i < ARRAY_COUNT(b); i++) {
		b[i] = buf_alloc();
		assert_non_null(b[i]);
		b[i]->next = NULL;
		b[i]->count = 1;
	}
	park_put(&park, b[0]);
	park_put(&park, b[1]);
	net_self.is_low = true;
	park_put(&park, b[2]);
	net_self.is_low = false;
	park.count = PARK_MAX;
	park_put(&park, b[3]);
	assert_int_equal(buf_available(), free_before - 2);
	net_stats(&s[1]);
	assert_int_equal(s[1].moving_dropped - s[0].moving_dropped, 2);
	assert_ptr_equal(park_take(&park), b[0]);
	assert_ptr_equal(park_take(&park), b[1]);
	assert_null(park_take(&park));
	buf_free(b[0]);
	buf_free(b[1]);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ring_full),  cmocka_unit_test(test_round),     cmocka_unit_test(test_closed),
		cmocka_unit_test(test_rounds_end), cmocka_unit_test(test_syn_stays), cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_owner),      cmocka_unit_test(test_wave),      cmocka_unit_test(test_ports),
		cmocka_unit_test(test_park),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
