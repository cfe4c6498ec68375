/* SPDX-License-Identifier: MIT */
/* Cores park and come again, are taken away and given back, while streams of known bytes go on. */
#include "test/unit/net/parking.h"

#include <stdlib.h>
#include "kernel/base/err.h"
#include "kernel/cores/cores.h"
#include "kernel/cores/hotplug.h"
#include "kernel/cpu/cpu.h"

#ifndef MODE
#define MODE CORES_HASH
#endif
#define STEPS 6000u

static void test_one_by_one(void **state)
{
	unsigned told;

	(void)state;
	parking_begin(MODE, 1);
	told = test.told;
	for (unsigned n = 0; n < 12; n++) {
		parking_run(1000);
		parking_set(1 + n * 7 % CORES_IN_TEST);
	}
	parking_set(CORES_IN_TEST);
	parking_run(1000); /* what came last is told */
	assert_true(test.told > told && (test.told - told) % 2 == 0);
	assert_true(test.parked > 5 && !test.failed);
	parking_finish();
}

/* Another wish before the last one is done, losses, a ring 3 that takes its time. */
static void test_at_random(void **state)
{
	(void)state;
	for (unsigned seed = 20; seed < 24; seed++) {
		parking_begin(MODE, seed);
		streams.loss = seed % 2 ? 30 : 0;
		streams.slow = seed % 3 ? 0 : 20;
		for (unsigned n = 0; n < STEPS / 100; n++) {
			parking_order(1 + (uint32_t)rand() % CORES_IN_TEST);
			parking_run((unsigned)rand() % 200);
		}
		streams.slow = 0;
		parking_set(1);
		parking_set(CORES_IN_TEST);
		parking_finish();
	}
}

static void test_hotplug(void **state)
{
	uint32_t gone;

	(void)state;
	parking_begin(MODE, 30);
	parking_unplug(2);
	parking_wait(0xb);
	assert_true(test.is_gone[2]);
	for (unsigned n = 0; n < STEPS / 200; n++) {
		if (rand() % 2)
			parking_plug(1 + (uint32_t)rand() % 3);
		else
			parking_unplug(1 + (uint32_t)rand() % 3);
		parking_run((unsigned)rand() % 400);
	}
	for (uint32_t core = 1; core < CORES_IN_TEST; core++)
		parking_unplug(core);
	parking_wait(1);
	gone = test.ejected;
	assert_true(gone > 5);
	for (uint32_t core = 1; core < CORES_IN_TEST; core++)
		parking_plug(core);
	parking_wait(0xf);
	parking_finish();
}

static void test_refused(void **state)
{
	(void)state;
	parking_begin(MODE, 40);
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
	parking_unplug(2);
	parking_wait(0xb);
	test.is_dead[2] = true;
	parking_plug(2);
	for (unsigned steps = 0; !test.refused[IX_PAGE_REFUSED_SILENT]; steps++) {
		assert_true(steps < 200000);
		parking_step();
	}
	test.is_dead[2] = false;
	parking_unplug(2); /* it was never more than there */
	parking_wait(0xb);
	parking_plug(2);
	parking_wait(0xf);
	parking_finish();
}

/* Ring 3 does not come back on one core: after four seconds that one stays, while the others have gone; later it goes, too. */
static void test_kept(void **state)
{
	(void)state;
	parking_begin(MODE, 50);
	parking_run(2000);
	test.is_kept[2] = true;
	parking_order(1);
	test.status = 0;
	for (unsigned steps = 0; parking_running() != 2 || !cores_machine.was_refused; steps++) {
		assert_true(steps < 200000);
		cores_switch(2);
		cores_interrupted(); /* as the wake-up finds it there */
		parking_step();
	}
	assert_int_equal(cpu_running(), 5);
	test.is_kept[2] = false;
	for (unsigned steps = 0; !test.status; steps++) {
		assert_true(steps < 200000);
		parking_step();
	}
	assert_int_equal(test.status, KERR_IN_USE);
	assert_int_equal(parking_owners(), 5);
	parking_set(1);
	parking_set(CORES_IN_TEST);
	parking_finish();
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
	parking_begin(MODE, 60);
	parking_finish();
	cores_switch(3);
	assert_int_equal(net_udp_bind(&any, 1, &handle), IX_OK);
	world.is_arp_silent = true;
	assert_int_equal(net_udp_send(handle, &to, &r, &sent), IX_OK);
	parking_set(1);
	assert_true(test.is_asleep[3]);
	world.is_arp_silent = false;
	world.sent_count = world.taken = 0;
	for (unsigned ms = 0; ms < 3000 && !is_out; ms++) {
		world.now_us += 1000;
		parking_turn(0);
		is_out = is_sent(r.bytes);
	}
	assert_true(is_out);
	cores_switch(3);
	assert_true(flow_is_quiet());
	parking_set(CORES_IN_TEST);
	cores_switch(3);
	assert_int_equal(net_udp_unbind(handle), IX_OK);
	parking_finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_by_one), cmocka_unit_test(test_at_random), cmocka_unit_test(test_hotplug),
		cmocka_unit_test(test_refused),    cmocka_unit_test(test_kept),      cmocka_unit_test(test_unresolved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
