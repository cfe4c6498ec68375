/* SPDX-License-Identifier: MIT */
/* Processors that are started, sleep and go, registers of CPU hotplug, a ring 3 that is told when its core leaves. */
#include "test/unit/net/parking.h"

#include "boot/boot.h"
#include "kernel/cpu/start.h"
#include "kernel/mem/map.h"
#include "kernel/sys/sys.h"
#include "kernel/user/user.h"
#include "test/fake/cpu.h"

struct parking test;
tsc_t fake_now;
uint64_t fake_msr[2];

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

void hotplug_refuse(uint32_t core, enum ix_page_refusal why)
{
	assert_true(core < CORES_IN_TEST + 1);
	test.refused[why]++;
}

/* ---- ring 3 ---- */
bool user_is_ending(void)
{
	return false;
}

bool user_is_started(void)
{
	return true;
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
