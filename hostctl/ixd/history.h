/* SPDX-License-Identifier: MIT */
/*
 * The last 15 minutes of a guest and of each of its cores, a point a second, in memory only. Private to hostctl/ixd.
 * A guest takes 18 KB and each core it ever showed 14 KB; HISTORY_CORES_MAX cores of all guests are kept (118 MB), what is
 * beyond has no history of its own. All of it under ixd.lock.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTORY_SECONDS 900u
#define HISTORY_CORES_MAX 8192u
#define HISTORY_NONE UINT32_MAX /* nothing is known of that second */

enum history_series {
	HISTORY_LOAD,  /* ppm of time with work; a guest's: mean of its cores */
	HISTORY_DELAY, /* ns that frames waited; a guest's: of the worst core */
	HISTORY_RATE,  /* TCP segments and UDP datagrams received a second */
	HISTORY_CONNECTIONS,
	HISTORY_CORE_SERIES_NR,
	HISTORY_CORES = HISTORY_CORE_SERIES_NR, /* that run; a guest's only */
	HISTORY_SERIES_NR
};
#define HISTORY_GUEST (-1) /* instead of a core */

struct history;
struct known;

/** history_take() - what is known of @k now as the point of @second (monotonic); seconds passed over have none. */
void history_take(struct known *k, int64_t second);

/**
 * history_read() - @series of @core (or HISTORY_GUEST) in steps of @step seconds up to @second, oldest first
 * A step begins at a multiple of its length; its value is the mean, of HISTORY_DELAY the largest. @h: NULL has none at all.
 * @out: HISTORY_SECONDS / @step values. Return: how many were written, the same number always.
 */
struct history_wish {
	int core;
	enum history_series series;
	unsigned step; /* divides HISTORY_SECONDS */
	int64_t second;
};
unsigned history_read(const struct history *h, const struct history_wish *wish, uint32_t *out);

/** history_has_core() - whether there is a point of @core at all. */
bool history_has_core(const struct history *h, unsigned core);

/** history_now() - the newest value of a guest's @series, HISTORY_NONE if it has none. */
uint32_t history_now(const struct history *h, enum history_series series);

void history_free(struct history *h);

/** history_bytes() - taken by all histories together. */
size_t history_bytes(void);
