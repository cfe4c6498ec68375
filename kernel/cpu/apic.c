/* SPDX-License-Identifier: MIT */
/*
 * The local APIC: x2APIC by MSR where there is one, else the memory-mapped page; its timer by TSC
 * deadline where there is one, else one-shot counts [SDM 3A 11].
 */
#include "kernel/base/assert.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/msr.h"
#include "kernel/cpu/start.h"
#include "kernel/mem/map.h"

#define XAPIC_PA 0xfee00000ull
#define PIC1_MASK 0x21
#define PIC2_MASK 0xa1
/* Offsets in the memory-mapped page; the MSR of a register is 0x800 + offset / 16. */
#define APIC_ID 0x20
#define APIC_EOI 0xb0
#define APIC_SIVR 0xf0
#define APIC_SIVR_ENABLE 0x100u
#define APIC_ICR_LOW 0x300
#define APIC_ICR_HIGH 0x310
#define APIC_ICR_PENDING (1u << 12)
#define APIC_ICR_INIT_OTHERS 0xc4500u /* INIT, all but self */
#define APIC_LVT_TIMER 0x320
#define APIC_LVT_LINT1 0x360
#define APIC_LVT_NMI 0x400u
#define APIC_LVT_DEADLINE (2u << 17)
#define APIC_LVT_MASKED (1u << 16)
#define APIC_INIT_COUNT 0x380
#define APIC_CUR_COUNT 0x390
#define APIC_DIV_CONF 0x3e0
#define APIC_DIV_1 0xbu
#define CALIBRATE_US 200u

static bool x2apic;
static bool has_deadline;
static volatile uint8_t *xapic;
static PERCORE bool timer_armed;
static PERCORE tsc_t timer_deadline; /* while timer_armed */
static uint64_t timer_mult;          /* APIC timer counts a TSC tick, 32.32 */

static void reg_write(uint32_t reg, uint32_t v)
{
	if (x2apic)
		msr_write(0x800 + reg / 16, v);
	else
		*(volatile uint32_t *)(xapic + reg) = v;
}

static uint32_t reg_read(uint32_t reg)
{
	if (x2apic)
		return (uint32_t)msr_read(0x800 + reg / 16);
	return *(volatile uint32_t *)(xapic + reg);
}

void apic_core_init(void)
{
	uint64_t base = msr_read(IA32_APIC_BASE);

	if (core_id() == 0) {
		struct cpuid id1 = cpuid(1, 0);

		x2apic = id1.c >> 21 & 1;
		has_deadline = id1.c >> 24 & 1;
		/* SeaBIOS leaves the 8259s open: their timer would come in as vector 8. */
		cpu_out8(PIC1_MASK, 0xff);
		cpu_out8(PIC2_MASK, 0xff);
		if (!x2apic) {
			xapic = map_device(XAPIC_PA, PAGE_BYTES);
			kassert(xapic);
		}
	}
	msr_write(IA32_APIC_BASE, base | IA32_APIC_BASE_EN | (x2apic ? IA32_APIC_BASE_EXTD : 0));
	reg_write(APIC_SIVR, APIC_SIVR_ENABLE | CPU_VECTOR_SPURIOUS);
	if (core_id() == 0)
		reg_write(APIC_LVT_LINT1, APIC_LVT_NMI); /* the host's NMI button: a report from one core is enough */
	reg_write(APIC_DIV_CONF, APIC_DIV_1);
	reg_write(APIC_LVT_TIMER, CPU_VECTOR_TIMER | (has_deadline ? APIC_LVT_DEADLINE : 0));
	/* [SDM 3A 11.5.4.1]: in xAPIC mode the LVT write must be seen before the deadline is set. */
	fence_full();
}

uint32_t apic_id(void)
{
	return x2apic ? reg_read(APIC_ID) : reg_read(APIC_ID) >> 24;
}

void apic_eoi(void)
{
	reg_write(APIC_EOI, 0);
}

void apic_send(uint32_t id, uint32_t low)
{
	if (x2apic) {
		fence_full(); /* the MSR write does not order earlier stores [SDM 3A 11.12.3] */
		msr_write(IA32_X2APIC_ICR, (uint64_t)id << 32 | low);
		return;
	}
	while (reg_read(APIC_ICR_LOW) & APIC_ICR_PENDING)
		cpu_pause();
	reg_write(APIC_ICR_HIGH, id << 24);
	reg_write(APIC_ICR_LOW, low);
}

void apic_timer_calibrate(void)
{
	tsc_t from, to, span = cpu_us_to_tsc(CALIBRATE_US);
	uint32_t counted;

	if (has_deadline)
		return;
	reg_write(APIC_LVT_TIMER, CPU_VECTOR_TIMER | APIC_LVT_MASKED);
	from = cpu_tsc();
	reg_write(APIC_INIT_COUNT, UINT32_MAX);
	do
		to = cpu_tsc();
	while (to - from < span);
	counted = UINT32_MAX - reg_read(APIC_CUR_COUNT);
	to = cpu_tsc();
	reg_write(APIC_INIT_COUNT, 0);
	reg_write(APIC_LVT_TIMER, CPU_VECTOR_TIMER);
	timer_mult = ((uint64_t)counted << 32) / (to - from);
	kassert(timer_mult);
}

void apic_timer_arm(tsc_t deadline)
{
	unsigned __int128 counts;
	tsc_t now;

	/* To set the timer leaves a virtual machine; to come early costs whoever sleeps one look. */
	if (timer_armed && timer_deadline <= deadline)
		return;
	timer_armed = true;
	timer_deadline = deadline;
	if (has_deadline) {
		msr_write(IA32_TSC_DEADLINE, deadline);
		return;
	}
	now = cpu_tsc();
	counts = deadline > now ? (unsigned __int128)(deadline - now) * timer_mult >> 32 : 0;
	/* 0 would stop the timer; a far deadline ends one HLT early, and the caller goes back to sleep. */
	reg_write(APIC_INIT_COUNT, counts > UINT32_MAX ? UINT32_MAX : MAX((uint32_t)counts, 1u));
}

bool apic_timer_is_armed(void)
{
	return timer_armed;
}

void apic_timer_fired(void)
{
	timer_armed = false;
}

void apic_timer_stop(void)
{
	timer_armed = false;
	if (has_deadline)
		msr_write(IA32_TSC_DEADLINE, 0);
	else
		reg_write(APIC_INIT_COUNT, 0);
}

void apic_stop_others(void)
{
	if (x2apic || xapic)
		apic_send(0, APIC_ICR_INIT_OTHERS);
}
