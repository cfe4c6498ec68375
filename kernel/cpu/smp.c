/* SPDX-License-Identifier: MIT */
/* Who the other cores are, how they are started [SDM 3A 9.4.4.1], woken, and how a core sleeps. */
#include "kernel/base/err.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/start.h"

#define ICR_INIT 0x4500u    /* INIT, assert */
#define ICR_STARTUP 0x4600u /* SIPI, assert */
#define ICR_FIXED 0x4000u   /* fixed, assert */
#define START_TRIES 100u    /* a vCPU of a busy host may be long in coming; a start-up IPI too many is ignored */
#define START_WAIT_US 100000u

static uint32_t apic_ids[CORES_MAX];
static uint32_t core_limit = 1;
static uint64_t started; /* cores that said smp_started() since their smp_begin() */

/* Read by all, written when a core comes or goes. */
static struct smp_cores {
	uint64_t running, serving, open;
} smp_cores ALIGNED(64) = { 1, 1, 1 };

uint32_t cpu_core_limit(void)
{
	return core_limit;
}

uint64_t cpu_running(void)
{
	return load_acquire(&smp_cores.running);
}

uint64_t cpu_serving(void)
{
	return load_acquire(&smp_cores.serving);
}

uint64_t cpu_open(void)
{
	return load_acquire(&smp_cores.open);
}

uint32_t cpu_apic_id(uint32_t core)
{
	return apic_ids[core];
}

void smp_set_boot_core(uint32_t limit)
{
	apic_ids[0] = apic_id();
	core_limit = limit;
}

void smp_set_cores(uint64_t running, uint64_t serving, uint64_t open)
{
	store_release(&smp_cores.running, running);
	store_release(&smp_cores.serving, serving);
	store_release(&smp_cores.open, open);
}

void smp_started(void)
{
	__atomic_fetch_or(&started, 1ull << core_id(), __ATOMIC_RELEASE);
}

bool smp_is_started(uint32_t core)
{
	return load_acquire(&started) >> core & 1;
}

void smp_begin(uint32_t core, uint32_t id, uint8_t start_page)
{
	apic_ids[core] = id;
	__atomic_fetch_and(&started, ~(1ull << core), __ATOMIC_RELAXED);
	apic_send(id, ICR_INIT);
	apic_send(id, ICR_STARTUP | start_page);
}

void smp_repeat(uint32_t core, uint8_t start_page)
{
	apic_send(apic_ids[core], ICR_STARTUP | start_page);
}

void smp_stop(uint32_t core)
{
	apic_send(apic_ids[core], ICR_INIT);
}

int smp_start(uint32_t core, uint32_t id, uint8_t start_page)
{
	smp_begin(core, id, start_page);
	for (unsigned try = 0; try < START_TRIES; try++) {
		tsc_t until = cpu_tsc() + cpu_us_to_tsc(START_WAIT_US);

		while (cpu_tsc() < until) {
			if (smp_is_started(core))
				return 0;
			cpu_pause();
		}
		smp_repeat(core, start_page);
	}
	return KERR_TIMEOUT;
}

void cpu_wake(uint32_t core)
{
	apic_send(apic_ids[core], ICR_FIXED | CPU_VECTOR_WAKE);
}

void cpu_halt_until(tsc_t deadline)
{
	if (deadline != UINT64_MAX)
		apic_timer_arm(deadline);
	/* STI takes effect after the next instruction, so no interrupt is lost before HLT [SDM 2B STI]. */
	__asm__ volatile("sti; hlt; cli" ::: "memory");
}
