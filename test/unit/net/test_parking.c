/* SPDX-License-Identifier: MIT */
/*
 * Cores park and come again, are taken away and given back, while streams of known bytes go on: kernel/cores as it stands, the processors
 * and the hotplug registers a test's.
 */
#include <stdlib.h>
#include "kernel/base/err.h"
#include "kernel/cpu/cpu.h"
#include "test/unit/net/parking.h"

#ifndef MODE
#define MODE CORES_HASH
#endif
#define STEPS 6000u

static void check_nothing_here(uint32_t core)
{
	for (unsigned i = 0; i < STREAMS; i++) {
		const struct stream *t = &streams.all[i];

		assert_false(t->app == APP_OPEN && t->core == core && !t->is_told);
	}
}

static void tell(uint32_t core)
{
	if (!test.is_telling[core] || (test.leaves[core] && net_has_events()))
		return;
	test.is_telling[core] = false;
	if (test.leaves[core])
		check_nothing_here(core);
	test.told++;
}

/* ---- turns ---- */
static void wake(uint32_t core)
{
	if (test.is_gone[core] && !test.is_begun[core])
		return;
	if (phase_of(core) != PHASE_RUNS)
		return;
	cores_switch(core);
	if (test.is_gone[core])
		assert_true(cores_core_wait());
	test.is_asleep[core] = test.is_gone[core] = test.is_begun[core] = false;
	cores_come();
}

static void turn(uint32_t core)
{
	fake_now = world.now_us * 1000;
	if (test.is_asleep[core]) {
		wake(core);
		return;
	}
	if (test.is_kept[core])
		return;
	cores_turn(core);
	tell(core);
	streams_ring3(core);
	if (!cores_must_park())
		return;
	if (setjmp(test.halt)) {
		check_nothing_here(core_id());
		test.is_asleep[core_id()] = true;
		return;
	}
	assert_false(cores_park());
}

static void step(void)
{
	world.now_us += (uint64_t)(rand() % 300);
	if (world.sent_count > SENT_MAX / 2 || rand() % 3 == 0)
		streams_peers();
	turn((uint32_t)rand() % CORES_IN_TEST);
}

static void run(unsigned steps)
{
	while (steps--)
		step();
}

static void on_answer(const struct order_answer *a)
{
	test.answers++;
	test.failed += a->status != 0;
	test.status = a->status;
	test.running = a->cores;
}

static void order_cores(uint32_t count)
{
	cores_switch(0);
	assert_int_equal(order_submit(&(struct order){ .op = ORDER_CORES, .to = count, .done = on_answer }), 0);
}

static unsigned running(void)
{
	return cpu_count(cpu_running());
}

static uint64_t owners(void)
{
	uint64_t set = 0;

	for (unsigned g = 0; g < flow_groups(); g++)
		set |= 1ull << flow_owner((uint8_t)g);
	return set;
}

static void wait_answer(uint32_t count)
{
	unsigned before, steps = 0;

	order_cores(count); /* one that was under way is answered by that */
	before = test.answers;
	for (; test.answers == before; steps++) {
		assert_true(steps < 100000);
		step();
	}
}

static void set_cores(uint32_t count)
{
	wait_answer(count);
	assert_int_equal(test.status, 0);
	assert_int_equal(test.running, count);
	assert_int_equal(running(), count);
	assert_int_equal(owners(), (1ull << count) - 1);
}

/* Everything comes to its end, with no byte missing. */
static void finish(void)
{
	bool is_busy = true;

	streams.is_closing = true;
	streams.loss = 0;
	for (unsigned steps = 0; is_busy; steps++) {
		assert_true(steps < 200000);
		step();
		is_busy = false;
		for (unsigned i = 0; i < STREAMS; i++)
			is_busy |= streams.all[i].state != PEER_NONE || streams.all[i].app != APP_NONE;
	}
	streams.is_closing = false;
	assert_int_equal(streams.closed, streams.opened);
}

