/* SPDX-License-Identifier: MIT */
/* Slots: exponent, then the seven bits below the leading one. */
#include "bench/load/histogram.h"

#include <stdio.h>

void histogram_add(struct histogram *h, uint64_t ns)
{
	unsigned exponent;

	if (ns > h->max_ns)
		h->max_ns = ns;
	if (ns < HISTOGRAM_STEPS)
		ns = HISTOGRAM_STEPS;
	exponent = 63u - (unsigned)__builtin_clzll(ns);
	h->slots[exponent * HISTOGRAM_STEPS + (ns >> (exponent - HISTOGRAM_STEP_BITS) & (HISTOGRAM_STEPS - 1))]++;
	h->count++;
}

void histogram_merge(struct histogram *h, const struct histogram *from)
{
	h->count += from->count;
	if (from->max_ns > h->max_ns)
		h->max_ns = from->max_ns;
	for (unsigned i = 0; i < sizeof(h->slots) / sizeof(h->slots[0]); i++)
		h->slots[i] += from->slots[i];
}

double histogram_quantile_us(const struct histogram *h, double q)
{
	uint64_t need = (uint64_t)(q * (double)h->count), seen = 0;

	for (unsigned i = HISTOGRAM_STEP_BITS * HISTOGRAM_STEPS; i < 64 * HISTOGRAM_STEPS; i++) {
		unsigned exponent = i / HISTOGRAM_STEPS, step = i % HISTOGRAM_STEPS;

		seen += h->slots[i];
		if (seen > need || (seen && seen == h->count))
			return (double)((1ull << exponent) + ((uint64_t)step << (exponent - HISTOGRAM_STEP_BITS))) /
			       1e3;
	}
	return 0;
}

void histogram_print(const struct histogram *h)
{
	printf("\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f,",
	       histogram_quantile_us(h, 0.5), histogram_quantile_us(h, 0.9), histogram_quantile_us(h, 0.99),
	       histogram_quantile_us(h, 0.999), (double)h->max_ns / 1e3);
}
