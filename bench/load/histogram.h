/* SPDX-License-Identifier: MIT */
/* Latencies in 128 steps per power of two: a quantile is at most 0.8 % below the sample it stands for. */
#pragma once
#include <stdint.h>

#define HISTOGRAM_STEP_BITS 7u
#define HISTOGRAM_STEPS (1u << HISTOGRAM_STEP_BITS)

struct histogram {
	uint64_t count;
	uint64_t max_ns; /* exact */
	uint64_t slots[64 * HISTOGRAM_STEPS];
};

/** histogram_add() - a sample of @ns. */
void histogram_add(struct histogram *h, uint64_t ns);

/** histogram_merge() - all samples of @from. */
void histogram_merge(struct histogram *h, const struct histogram *from);

/** histogram_quantile_us() - @q in 0..1. Return: microseconds, 0 if there is no sample. */
double histogram_quantile_us(const struct histogram *h, double q);

/** histogram_print() - its quantiles and its maximum, as members of a JSON object, each with a comma after it, to standard output. */
void histogram_print(const struct histogram *h);
