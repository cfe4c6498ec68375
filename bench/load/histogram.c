/* SPDX-License-Identifier: MIT */
/* Slots: exponent, then the five bits below the leading one. */
#include "bench/load/histogram.h"

void histogram_add(struct histogram *h, uint64_t ns)
{
	unsigned exponent;

	if (ns < HISTOGRAM_STEPS)
		ns = HISTOGRAM_STEPS;
	exponent = 63u - (unsigned)__builtin_clzll(ns);
	h->slots[exponent * HISTOGRAM_STEPS + (ns >> (exponent - 5) & (HISTOGRAM_STEPS - 1))]++;
	h->count++;
}

void histogram_merge(struct histogram *h, const struct histogram *from)
{
	h->count += from->count;
	for (unsigned i = 0; i < sizeof(h->slots) / sizeof(h->slots[0]); i++)
		h->slots[i] += from->slots[i];
}

double histogram_quantile_us(const struct histogram *h, double q)
{
	uint64_t need = (uint64_t)(q * (double)h->count), seen = 0;

	for (unsigned i = 0; i < 64 * HISTOGRAM_STEPS; i++) {
		unsigned exponent = i / HISTOGRAM_STEPS, step = i % HISTOGRAM_STEPS;

		seen += h->slots[i];
		if (seen > need || (seen && seen == h->count))
			return (double)((1ull << exponent) + ((uint64_t)step << (exponent - 5))) / 1e3;
	}
	return 0;
}
