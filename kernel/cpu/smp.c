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
static uint32_t core_count = 1;
static uint32_t running; /* cores that said smp_started() */

uint32_t cpu_core_count(void)
{
	return load_acquire(&core_count);
}

uint32_t cpu_apic_id(uint32_t core)
{
	return apic_ids[core];
}

void smp_set_boot_core(void)
{
	apic_ids[0] = apic_id();
}

void smp_started(void)
{
	__atomic_fetch_add(&running, 1, __ATOMIC_RELEASE);
}

int smp_start(uint32_t core, uint32_t id, uint8_t start_page)
{
	uint32_t before = load_acquire(&running);

	apic_ids[core] = id;
	apic_send(id, ICR_INIT);
	for (unsigned try = 0; try < START_TRIES; try++) {
		tsc_t until = cpu_tsc() + cpu_us_to_tsc(START_WAIT_US);

		apic_send(id, ICR_STARTUP | start_page);
		while (cpu_tsc() < until) {
			if (load_acquire(&running) != before) {
				store_release(&core_count, core + 1);
				return 0;
			}
			cpu_pause();
		}
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
