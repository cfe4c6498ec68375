/* SPDX-License-Identifier: MIT */
/* Commands of a host that errs: each is answered once, and what is wrong is not obeyed. */
#include "kernel/abi/status.h"
#include "kernel/base/err.h"
#include "kernel/event/event.h"
#include "kernel/sys/sys.h"
#include "test/fake/machine.h"
#include "test/fake/cpu.h"
#include "test/unit/ctl/world.h"
#include <stdlib.h>

static int begin(void **state)
{
	(void)state;
	world_begin();
	world_start();
	return 0;
}

static int end(void **state)
{
	(void)state;
	world_end();
	return 0;
}

/* The sum is that of RFC 3720 B.4, whoever computes it. */
static void test_sum(void **state)
{
	struct ix_page_command c = { .sequence = 1, .op = IX_PAGE_PING };

	(void)state;
	world_seal(&c);
	*world_command() = c;
	world_turn();
	assert_int_equal(world_answer()->status, IX_OK);
}

static void test_once_each(void **state)
{
	(void)state;
	assert_int_equal(world_ask(IX_PAGE_PING, 0, 0), IX_OK);
	memset(world_answer(), 0, sizeof(*world_answer()));
	world_turn(); /* the same command still stands there */
	assert_int_equal(world_answer()->sequence, 0);
	assert_int_equal(world_ask(IX_PAGE_PING, 0, 0), IX_OK);
	assert_int_equal(world_answer()->sequence, 2);
}

static void test_wrong_sum(void **state)
{
	uint32_t sequence = world_say(IX_PAGE_DRAIN, 1, 0);

	(void)state;
	world_command()->arg[3] ^= 1ull << 40;
	world_turn();
	assert_int_equal(world_answer()->sequence, sequence);
	assert_int_equal(world_answer()->status, IX_BAD_CALL);
	assert_false(world.is_draining);
}

/* An earlier guest's command is not for this one, whatever its sequence. */
static void test_left_over(void **state)
{
	(void)state;
	world_say(IX_PAGE_STOP, 0, 0);
	world_start();
	world_turn();
	assert_int_equal(world_answer()->sequence, 0);
	assert_int_equal(world_guest()->state, IX_PAGE_BOOTING);
	assert_int_equal(world_ask(IX_PAGE_PING, 0, 0), IX_OK);
}

static void test_sequence_wraps(void **state)
{
	(void)state;
	world_command()->sequence = UINT32_MAX - 1;
	world_start();
	assert_int_equal(world_ask(IX_PAGE_PING, 0, 0), IX_OK);
	world_say(IX_PAGE_PING, 0, 0); /* number 0 */
	world_turn();
	assert_int_equal(world_ask(IX_PAGE_PING, 0, 0), IX_OK);
	assert_int_equal(world_answer()->sequence, 1);
}

static void test_unknown(void **state)
{
	(void)state;
	assert_int_equal(world_ask(0, 0, 0), IX_UNSUPPORTED);
	assert_int_equal(world_ask(IX_PAGE_OP_NR, 0, 0), IX_UNSUPPORTED);
	assert_int_equal(world_ask(UINT32_MAX, UINT64_MAX, UINT64_MAX), IX_UNSUPPORTED);
}

static void test_drain(void **state)
{
	(void)state;
	world.who.is_ready = true;
	world.stats.connections = 17;
	assert_int_equal(world_ask(IX_PAGE_DRAIN, 1, 0), IX_OK);
	assert_int_equal(world_answer()->value[1], cpu_tsc_to_us(fake_now));
	assert_true(world.is_draining);
	assert_int_equal(world_guest()->state, IX_PAGE_DRAINING);
	assert_int_equal(world_ask(IX_PAGE_DRAIN, 2, 0), IX_BAD_CALL);
	assert_int_equal(world_ask(IX_PAGE_DRAIN, 1ull << 32, 0), IX_BAD_CALL);
	assert_true(world.is_draining);
	assert_int_equal(world_ask(IX_PAGE_DRAIN, 0, 0), IX_OK);
	assert_int_equal(world_guest()->state, IX_PAGE_READY);
}

/* What a core had when it took the last request for a connection stands in the page before it sleeps, however soon that is. */
static void test_drain_tells(void **state)
{
	uint32_t sequence;

	(void)state;
	world.who.is_ready = true;
	world.stats.connections = 16;
	assert_int_equal(world_ask(IX_PAGE_DRAIN, 1, 0), IX_OK);
	world.stats.connections = 17;
	fake_now += WORLD_MS / 500;
	ctl_before_halt(fake_now);
	assert_int_equal(world_core(0)->value[IX_VALUE_CONNECTIONS], 17);
	assert_true(world_core(0)->at_us > world_answer()->value[1]);
	sequence = world_core(0)->sequence;
	assert_false(ctl_before_halt(fake_now + 1));
	assert_int_equal(world_core(0)->sequence, sequence);
	fake_core_count = 3; /* the others are asked, too */
	fake_wakes[1] = fake_wakes[2] = 0;
	assert_int_equal(world_ask(IX_PAGE_DRAIN, 0, 0), IX_OK);
	assert_int_equal(fake_wakes[1], 1);
	assert_int_equal(fake_wakes[2], 1);
}

/* The application hears of it in the same turn, and the loop does not go to sleep before. */
static void test_stop(void **state)
{
	(void)state;
	world.who.is_ready = true;
	assert_int_equal(world_ask(IX_PAGE_STOP, 0, 0), IX_OK);
	assert_int_equal(world_guest()->state, IX_PAGE_STOPPING);
	assert_true(ctl_before_halt(fake_now));
	assert_false(ctl_before_halt(fake_now));
	event_begin();
	sys_signal_events();
	assert_int_equal(event_count(), 1);
	assert_int_equal(world.events.events[0].kind, IX_EV_SIGNAL);
	sys_signal_events(); /* told once */
	assert_int_equal(event_count(), 1);
}

