/* SPDX-License-Identifier: MIT */
/*
 * Moving averages: what a core did between two looks, weighted by how long that was against a window of 10 ms and of 1 s
 * [IX, TOCS 2016, 4.3]. A core that slept for longer than the window is what it was in the last stretch, no more.
 */
#include "kernel/ctl/page.h"

#define FAST_MS 10u
#define SLOW_MS 1000u
#define ONE 256u       /* of a frame */
#define WHOLE 0x10000u /* of a weight: a millisecond of a second must not be rounded to four */
#define PPM 1000000u

uint64_t averages_ns(tsc_t ticks, uint64_t tsc_hz)
{
	return (uint64_t)((unsigned __int128)ticks * ((1000000000ull << 32) / tsc_hz) >> 32);
}

/* @part of @whole in millionths; both lose bits together where the product would not fit. */
static uint64_t share(uint64_t part, uint64_t whole)
{
	while (whole >> 40) {
		part >>= 1;
		whole >>= 1;
	}
	return MIN(part, whole) * PPM / whole;
}

/* @average moves towards @sample by @weight of WHOLE; rounded so that it arrives. */
static uint64_t towards(uint64_t average, uint64_t sample, uint64_t weight)
{
	if (sample >= average)
		return average + ((sample - average) * weight + WHOLE - 1) / WHOLE;
	return average - ((average - sample) * weight + WHOLE - 1) / WHOLE;
}

static void take(uint64_t pair[2], uint64_t sample, const uint64_t weight[2])
{
	pair[0] = towards(pair[0], sample, weight[0]);
	pair[1] = towards(pair[1], sample, weight[1]);
}

/*
 * What @span is of @window, or of all that there has been, so that a core that has just begun is not taken for what it was
 * before: nothing. At least 1 of WHOLE, or one that is looked at often would never be seen to change.
 */
static uint64_t weight_of(uint64_t span, uint64_t window, uint64_t age)
{
	window = MIN(window, age);
	return MAX(MIN(span, window) * WHOLE / window, 1u);
}

void averages_add(struct averages *a, const struct ctl_core *now, tsc_t at, uint64_t tsc_hz)
{
	const struct ctl_core *then = &a->then;
	uint64_t span = at - a->at, ms = tsc_hz / 1000;
	uint64_t frames = now->frames - then->frames, batches = now->batches - then->batches;
	uint64_t turns = now->busy_turns - then->busy_turns;
	tsc_t idle = now->poll - then->poll + now->halt - then->halt;
	uint64_t weight[2];

	if (!span)
		return;
	a->age = MIN(a->age + span, SLOW_MS * ms);
	weight[0] = weight_of(span, FAST_MS * ms, a->age);
	weight[1] = weight_of(span, SLOW_MS * ms, a->age);
	if (batches)
		take(a->batch, frames * ONE / batches, weight);
	if (turns)
		take(a->loop, averages_ns((now->busy - then->busy) / turns, tsc_hz), weight);
	take(a->depth, batches ? (frames + now->left - then->left) * ONE / batches : 0, weight);
	take(a->delay, frames ? averages_ns((now->waited - then->waited) / frames, tsc_hz) : 0, weight);
	take(a->idle, share(idle, span), weight);
	a->then = *now;
	a->at = at;
}
