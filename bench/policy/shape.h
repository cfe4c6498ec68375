/* SPDX-License-Identifier: MIT */
/* Loads over time, as IX's control plane was measured with [TOCS 2016, 5; ix-bench: 10 k to 6.3 M, 0.7 to 6.3 M, 0.5 to 6.0 M requests a second
 * over 240 s], and chance that a seed fixes. */
#pragma once
#include <stdint.h>

enum shape {
	SHAPE_STEPS = 0, /* up by stairs, half of them at once, down in two */
	SHAPE_TRIANGLE,  /* from next to nothing to all and back */
	SHAPE_QUICK,     /* the same six times, from a ninth */
	SHAPE_SINE,      /* three waves and noise of 10 % that changes every second */
	SHAPE_FLAT,      /* half of it */
	SHAPE_NR
};

#define SHAPE_STAIRS 10u /* of SHAPE_STEPS, of the same length */

/** shape_name() - a word. */
const char *shape_name(enum shape shape);

/** shape_at() - load at @at (0..1) of a run of @seconds: 0..1 of its peak. @seed: of the noise. */
double shape_at(enum shape shape, double at, double seconds, uint64_t seed);

/** chance_next() - the next of a sequence of random numbers. chance_unit(): in (0, 1]. chance_normal(): about normal, mean 0, deviation 1. */
uint64_t chance_next(uint64_t *state);
double chance_unit(uint64_t *state);
double chance_normal(uint64_t *state);
