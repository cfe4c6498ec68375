/* SPDX-License-Identifier: MIT */
/* Processors, hotplug registers and ring 3 as far as kernel/cores sees them. */
#include "test/unit/net/parking.h"

#include <stdlib.h>
#include "boot/boot.h"
#include "kernel/base/err.h"
#include "kernel/cores/cores.h"
#include "kernel/cores/hotplug.h"
#include "kernel/cores/state.h"
#include "kernel/cpu/start.h"
#include "kernel/mem/map.h"
#include "kernel/net/demux.h"
#include "kernel/sys/sys.h"
#include "kernel/user/user.h"
#include "test/fake/cpu.h"

tsc_t fake_now;
uint64_t fake_msr[2];

struct parking test;

/* ---- processors ---- */
void smp_set_cores(uint64_t running, uint64_t serving, uint64_t open)
{
	fake_cores = running;
	fake_serving = serving;
	fake_open = open;
}

void boot_ap_prepare(pa_t root, uint8_t *low)
{
	(void)root;
	(void)low;
}

pa_t map_core_root(uint32_t core)
{
	return core;
}

void smp_begin(uint32_t core, uint32_t id, uint8_t start_page)
{
	(void)start_page;
	assert_int_equal(id, core + 100);
	assert_true(test.is_gone[core]);
	test.is_begun[core] = !test.is_dead[core];
}

void smp_repeat(uint32_t core, uint8_t start_page)
{
	(void)start_page;
	assert_true(core < CORES_IN_TEST);
}

bool smp_is_started(uint32_t core)
{
	return test.is_begun[core];
}

void smp_stop(uint32_t core)
{
	test.is_begun[core] = false;
}

bool cores_probe_of(uint32_t core, tsc_t *tsc)
{
	(void)core;
	*tsc = fake_now;
	return true;
}

void cpu_halt_until(tsc_t deadline)
{
	assert_int_equal(deadline, UINT64_MAX);
	longjmp(test.halt, 1);
}

/* ---- hotplug registers ---- */
uint32_t hotplug_apic_id(uint32_t core)
{
	return core + 100;
}

void hotplug_poll(void)
{
}

void hotplug_eject(uint32_t core)
{
	assert_true(test.is_asleep[core]);
	test.is_gone[core] = true;
	test.ejected++;
}

void hotplug_refuse(uint32_t core, enum ix_page_refusal why, bool is_insert)
{
	assert_true(core < CORES_IN_TEST + 1);
	test.refused[why]++;
	test.is_insert_refused = is_insert;
}

/* ---- ring 3 ---- */
bool user_is_ending(void)
{
	return test.is_ending;
}

bool user_is_started(void)
{
	return !test.is_ending;
}

bool sys_wake_refuse(bool is_last)
{
	bool is_woken = test.is_woken[core_id()];

	if (is_woken && !is_last)
		return false;
	test.is_woken[core_id()] = false;
	test.is_deaf[core_id()] = true;
	return true;
}

void sys_wake_accept(void)
{
	test.is_deaf[core_id()] = false;
}

void user_park(void)
{
	test.parked++;
}

/* That it leaves is told when all else has been: no connection may be known here then. */
void sys_core(bool leaves)
{
	test.is_telling[core_id()] = true;
	test.leaves[core_id()] = leaves;
}

bool sys_core_is_leaving(void)
{
	return test.leaves[core_id()];
}

bool sys_core_is_told(void)
{
	return !test.is_telling[core_id()];
}

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
	if (test.is_poor[core]) {
		if (!setjmp(test.halt))
			cores_fail("a step");
		return;
	}
	test.is_asleep[core] = test.is_gone[core] = test.is_begun[core] = false;
	cores_come();
	assert_false(test.is_deaf[core]);
}

void parking_turn(uint32_t core)
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
		assert_true(timewait_is_empty());
		assert_true(test.is_deaf[core_id()]);
		test.is_asleep[core_id()] = true;
		return;
	}
	assert_false(cores_park());
	assert_false(test.is_deaf[core_id()]);
}

void parking_step(void)
{
	world.now_us += (uint64_t)(rand() % 300);
	if (world.sent_count > SENT_MAX / 2 || rand() % 3 == 0)
		streams_peers();
	parking_turn((uint32_t)rand() % CORES_IN_TEST);
}

void parking_run(unsigned steps)
{
	while (steps--)
		parking_step();
}

static void on_answer(const struct order_answer *a)
{
	test.answers++;
	test.failed += a->status != 0;
	test.status = a->status;
	test.running = a->cores;
}

void parking_order(uint32_t count)
{
	cores_switch(0);
	assert_int_equal(order_submit(&(struct order){ .op = ORDER_CORES, .to = count, .done = on_answer }), 0);
}

unsigned parking_running(void)
{
	return cpu_count(cpu_running());
}

uint64_t parking_owners(void)
{
	uint64_t set = 0;

	for (unsigned g = 0; g < flow_groups(); g++)
		set |= 1ull << flow_owner((uint8_t)g);
	return set;
}

static void wait_answer(uint32_t count)
{
	unsigned before, steps = 0;

	parking_order(count); /* one that was under way is answered by that */
	before = test.answers;
	for (; test.answers == before; steps++) {
		assert_true(steps < 100000);
		parking_step();
	}
}

void parking_set(uint32_t count)
{
	wait_answer(count);
	assert_int_equal(test.status, 0);
	assert_int_equal(test.running, count);
	assert_int_equal(parking_running(), count);
	assert_int_equal(parking_owners(), (1ull << count) - 1);
}

/* Everything comes to its end, with no byte missing. */
void parking_finish(void)
{
	bool is_busy = true;

	streams.is_closing = true;
	streams.loss = 0;
	for (unsigned steps = 0; is_busy; steps++) {
		assert_true(steps < 200000);
		parking_step();
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

void parking_begin(enum cores_mode mode, unsigned seed)
{
	static bool is_up;
	struct cores_machine *m = &cores_machine;

	srand(seed);
	if (!is_up) {
		cores.queue_of = queue_of;
		cores_begin(mode, WORLD_OFFLOADS);
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
	parking_set(CORES_IN_TEST);
}

void parking_plug(uint32_t core)
{
	if (!test.is_gone[core] || cores_machine.present >> core & 1)
		return;
	cores_switch(0);
	cores_inserted(core);
}

void parking_unplug(uint32_t core)
{
	if (!(cores_machine.present >> core & 1))
		return;
	cores_switch(0);
	cores_removal_asked(core);
}

void parking_wait(uint64_t set)
{
	for (unsigned steps = 0; cores_machine.present != set || cpu_open() != set || parking_owners() != set;
	     steps++) {
		assert_true(steps < 200000);
		parking_step();
	}
}
