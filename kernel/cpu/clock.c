/* SPDX-License-Identifier: MIT */
/*
 * The TSC as the one clock: how fast it runs, and what time it was. CPUID 15H or the hypervisor says
 * the frequency; else it is measured against the ACPI PM timer [ACPI 6.5 4.8.3.3].
 */
#include "kernel/base/assert.h"
#include "kernel/base/log.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/msr.h"
#include "kernel/cpu/start.h"

#define PM_TIMER_HZ 3579545ull
#define PM_TIMER_MASK 0xffffffu /* 24 bits are always there */
#define READS_MAX 1000000u      /* a timer that has not moved that far by then is none */
#define MEASURE_TICKS 7200u     /* about 2 ms */
#define CMOS_INDEX 0x70
#define CMOS_DATA 0x71

uint64_t cpu_tsc_hz;
static uint64_t us_mult; /* ticks a us, 32.32 */

static uint64_t hz_from_cpuid(void)
{
	struct cpuid c = cpuid(0x15, 0), h = { 0 };

	if (c.a && c.b && c.c)
		return (uint64_t)c.c * c.b / c.a;
	if (!cpu_is_kvm())
		return 0;
	/* The hypervisor timing leaf that KVM's host may fill in: kHz. */
	__asm__("cpuid" : "=a"(h.a), "=b"(h.b), "=c"(h.c), "=d"(h.d) : "0"(0x40000000), "2"(0));
	if (h.a < 0x40000010)
		return 0;
	__asm__("cpuid" : "=a"(h.a), "=b"(h.b), "=c"(h.c), "=d"(h.d) : "0"(0x40000010), "2"(0));
	return h.a * 1000ull;
}

/* PM timer and TSC at one moment: the try with the shortest port read, so that a preempted one does not count. */
static uint32_t sample(uint16_t port, tsc_t *tsc)
{
	tsc_t best = UINT64_MAX;
	uint32_t ticks = 0;

	*tsc = 0;
	for (unsigned i = 0; i < 8; i++) {
		tsc_t before = cpu_tsc(), after;
		uint32_t t = cpu_in32(port);

		after = cpu_tsc();
		if (after - before < best) {
			best = after - before;
			ticks = t;
			*tsc = before + best / 2;
		}
	}
	return ticks & PM_TIMER_MASK;
}

static uint64_t hz_measured(uint16_t port)
{
	tsc_t from, to;
	uint32_t start = sample(port, &from), end;

	for (unsigned reads = 0; reads < READS_MAX; reads++) {
		end = cpu_in32(port) & PM_TIMER_MASK;
		if (((end - start) & PM_TIMER_MASK) >= MEASURE_TICKS)
			break;
	}
	end = sample(port, &to);
	end = (end - start) & PM_TIMER_MASK;
	return end >= MEASURE_TICKS ? (to - from) * PM_TIMER_HZ / end : 0;
}

void cpu_clock_init(uint16_t pm_timer_port)
{
	cpu_tsc_hz = hz_from_cpuid();
	if (!cpu_tsc_hz && pm_timer_port)
		cpu_tsc_hz = hz_measured(pm_timer_port);
	if (!cpu_tsc_hz)
		panic("no way to learn the TSC's frequency: neither CPUID nor an ACPI PM timer says");
	us_mult = (cpu_tsc_hz / 1000000 << 32) + (cpu_tsc_hz % 1000000 << 32) / 1000000;
}

tsc_t cpu_us_to_tsc(uint64_t us)
{
	return (tsc_t)((unsigned __int128)us * us_mult >> 32);
}

uint64_t cpu_tsc_to_us(tsc_t ticks)
{
	return ticks / cpu_tsc_hz * 1000000 + ticks % cpu_tsc_hz * 1000000 / cpu_tsc_hz;
}

static unsigned cmos(uint8_t reg)
{
	cpu_out8(CMOS_INDEX, reg);
	return cpu_in8(CMOS_DATA);
}

static unsigned from_bcd(unsigned v, bool binary)
{
	return binary ? v : (v >> 4) * 10 + (v & 15);
}

/* Days from 1970-01-01 to a date of the Gregorian calendar. */
static uint64_t days_to(unsigned year, unsigned month, unsigned day)
{
	/* Years that begin in March put the leap day last. */
	uint64_t y = month > 2 ? year : year - 1;
	uint64_t m = month > 2 ? month - 3 : month + 9;

	return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

uint64_t cpu_realtime_ns(void)
{
	unsigned now[7], again[7], b = cmos(0x0b);
	static const uint8_t regs[7] = { 0x00, 0x02, 0x04, 0x07, 0x08, 0x09, 0x32 };
	bool binary = b & 4, same;

	/* Two equal readings: no update went on between them [MC146818A]. Bounded: a torn time is wrong, not fatal. */
	for (unsigned i = 0; i < 100; i++) {
		same = true;
		for (unsigned r = 0; r < 7; r++)
			now[r] = cmos(regs[r]);
		for (unsigned r = 0; r < 7; r++) {
			again[r] = cmos(regs[r]);
			same = same && now[r] == again[r];
		}
		if (same)
			break;
	}
	for (unsigned r = 0; r < 7; r++)
		now[r] = from_bcd(r == 2 ? now[r] & 0x7f : now[r], binary);
	return ((days_to(now[6] * 100 + now[5], now[4], now[3]) * 24 + now[2]) * 3600 + now[1] * 60ull + now[0]) *
	       1000000000ull;
}
