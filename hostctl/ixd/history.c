/* SPDX-License-Identifier: MIT */
/* Rings of points. A point is of one second of the monotonic clock and lies at that number modulo the ring's length. */
#include "hostctl/ixd/history.h"
#include "hostctl/ixd/ixd.h"
#include <stdlib.h>
#include <string.h>

#define PPM 1000000u

struct core_ring {
	uint32_t point[HISTORY_CORE_SERIES_NR][HISTORY_SECONDS];
};

struct history {
	int64_t last; /* second of the newest point */
	uint32_t guest[HISTORY_SERIES_NR][HISTORY_SECONDS];
	struct core_ring *core[IX_PAGE_CORES_MAX]; /* NULL until it showed itself */
	uint64_t frames[IX_PAGE_CORES_MAX];        /* received, at the newest point */
	bool has_frames[IX_PAGE_CORES_MAX];
};

static unsigned guest_count, core_count; /* of all histories, under ixd.lock */

size_t history_bytes(void)
{
	return guest_count * sizeof(struct history) + core_count * sizeof(struct core_ring);
}

static struct history *history_new(int64_t second)
{
	struct history *h = calloc(1, sizeof(*h));

	if (h == NULL)
		abort();
	memset(h->guest, 0xff, sizeof(h->guest));
	h->last = second - 1;
	guest_count++;
	return h;
}

void history_free(struct history *h)
{
	if (h == NULL)
		return;
	for (unsigned i = 0; i < IX_PAGE_CORES_MAX; i++) {
		core_count -= h->core[i] != NULL;
		free(h->core[i]);
	}
	guest_count--;
	free(h);
}

static struct core_ring *ring_of(struct history *h, unsigned core)
{
	if (h->core[core] != NULL || core_count >= HISTORY_CORES_MAX)
		return h->core[core];
	h->core[core] = malloc(sizeof(*h->core[core]));
	if (h->core[core] == NULL)
		abort();
	memset(h->core[core], 0xff, sizeof(*h->core[core]));
	core_count++;
	return h->core[core];
}

static uint32_t fit(uint64_t value)
{
	return value < HISTORY_NONE ? (uint32_t)value : HISTORY_NONE - 1;
}

/* Segments and datagrams since the point before; none at the first one, and where a start anew has set the counters back. */
static uint32_t rate_of(struct history *h, unsigned core, const uint64_t *value, int64_t seconds)
{
	uint64_t now = value[IX_VALUE_SEGMENTS_IN] + value[IX_VALUE_UDP_IN], before = h->frames[core];
	bool has_before = h->has_frames[core] && now >= before;

	h->frames[core] = now;
	h->has_frames[core] = true;
	return has_before ? fit((now - before) / (uint64_t)seconds) : HISTORY_NONE;
}

static void make_point(uint32_t point[HISTORY_CORE_SERIES_NR], const uint64_t *value)
{
	uint64_t idle = value[IX_VALUE_IDLE_SLOW];

	point[HISTORY_LOAD] = idle < PPM ? (uint32_t)(PPM - idle) : 0;
	point[HISTORY_DELAY] = fit(value[IX_VALUE_DELAY_SLOW]);
	point[HISTORY_CONNECTIONS] = fit(value[IX_VALUE_CONNECTIONS]);
}

/* Sums over a guest's cores, on their way to its point. */
struct sum {
	uint64_t load, rate, connections;
	uint32_t delay;
	unsigned running;
	bool has_rate;
};

static void add_core(struct sum *sum, const uint32_t point[HISTORY_CORE_SERIES_NR], bool is_running)
{
	if (is_running) {
		sum->running++;
		sum->load += point[HISTORY_LOAD];
		if (point[HISTORY_DELAY] > sum->delay)
			sum->delay = point[HISTORY_DELAY];
	}
	sum->connections += point[HISTORY_CONNECTIONS];
	if (point[HISTORY_RATE] != HISTORY_NONE) {
		sum->rate += point[HISTORY_RATE];
		sum->has_rate = true;
	}
}

static void put_guest(struct history *h, unsigned slot, const struct sum *sum)
{
	h->guest[HISTORY_LOAD][slot] = sum->running > 0 ? (uint32_t)(sum->load / sum->running) : 0;
	h->guest[HISTORY_DELAY][slot] = sum->delay;
	h->guest[HISTORY_RATE][slot] = sum->has_rate ? fit(sum->rate) : HISTORY_NONE;
	h->guest[HISTORY_CONNECTIONS][slot] = fit(sum->connections);
	h->guest[HISTORY_CORES][slot] = sum->running;
}

