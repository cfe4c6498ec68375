/* SPDX-License-Identifier: MIT */
/* When requests are due, whatever becomes of those before: at a fixed rate, or as independent users send them (Poisson), by seed, as many
 * of them at all times or more and fewer. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct schedule {
	double gap_ns; /* mean, between two requests */
	double (*rate_at)(double after_ns,
			  const void *of); /* instead of gap_ns, requests a second; NULL: it does not change */
	const void *of;
	bool is_poisson;
	uint64_t start_ns;
	uint64_t taken;  /* requests before the next one */
	double after_ns; /* of the next one, from start_ns */
	uint64_t random;
};

/**
 * schedule_begin() - the first request is due at @start_ns, or with Poisson arrivals a gap later
 * @rate: requests a second, above 0
 * @seed: Poisson arrivals that depend on it alone; 0: a fixed rate
 */
void schedule_begin(struct schedule *s, double rate, uint64_t seed, uint64_t start_ns);

/**
 * schedule_begin_varying() - Poisson arrivals whose mean is *@rate_at's
 * @rate_at: requests a second (above 0) so long after @start_ns; @of: its second argument. It counts from one request to the next,
 * so it should not change much between two.
 */
void schedule_begin_varying(struct schedule *s, double (*rate_at)(double after_ns, const void *of), const void *of,
			    uint64_t seed, uint64_t start_ns);

/** schedule_due() - Return: when the next request is due, in ns of the clock of start_ns. */
static inline uint64_t schedule_due(const struct schedule *s)
{
	return s->start_ns + (uint64_t)s->after_ns;
}

/** schedule_take() - goes on to the one after it. Return: what schedule_due() was. */
uint64_t schedule_take(struct schedule *s);
