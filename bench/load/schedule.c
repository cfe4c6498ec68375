/* SPDX-License-Identifier: MIT */
/* A fixed rate is counted from the start, so that no rounding adds up; gaps of a Poisson process are exponential. */
#include "bench/load/schedule.h"

#include <math.h>
#include <stddef.h>

#define TOP_BITS 53 /* of a double */

/* splitmix64. Return: above 0, at most 1. */
static double draw(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	x ^= x >> 31;
	return (double)((x >> (64 - TOP_BITS)) + 1) / (double)(1ull << TOP_BITS);
}

static double poisson_gap(struct schedule *s)
{
	double gap_ns = s->rate_at != NULL ? 1e9 / s->rate_at(s->after_ns, s->of) : s->gap_ns;

	return -log(draw(&s->random)) * gap_ns;
}

void schedule_begin(struct schedule *s, double rate, uint64_t seed, uint64_t start_ns)
{
	*s = (struct schedule){ .gap_ns = 1e9 / rate, .is_poisson = seed != 0, .start_ns = start_ns, .random = seed };
	if (s->is_poisson)
		s->after_ns = poisson_gap(s);
}

void schedule_begin_varying(struct schedule *s, double (*rate_at)(double after_ns, const void *of), const void *of,
			    uint64_t seed, uint64_t start_ns)
{
	*s = (struct schedule){
		.rate_at = rate_at, .of = of, .is_poisson = true, .start_ns = start_ns, .random = seed
	};
	s->after_ns = poisson_gap(s);
}

uint64_t schedule_take(struct schedule *s)
{
	uint64_t due = schedule_due(s);

	s->taken++;
	if (s->is_poisson)
		s->after_ns += poisson_gap(s);
	else
		s->after_ns = (double)s->taken * s->gap_ns;
	return due;
}