static uint8_t queue_of(uint16_t port)
{
	return (uint8_t)(port % CORES_IN_TEST);
}

static void begin(unsigned seed)
{
	static bool is_up;
	struct cores_machine *m = &cores_machine;

	srand(seed);
	if (!is_up) {
		cores.queue_of = queue_of;
		cores_begin(MODE, WORLD_OFFLOADS);
		*m = (struct cores_machine){
			.changes = 1, .limit = CORES_IN_TEST, .min = 1, .max = CORES_IN_TEST, .wanted = CORES_IN_TEST
		};
		m->present = m->running = m->serving = m->open = (1ull << CORES_IN_TEST) - 1;
		for (uint32_t core = CORES_IN_TEST; core-- > 0;) {
			m->core[core].state = IX_PAGE_CORE_RUNS;
			cores_switch(core);
			fake_now = world.now_us * 1000;
			cores_core_init();
			cores_come();
		}
		streams_begin();
		is_up = true;
	}
	m->min = 1;
	streams.loss = streams.slow = 0;
	streams.opened = streams.closed = streams.moved = 0;
	set_cores(CORES_IN_TEST);
}

/* ---- cases ---- */
static void test_one_by_one(void **state)
{
	unsigned told;

	(void)state;
	begin(1);
	told = test.told;
	for (unsigned n = 0; n < 12; n++) {
		run(1000);
		set_cores(1 + n * 7 % CORES_IN_TEST);
	}
	set_cores(CORES_IN_TEST);
	run(1000); /* what came last is told */
	assert_true(test.told > told && (test.told - told) % 2 == 0);
	assert_true(test.parked > 5 && !test.failed);
	finish();
}

/* Another wish before the last one is done, losses, a ring 3 that takes its time. */
static void test_at_random(void **state)
{
	(void)state;
	for (unsigned seed = 20; seed < 24; seed++) {
		begin(seed);
		streams.loss = seed % 2 ? 30 : 0;
		streams.slow = seed % 3 ? 0 : 20;
		for (unsigned n = 0; n < STEPS / 100; n++) {
			order_cores(1 + (uint32_t)rand() % CORES_IN_TEST);
			run((unsigned)rand() % 200);
		}
		streams.slow = 0;
		set_cores(1);
		set_cores(CORES_IN_TEST);
		finish();
	}
}

static void plug(uint32_t core)
{
	if (!test.is_gone[core] || cores_machine.present >> core & 1)
		return;
	cores_switch(0);
	cores_inserted(core);
}

static void unplug(uint32_t core)
{
	if (!(cores_machine.present >> core & 1))
		return;
	cores_switch(0);
	cores_removal_asked(core);
}

static void wait_present(uint64_t set)
{
	for (unsigned steps = 0; cores_machine.present != set || cpu_open() != set || owners() != set; steps++) {
		assert_true(steps < 200000);
		step();
	}
}

static void test_hotplug(void **state)
{
	uint32_t gone;

	(void)state;
	begin(30);
	unplug(2);
	wait_present(0xb);
	assert_true(test.is_gone[2]);
	for (unsigned n = 0; n < STEPS / 200; n++) {
		if (rand() % 2)
			plug(1 + (uint32_t)rand() % 3);
		else
			unplug(1 + (uint32_t)rand() % 3);
		run((unsigned)rand() % 400);
	}
	for (uint32_t core = 1; core < CORES_IN_TEST; core++)
		unplug(core);
	wait_present(1);
	gone = test.ejected;
	assert_true(gone > 5);
	for (uint32_t core = 1; core < CORES_IN_TEST; core++)
		plug(core);
	wait_present(0xf);
	finish();
}

