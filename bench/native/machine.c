/* SPDX-License-Identifier: MIT */
/*
 * kernel/cpu of the native port: one core, which is a thread of Linux that never sleeps. Its clock is the processor's;
 * interrupts there are none.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "kernel/base/assert.h"
#include "kernel/base/fmt.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/start.h"

#define NS_PER_S 1000000000ull
#define US_PER_S 1000000u
#define CALIBRATION_NS 50000000u
#define LINE_BYTES 400u

uint64_t cpu_tsc_hz;

static uint64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

void cpu_clock_init(uint16_t pm_timer_port)
{
	uint64_t from_ns = now_ns(CLOCK_MONOTONIC_RAW), ns;
	tsc_t from = cpu_tsc(), tsc;

	(void)pm_timer_port;
	do {
		ns = now_ns(CLOCK_MONOTONIC_RAW) - from_ns;
		tsc = cpu_tsc() - from;
	} while (ns < CALIBRATION_NS);
	cpu_tsc_hz = (uint64_t)((unsigned __int128)tsc * NS_PER_S / ns);
}

tsc_t cpu_us_to_tsc(uint64_t us)
{
	return (tsc_t)((unsigned __int128)us * cpu_tsc_hz / US_PER_S);
}

uint64_t cpu_tsc_to_us(tsc_t ticks)
{
	return (uint64_t)((unsigned __int128)ticks * US_PER_S / cpu_tsc_hz);
}

uint64_t cpu_realtime_ns(void)
{
	return now_ns(CLOCK_REALTIME);
}

/* port.c says that its queue is never empty when it is asked before a sleep; so this is not slept away. */
void cpu_halt_until(tsc_t deadline)
{
	(void)deadline;
	cpu_pause();
}

void cpu_wake(uint32_t core)
{
	(void)core;
}

uint32_t cpu_apic_id(uint32_t core)
{
	return core;
}

uint32_t cpu_core_limit(void)
{
	return 1;
}

uint64_t cpu_running(void)
{
	return 1;
}

uint64_t cpu_serving(void)
{
	return 1;
}

uint64_t cpu_open(void)
{
	return 1;
}

bool cpu_has_fsgsbase(void)
{
	return true;
}

/* The polling time that a guest has on real hardware. */
bool cpu_is_kvm(void)
{
	return true;
}

void cpu_random(void *out, size_t bytes)
{
	if (getrandom(out, bytes, 0) != (ssize_t)bytes)
		panic("no entropy from this system");
}

void power_exit(unsigned how)
{
	exit((int)how);
}

void panic(const char *fmt, ...)
{
	char line[LINE_BYTES];
	va_list ap;

	va_start(ap, fmt);
	fmt_va(line, sizeof(line), fmt, ap);
	va_end(ap);
	(void)fprintf(stderr, "native: %s\n", line);
	_exit(EXIT_FAILURE);
}
