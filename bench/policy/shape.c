/* SPDX-License-Identifier: MIT */
/* What the loads look like. */
#include "bench/policy/shape.h"
#include <math.h>

#define TAU 6.283185307179586
#define TRIANGLE_LOW (10.0 / 6300)
#define QUICK_LOW (0.7 / 6.3)
#define SINE_LOW (0.5 / 6.3)
#define SINE_HIGH (6.0 / 6.3)
#define QUICK_TIMES 6.0
#define WAVES 3.0
#define NOISE 0.1

const char *shape_name(enum shape shape)
{
	static const char *const names[SHAPE_NR] = {
		[SHAPE_STEPS] = "steps",         [SHAPE_TRIANGLE] = "triangle", [SHAPE_QUICK] = "quick triangle",
		[SHAPE_SINE] = "sine and noise", [SHAPE_FLAT] = "flat",
	};

	return names[shape];
}

uint64_t chance_next(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull); /* splitmix64 */

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

double chance_unit(uint64_t *state)
{
	return (double)((chance_next(state) >> 11) + 1) * 0x1p-53;
}

double chance_normal(uint64_t *state)
{
	uint64_t r = chance_next(state);

	/* Four of 16 bits: the sum has a variance of 4/12. */
	return ((double)((r & 0xffff) + (r >> 16 & 0xffff) + (r >> 32 & 0xffff) + (r >> 48)) / 65536.0 - 2.0) *
	       1.7320508;
}

static double up_and_down(double at, double low)
{
	double tooth = at < 0.5 ? 2 * at : 2 - 2 * at;

	return low + (1 - low) * tooth;
}

static double steps(double at)
{
	static const double height[SHAPE_STAIRS] = { 0.1, 0.3, 0.5, 1.0, 1.0, 0.5, 0.1, 0.8, 0.1, 0.1 };

	return height[at >= 1 ? SHAPE_STAIRS - 1 : (unsigned)(at * SHAPE_STAIRS)];
}

double shape_at(enum shape shape, double at, double seconds, uint64_t seed)
{
	uint64_t second = seed + (uint64_t)(at * seconds) * 0x9e3779b9u;

	switch (shape) {
	case SHAPE_STEPS:
		return steps(at);
	case SHAPE_TRIANGLE:
		return up_and_down(at, TRIANGLE_LOW);
	case SHAPE_QUICK:
		return up_and_down(at * QUICK_TIMES - floor(at * QUICK_TIMES), QUICK_LOW);
	case SHAPE_SINE:
		return (SINE_LOW + (SINE_HIGH - SINE_LOW) * (0.5 - 0.5 * cos(at * WAVES * TAU))) *
		       (1 + NOISE * chance_normal(&second));
	case SHAPE_FLAT:
	case SHAPE_NR:
		break;
	}
	return 0.5;
}
