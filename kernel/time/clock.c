/* SPDX-License-Identifier: MIT */
/*
 * Ticks and milliseconds from the TSC: a multiplication by a 0.64 fixed-point fraction each, no division
 * after the first call.
 */
#include "kernel/time/time.h"

#include "kernel/cpu/cpu.h"

#define TICKS_PER_S (1000000u / TIME_TICK_US)
#define SCALE_BITS 30u

struct clock {
	uint64_t tick_fraction; /* ticks a TSC tick, 0.64 */
	uint64_t ms_fraction;   /* milliseconds a TSC tick, 0.64 */
	uint64_t tsc_per_tick;  /* 34.30 */
	uint64_t tsc_slack;     /* added so that a deadline has surely passed when its TSC has */
};

static PERCORE struct clock clock;

/* @part / @whole as 0.64 fixed point, @part < @whole < 2^63. */
static uint64_t fraction(uint64_t part, uint64_t whole)
{
	uint64_t result = 0;

	for (unsigned bit = 0; bit < 64; bit++) {
		part <<= 1;
		result <<= 1;
		if (part >= whole) {
			part -= whole;
			result |= 1;
		}
	}
	return result;
}

static void clock_init(void)
{
	clock.tick_fraction = fraction(TICKS_PER_S, cpu_tsc_hz);
	clock.ms_fraction = fraction(1000, cpu_tsc_hz);
	clock.tsc_per_tick = (cpu_tsc_hz << SCALE_BITS) / TICKS_PER_S;
	clock.tsc_slack = cpu_tsc_hz / TICKS_PER_S / 16 + 1;
}

uint64_t time_tick_of(tsc_t now)
{
	if (unlikely(!clock.tick_fraction))
		clock_init();
	return (unsigned __int128)now * clock.tick_fraction >> 64;
}

uint64_t time_now(void)
{
	return time_tick_of(cpu_tsc());
}

uint64_t time_now_ms(void)
{
	if (unlikely(!clock.tick_fraction))
		clock_init();
	return (unsigned __int128)cpu_tsc() * clock.ms_fraction >> 64;
}

tsc_t time_tick_to_tsc(uint64_t tick)
{
	if (unlikely(!clock.tick_fraction))
		clock_init();
	if (tick >> 48)
		return UINT64_MAX;
	return (tsc_t)((unsigned __int128)tick * clock.tsc_per_tick >> SCALE_BITS) + clock.tsc_slack;
}
