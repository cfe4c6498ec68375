/* SPDX-License-Identifier: MIT */
/* Which CPU is whose. */
#include "hostctl/policy/place.h"
#include <string.h>

#define NOBODY (-1)
#define NODES_MAX 64u

/* Who has which CPU: the index of a guest, or NOBODY. */
struct owners {
	int16_t guest[PLACE_CPUS_MAX];
};

static bool is_sibling(const struct place_topology *t, unsigned a, unsigned b)
{
	return t->core[a] == t->core[b];
}

void place_settle(struct place_topology *t, const struct place_set *allowed, const struct place_set *pollers)
{
	struct place_set kept = { 0 };
	unsigned lowest = PLACE_CPUS_MAX;

	for (unsigned i = 0; i < PLACE_CPUS_MAX / 64; i++)
		t->there.bits[i] &= allowed->bits[i];
	t->pollers = *pollers;
	t->guests = t->there;
	t->is_small = place_count(&t->there) <= PLACE_SMALL;
	if (t->is_small)
		return;
	for (unsigned cpu = PLACE_CPUS_MAX; cpu-- > 0;)
		if (place_has(&t->there, cpu) && !place_has(pollers, cpu))
			lowest = cpu;
	for (unsigned cpu = 0; cpu < PLACE_CPUS_MAX; cpu++) {
		bool is_beside = false;

		for (unsigned other = 0; other < PLACE_CPUS_MAX && !is_beside; other++)
			is_beside = place_has(pollers, other) && is_sibling(t, cpu, other);
		if (place_has(&t->there, cpu) && cpu != lowest && !is_beside)
			place_add(&kept, cpu);
	}
	t->guests = kept;
}

void place_new(struct place_guest *g)
{
	memset(g, 0, sizeof(*g));
	for (unsigned i = 0; i < PLACE_VCPUS_MAX; i++)
		g->cpu[i] = PLACE_NONE;
}

/* What of before still holds; the rest is given up. */
static void take_stock(const struct place_topology *t, struct place_guest *guests, unsigned count, struct owners *o)
{
	memset(o->guest, 0xff, sizeof(o->guest));
	for (unsigned i = 0; i < count; i++)
		for (unsigned v = 0; v < PLACE_VCPUS_MAX; v++) {
			int16_t *cpu = &guests[i].cpu[v];

			if (*cpu < 0)
				continue;
			if (v >= guests[i].vcpus || *cpu >= (int)PLACE_CPUS_MAX ||
			    !place_has(&t->guests, (unsigned)*cpu) || o->guest[*cpu] != NOBODY)
				*cpu = PLACE_NONE;
			else
				o->guest[*cpu] = (int16_t)i;
		}
}

/* 2: nobody has a sibling of @cpu; 1: only @guest has; 0: a stranger. */
static unsigned quiet(const struct place_topology *t, const struct owners *o, unsigned cpu, int guest)
{
	unsigned best = 2;

	for (unsigned other = 0; other < PLACE_CPUS_MAX && best > 0; other++)
		if (other != cpu && is_sibling(t, cpu, other) && o->guest[other] != NOBODY)
			best = o->guest[other] == guest ? 1 : 0;
	return best;
}

/* Free CPUs of each node. */
static void count_free(const struct place_topology *t, const struct owners *o, unsigned left[NODES_MAX])
{
	memset(left, 0, NODES_MAX * sizeof(*left));
	for (unsigned cpu = 0; cpu < PLACE_CPUS_MAX; cpu++)
		if (place_has(&t->guests, cpu) && o->guest[cpu] == NOBODY)
			left[t->node[cpu] % NODES_MAX]++;
}

