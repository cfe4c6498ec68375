/* SPDX-License-Identifier: MIT */
/*
 * In: where a turn of the loop begins, and whether it found anything to do. Out: the processor's time of turns that did
 * and of those that did not, at a socket where a client marks its window (bench/plugin/report.h). Who calls: port.c
 * and ring3.c. One thread writes; the socket's reads.
 */
#pragma once
#include "kernel/cpu/cpu.h"

/* A turn that long was interrupted: another program ran, or another machine. */
#define METER_DISTURBED_US 500u

struct meter {
	tsc_t begin;         /* of this turn */
	tsc_t disturbed;     /* ticks from which on a turn counts as interrupted */
	uint32_t frames;     /* received in this turn */
	uint32_t has_worked; /* this turn */
	uint64_t busy_tsc, idle_tsc, disturbed_tsc;
	uint64_t busy_turns, idle_turns, disturbed_turns;
	uint64_t busy_frames, disturbed_frames; /* received in such turns */
	uint64_t crossings;                     /* of the boundary into the application; as many come back */
};
extern struct meter meter;

/** meter_start() - after cpu_clock_init(); serve @path, NULL: nobody asks. Return: 0 or -1 with errno. */
int meter_start(const char *path);

static inline void meter_add(uint64_t *sum, uint64_t n)
{
	WRITE_ONCE(*sum, *sum + n);
}

/** meter_turn() - a turn ends and one begins. */
static inline void meter_turn(void)
{
	tsc_t now = cpu_tsc(), took = now - meter.begin;

	meter.begin = now;
	if (unlikely(took > meter.disturbed)) {
		meter_add(&meter.disturbed_tsc, took);
		meter_add(&meter.disturbed_turns, 1);
		meter_add(&meter.disturbed_frames, meter.frames);
	} else if (meter.has_worked) {
		meter_add(&meter.busy_tsc, took);
		meter_add(&meter.busy_turns, 1);
		meter_add(&meter.busy_frames, meter.frames);
	} else {
		meter_add(&meter.idle_tsc, took);
		meter_add(&meter.idle_turns, 1);
	}
	meter.frames = 0;
	meter.has_worked = 0;
}

/** meter_worked() - this turn has received @frames, or sent. */
static inline void meter_worked(unsigned frames)
{
	meter.frames += frames;
	meter.has_worked = 1;
}

/** meter_crossing() - the application is entered. */
static inline void meter_crossing(void)
{
	meter_add(&meter.crossings, 1);
	meter.has_worked = 1;
}