/* A core that is parked, or on its way to its loop, has nothing to say of itself: a gap in its lines. */
static bool is_at_work(const struct ix_page_core *c)
{
	return c->state == IX_PAGE_CORE_RUNS || c->state == IX_PAGE_CORE_LEAVING;
}

static void take_cores(const struct known *k, unsigned slot, int64_t seconds)
{
	struct history *h = k->history;
	struct sum sum = { 0 };

	for (unsigned i = 0; i < IX_PAGE_CORES_MAX; i++) {
		const struct ix_page_core *c = &k->cores[i];
		uint32_t point[HISTORY_CORE_SERIES_NR];
		struct core_ring *ring;

		if (c->state == IX_PAGE_CORE_ABSENT)
			continue;
		make_point(point, c->value);
		point[HISTORY_RATE] = rate_of(h, i, c->value, seconds);
		add_core(&sum, point, is_at_work(c));
		ring = is_at_work(c) ? ring_of(h, i) : NULL;
		for (unsigned s = 0; ring != NULL && s < HISTORY_CORE_SERIES_NR; s++)
			ring->point[s][slot] = point[s];
	}
	put_guest(h, slot, &sum);
}

static void forget(struct history *h, unsigned slot)
{
	for (unsigned s = 0; s < HISTORY_SERIES_NR; s++)
		h->guest[s][slot] = HISTORY_NONE;
	for (unsigned i = 0; i < IX_PAGE_CORES_MAX; i++)
		for (unsigned s = 0; h->core[i] != NULL && s < HISTORY_CORE_SERIES_NR; s++)
			h->core[i]->point[s][slot] = HISTORY_NONE;
}

void history_take(struct known *k, int64_t second)
{
	struct history *h = k->history != NULL ? k->history : history_new(second);
	int64_t before = h->last, from = before + 1;

	k->history = h;
	if (second <= before)
		return;
	if (second - from >= (int64_t)HISTORY_SECONDS)
		from = second - (int64_t)HISTORY_SECONDS + 1;
	for (int64_t s = from; s <= second; s++)
		forget(h, (unsigned)(s % HISTORY_SECONDS));
	h->last = second;
	if (k->has_guest && k->health != HEALTH_STUCK && k->trust != PAGE_BAD)
		take_cores(k, (unsigned)(second % HISTORY_SECONDS), second - before);
	else
		memset(h->has_frames, 0, sizeof(h->has_frames));
}

static uint32_t value_at(const struct history *h, const struct history_wish *w, int64_t second)
{
	unsigned slot = (unsigned)(second % HISTORY_SECONDS);

	if (second < 0 || second > h->last || h->last - second >= (int64_t)HISTORY_SECONDS)
		return HISTORY_NONE;
	if (w->core == HISTORY_GUEST)
		return h->guest[w->series][slot];
	return h->core[w->core] != NULL && w->series < HISTORY_CORE_SERIES_NR ? h->core[w->core]->point[w->series][slot]
									      : HISTORY_NONE;
}

static uint32_t step_at(const struct history *h, const struct history_wish *w, int64_t begin)
{
	uint64_t sum = 0;
	uint32_t largest = 0;
	unsigned count = 0;

	for (int64_t s = begin; s < begin + w->step; s++) {
		uint32_t v = value_at(h, w, s);

		if (v == HISTORY_NONE)
			continue;
		sum += v;
		largest = v > largest ? v : largest;
		count++;
	}
	if (count == 0)
		return HISTORY_NONE;
	return w->series == HISTORY_DELAY ? largest : (uint32_t)((sum + count / 2) / count);
}

unsigned history_read(const struct history *h, const struct history_wish *wish, uint32_t *out)
{
	unsigned count = HISTORY_SECONDS / wish->step;
	int64_t newest = wish->second - wish->second % wish->step;

	for (unsigned i = 0; i < count; i++)
		out[i] = h != NULL ? step_at(h, wish, newest - (int64_t)(count - 1 - i) * wish->step) : HISTORY_NONE;
	return count;
}

bool history_has_core(const struct history *h, unsigned core)
{
	for (unsigned s = 0; h != NULL && h->core[core] != NULL && s < HISTORY_SECONDS; s++)
		if (h->core[core]->point[HISTORY_LOAD][s] != HISTORY_NONE)
			return true;
	return false;
}

uint32_t history_now(const struct history *h, enum history_series series)
{
	return h != NULL && h->last >= 0 ? h->guest[series][h->last % HISTORY_SECONDS] : HISTORY_NONE;
}