/* The node of @guest: that of most of its vCPUs; without any, the one with most room. */
static unsigned home(const struct place_topology *t, const struct owners *o, int guest)
{
	unsigned mine[NODES_MAX] = { 0 }, left[NODES_MAX], best = 0;
	bool has_any = false;

	count_free(t, o, left);
	for (unsigned cpu = 0; cpu < PLACE_CPUS_MAX; cpu++)
		if (o->guest[cpu] == guest) {
			mine[t->node[cpu] % NODES_MAX]++;
			has_any = true;
		}
	for (unsigned n = 1; n < NODES_MAX; n++)
		if (has_any ? mine[n] > mine[best] : left[n] > left[best])
			best = n;
	return best;
}

/* The best free CPU for @guest, at least @least quiet; PLACE_NONE: there is none. */
static int choose(const struct place_topology *t, const struct owners *o, int guest, unsigned least)
{
	unsigned node = home(t, o, guest), best_score = 0;
	int best = PLACE_NONE;

	for (unsigned cpu = 0; cpu < PLACE_CPUS_MAX; cpu++) {
		unsigned silence, score;

		if (!place_has(&t->guests, cpu) || o->guest[cpu] != NOBODY)
			continue;
		silence = quiet(t, o, cpu, guest);
		/* A sibling of its own on its node is better than a whole core elsewhere: memory is farther than that. */
		score = 1 + silence + (t->node[cpu] % NODES_MAX == node ? 3 : 0);
		if (silence >= least && score > best_score) {
			best_score = score;
			best = (int)cpu;
		}
	}
	return best;
}

/* One vCPU beside a stranger moves away from it. */
static void part_one(const struct place_topology *t, struct place_guest *guests, unsigned count, struct owners *o)
{
	for (unsigned i = 0; i < count; i++)
		for (unsigned v = 0; v < guests[i].vcpus && v < PLACE_VCPUS_MAX; v++) {
			int from = guests[i].cpu[v], to;

			if (from < 0 || quiet(t, o, (unsigned)from, (int)i) > 0)
				continue;
			to = choose(t, o, (int)i, 1);
			if (to < 0 || t->node[to] != t->node[from] || is_sibling(t, (unsigned)to, (unsigned)from))
				continue;
			guests[i].cpu[v] = (int16_t)to;
			return;
		}
}

void place_all(const struct place_topology *t, struct place_guest *guests, unsigned count)
{
	static _Thread_local struct owners o;

	take_stock(t, guests, count, &o);
	for (unsigned i = 0; i < count && !t->is_small; i++)
		for (unsigned v = 0; v < guests[i].vcpus && v < PLACE_VCPUS_MAX; v++) {
			int cpu = guests[i].cpu[v] >= 0 ? PLACE_NONE : choose(t, &o, (int)i, 0);

			if (cpu < 0)
				continue;
			guests[i].cpu[v] = (int16_t)cpu;
			o.guest[cpu] = (int16_t)i;
		}
	if (!t->is_small)
		part_one(t, guests, count, &o);
}

/* CPUs of @from that no vCPU has. */
static void without_given(const struct place_set *from, const struct place_guest *guests, unsigned count,
			  struct place_set *out)
{
	*out = *from;
	for (unsigned i = 0; i < count; i++)
		for (unsigned v = 0; v < PLACE_VCPUS_MAX; v++)
			if (guests[i].cpu[v] >= 0)
				out->bits[guests[i].cpu[v] / 64] &= ~(1ull << guests[i].cpu[v] % 64);
}

void place_shared(const struct place_topology *t, const struct place_guest *guests, unsigned count,
		  struct place_set *out)
{
	without_given(&t->guests, guests, count, out);
	if (place_count(out) == 0)
		*out = t->guests;
	if (place_count(out) == 0)
		*out = t->there;
}

void place_others(const struct place_topology *t, const struct place_guest *guests, unsigned count,
		  struct place_set *out)
{
	struct place_set left = t->there;

	for (unsigned i = 0; i < PLACE_CPUS_MAX / 64 && !t->is_small; i++)
		left.bits[i] &= ~t->pollers.bits[i];
	without_given(&left, guests, count, out);
	if (place_count(out) == 0)
		*out = t->there;
}