static void test_move(void **state)
{
	struct order_answer a = { .connections = 9, .forced = 2 };

	(void)state;
	world_say(IX_PAGE_MOVE_GROUP, 3, 1);
	world_turn();
	assert_int_equal(world.orders, 1);
	assert_int_equal(world.order.op, ORDER_MOVE);
	assert_int_equal(world.order.group, 3);
	assert_int_equal(world.order.to, 1);
	assert_int_equal(world_answer()->sequence, 0); /* with the end of the move */
	a.order = world.order;
	a.order.to = 0;
	world.on_answer(&a); /* of somebody else */
	assert_int_equal(world_answer()->sequence, 0);
	a.order.to = 1;
	world.on_answer(&a);
	assert_int_equal(world_answer()->sequence, 1);
	assert_int_equal(world_answer()->status, IX_OK);
	assert_int_equal(world_answer()->value[0], 9);
	assert_int_equal(world_answer()->value[1], 2);
	world.on_answer(&a); /* once more: nobody waits */
	assert_int_equal(world_answer()->sequence, 1);
}

static void test_move_refused(void **state)
{
	struct order_answer a = { .status = KERR_NO_MEMORY };

	(void)state;
	assert_int_equal(world_ask(IX_PAGE_MOVE_GROUP, 1ull << 32, 0), IX_BAD_CALL);
	assert_int_equal(world_ask(IX_PAGE_MOVE_GROUP, 0, UINT64_MAX), IX_BAD_CALL);
	assert_int_equal(world.orders, 0);
	world.order_status = KERR_INVALID;
	assert_int_equal(world_ask(IX_PAGE_MOVE_GROUP, 200, 0), IX_BAD_CALL);
	world.order_status = KERR_IN_USE;
	assert_int_equal(world_ask(IX_PAGE_MOVE_GROUP, 0, 0), IX_IN_USE);
	world.order_status = 0;
	world_say(IX_PAGE_MOVE_GROUP, 0, 1);
	world_turn();
	a.order = world.order;
	world.on_answer(&a);
	assert_int_equal(world_answer()->status, IX_NO_MEMORY);
}

/* The host did not wait: the late end of a move is not taken for the answer to what came after it. */
static void test_move_abandoned(void **state)
{
	struct order_answer a = { .connections = 1 };

	(void)state;
	world_say(IX_PAGE_MOVE_GROUP, 0, 1);
	world_turn();
	a.order = world.order;
	assert_int_equal(world_ask(IX_PAGE_PING, 0, 0), IX_OK);
	world_answer()->value[0] = 77;
	world.on_answer(&a);
	assert_int_equal(world_answer()->sequence, 2);
	assert_int_equal(world_answer()->value[0], 77);
}

static void test_set_cores(void **state)
{
	struct order_answer a = { .connections = 9, .forced = 2, .cores = 3 };

	(void)state;
	world_say(IX_PAGE_SET_CORES, 3, 0);
	world_turn();
	assert_int_equal(world.order.op, ORDER_CORES);
	assert_int_equal(world.order.to, 3);
	assert_int_equal(world_answer()->sequence, 0); /* when they run */
	a.order = world.order;
	a.order.done(&a);
	assert_int_equal(world_answer()->sequence, 1);
	assert_int_equal(world_answer()->status, IX_OK);
	assert_int_equal(world_answer()->value[0], 3);
	assert_int_equal(world_answer()->value[1], 9);
	assert_int_equal(world_answer()->value[2], 2);
	world_say(IX_PAGE_SET_CORES, 1, 0);
	world_turn();
	assert_int_equal(world_answer()->sequence, 1);
	a.status = KERR_IN_USE;
	a.order.done(&a);
	assert_int_equal(world_answer()->status, IX_IN_USE);
	world_answer()->value[0] = 77;
	a.order.done(&a); /* of one that nobody waits for any more */
	assert_int_equal(world_answer()->value[0], 77);
	assert_int_equal(world_ask(IX_PAGE_SET_CORES, 1ull << 32 | 1, 0), IX_BAD_CALL);
	world.order_status = KERR_INVALID;
	assert_int_equal(world_ask(IX_PAGE_SET_CORES, 9, 0), IX_BAD_CALL);
}

/* Every command there can be, and then some: no answer is missing and nothing breaks. */
static void test_noise(void **state)
{
	(void)state;
	srand(5);
	for (unsigned i = 0; i < 20000; i++) {
		struct ix_page_command c = { .sequence = world_command()->sequence + 1, .op = (uint32_t)rand() % 8 };

		for (unsigned k = 0; k < 4; k++)
			c.arg[k] = (uint64_t)rand() << (rand() % 48);
		world_seal(&c);
		if (rand() % 4 == 0)
			((uint8_t *)&c)[4 + rand() % 44] ^= (uint8_t)(1 + rand() % 255);
		if (c.op == IX_PAGE_MOVE_GROUP || c.op == IX_PAGE_SET_CORES)
			world.order_status = KERR_INVALID;
		*world_command() = c;
		world_turn();
		assert_int_equal(world_answer()->sequence, c.sequence);
		assert_int_equal(world_guest()->sequence % 2, 0);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_sum),          TEST(test_once_each),      TEST(test_wrong_sum),
		TEST(test_left_over),    TEST(test_sequence_wraps), TEST(test_unknown),
		TEST(test_drain),        TEST(test_stop),           TEST(test_move),
		TEST(test_drain_tells),  TEST(test_stop),           TEST(test_move),
		TEST(test_move_refused), TEST(test_move_abandoned), TEST(test_noise),
		TEST(test_set_cores),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
