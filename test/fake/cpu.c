/* SPDX-License-Identifier: MIT */
/* A processor on the host: as many cores as a test says, a second that passes soon, random bytes that repeat. */
#include "test/fake/cpu.h"

#include "kernel/cpu/cpu.h"

uint32_t fake_core_count = 1;
uint64_t fake_cores, fake_serving, fake_open;
unsigned fake_wakes[CORES_MAX];
uint64_t cpu_tsc_hz = 1000000000;

tsc_t cpu_us_to_tsc(uint64_t us)
{
	return us * 1000; /* about half a second on most machines */
}

uint64_t cpu_tsc_to_us(tsc_t ticks)
{
	return ticks / 1000;
}

void cpu_wake(uint32_t core)
{
	__atomic_fetch_add(&fake_wakes[core], 1, __ATOMIC_RELAXED);
}

uint32_t cpu_apic_id(uint32_t core)
{
	return core;
}

uint32_t cpu_core_limit(void)
{
	return fake_core_count;
}

uint64_t cpu_running(void)
{
	return fake_cores ? fake_cores : UINT64_MAX >> (64 - fake_core_count);
}

uint64_t cpu_serving(void)
{
	return fake_serving ? fake_serving : cpu_running();
}

uint64_t cpu_open(void)
{
	return fake_open ? fake_open : cpu_running();
}

void cpu_random(void *out, size_t bytes)
{
	static uint64_t state = 0x243f6a8885a308d3;
	uint8_t *to = out;

	for (size_t i = 0; i < bytes; i++) {
		state = state * 6364136223846793005 + 1442695040888963407;
		to[i] = (uint8_t)(state >> 56);
	}
}