static void test_refused(void **state)
{
	(void)state;
	begin(40);
	cores_switch(0);
	cores_removal_asked(0);
	assert_int_equal(test.refused[IX_PAGE_REFUSED_BOOT], 1);
	cores_machine.min = CORES_IN_TEST;
	cores_removal_asked(3);
	assert_int_equal(test.refused[IX_PAGE_REFUSED_MINIMUM], 1);
	cores_machine.min = 1;
	cores_inserted(CORES_IN_TEST);
	assert_int_equal(test.refused[IX_PAGE_REFUSED_MANY], 1);
	assert_int_equal(cores_machine.resize.refused_core, CORES_IN_TEST);
	/* The page tells of a core that it has room for, or the host would believe nothing of it. */
	machine_refuse(IX_PAGE_CORES_MAX + 9, IX_PAGE_REFUSED_MANY);
	assert_int_equal(cores_machine.resize.refused_core, IX_PAGE_CORES_MAX - 1);
	unplug(2);
	wait_present(0xb);
	test.is_dead[2] = true;
	plug(2);
	for (unsigned steps = 0; !test.refused[IX_PAGE_REFUSED_SILENT]; steps++) {
		assert_true(steps < 200000);
		step();
	}
	test.is_dead[2] = false;
	unplug(2); /* it was never more than there */
	wait_present(0xb);
	plug(2);
	wait_present(0xf);
	finish();
}

/* Ring 3 does not come back on one core: after four seconds that one stays, while the others have gone; later it goes, too. */
static void test_kept(void **state)
{
	(void)state;
	begin(50);
	run(2000);
	test.is_kept[2] = true;
	order_cores(1);
	test.status = 0;
	for (unsigned steps = 0; running() != 2 || !cores_machine.was_refused; steps++) {
		assert_true(steps < 200000);
		cores_switch(2);
		cores_interrupted(); /* as the wake-up finds it there */
		step();
	}
	assert_int_equal(cpu_running(), 5);
	test.is_kept[2] = false;
	for (unsigned steps = 0; !test.status; steps++) {
		assert_true(steps < 200000);
		step();
	}
	assert_int_equal(test.status, KERR_IN_USE);
	assert_int_equal(owners(), 5);
	set_cores(1);
	set_cores(CORES_IN_TEST);
	finish();
}

/* A datagram of @bytes bytes among the frames that were sent since the last look. */
static bool is_sent(unsigned bytes)
{
	bool found = false;

	for (unsigned i = 0; i < world.sent_count; i++)
		found |= world.sent[i].full_bytes == bytes + (world.is_ip6 ? 62 : 42);
	world.sent_count = world.taken = 0;
	return found;
}

/* What a core has sent to a host that is still asked for goes out though the core has parked meanwhile. */
static void test_unresolved(void **state)
{
	struct ix_endpoint any = { .port = 53 }, to = world_endpoint(0x0a000909, 53);
	struct net_range r = { .data = (const uint8_t *)"datagram", .bytes = 8 };
	bool is_out = false;
	ix_handle_t handle;
	uint64_t sent;

	(void)state;
	begin(60);
	finish();
	cores_switch(3);
	assert_int_equal(net_udp_bind(&any, 1, &handle), IX_OK);
	world.is_arp_silent = true;
	assert_int_equal(net_udp_send(handle, &to, &r, &sent), IX_OK);
	set_cores(1);
	assert_true(test.is_asleep[3]);
	world.is_arp_silent = false;
	world.sent_count = world.taken = 0;
	for (unsigned ms = 0; ms < 3000 && !is_out; ms++) {
		world.now_us += 1000;
		turn(0);
		is_out = is_sent(r.bytes);
	}
	assert_true(is_out);
	cores_switch(3);
	assert_true(flow_is_quiet());
	set_cores(CORES_IN_TEST);
	cores_switch(3);
	assert_int_equal(net_udp_unbind(handle), IX_OK);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_by_one), cmocka_unit_test(test_at_random), cmocka_unit_test(test_hotplug),
		cmocka_unit_test(test_refused),    cmocka_unit_test(test_kept),      cmocka_unit_test(test_unresolved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
