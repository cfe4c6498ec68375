/* SPDX-License-Identifier: MIT */
/*
 * From what each guest would like to what it gets: floor and ceiling, then the host's cores by priority. A core that is taken
 * from one guest is another's when it is free and not before.
 */
#include "hostctl/policy/inside.h"
#include <stdlib.h>
#include <string.h>

#define GUESTS_MAX 1024u
#define FAIL_HOLD_MS 5000u
#define FAIL_HOLD_MAX_MS 60000u
#define UNPLUG_EMULATED_MS 300000u
#define UNPLUG_MS 60000u

void policy_defaults(struct policy_limits *out, bool is_emulated)
{
	*out = (struct policy_limits){
		.depth_grow_frames = 32,
		.depth_shrink_frames = 8,
		.delay_grow_ns = is_emulated ? 5000000 : 500000,
		.busy_grow_ppm = 880000,
		.busy_fit_ppm = 760000,
		.urgent_hold_ms = is_emulated ? 200 : 100,
		.busy_hold_ms = 200,
		.grow_gap_ms = 200,
		.settle_ms = 2000,
		.shrink_hold_ms = is_emulated ? 4000 : 1500,
		.shrink_hold_max_ms = 128000,
		.regret_ppm = 1100000,
		.take_hold_ms = 1000,
		.unplug_ms = is_emulated ? UNPLUG_EMULATED_MS : UNPLUG_MS,
	};
}

static uint32_t within(uint32_t value, uint32_t low, uint32_t high)
{
	return value < low ? low : value > high ? high : value;
}

/* As many as it may run: its maximum, and no more than it has flow groups. */
static uint32_t ceiling(const struct policy_guest *g)
{
	uint32_t most = within(g->max, 1, POLICY_CORES_MAX);

	if (g->groups != 0 && g->groups < most)
		most = g->groups;
	return most < g->min ? g->min : most;
}

static void changed(struct policy_state *st, bool is_growth, int64_t now)
{
	if (is_growth)
		st->grew_ms = now;
	else
		st->shrank_ms = now;
	memset(st->beyond_ms, 0, sizeof(st->beyond_ms));
	st->want_ms = 0;
}

/* What somebody else did to it counts as a change, too: it is left alone for the same time. */
static void look(struct policy_guest *g, int64_t now)
{
	struct policy_state *st = g->state;

	g->choice = (struct policy_choice){ .cores = g->cores, .present = g->present, .want = g->cores };
	if (st->grew_ms == 0 && st->shrank_ms == 0)
		st->shrank_ms = now; /* never seen before: nobody knows since when it is so */
	if (!g->is_settled)
		return;
	if (st->cores != 0 && st->cores != g->cores)
		changed(st, g->cores > st->cores, now);
	st->cores = g->cores;
}

/* Its own wish, inside its bounds. */
static void wish(const struct policy_limits *l, int64_t now, struct policy_guest *g)
{
	struct policy_choice *c = &g->choice;
	uint32_t most = ceiling(g);

	assess(l, now, g);
	if (g->cores < g->min || g->cores > most) {
		c->signal = POLICY_BOUNDS;
		c->value = g->cores;
		c->threshold = c->want = within(g->cores, g->min, most);
		c->held_ms = 0;
	} else if (c->want > most) {
		c->want = most;
		c->held = most == g->cores ? POLICY_HELD_CEILING : POLICY_FREE;
	}
	if (c->want != g->cores && since_ms(now, g->state->failed_ms) < g->state->fail_hold_ms) {
		c->want = g->cores;
		c->held = POLICY_HELD_FAILED;
	}
	if (c->want <= g->cores)
		g->state->want_ms = 0;
	else if (g->state->want_ms == 0)
		g->state->want_ms = now;
}

static bool is_ours(const struct policy_guest *g)
{
	return g->is_auto && g->is_settled && g->cores > 0;
}

/* Cores of the host that are not free: of one that is being changed the larger number of the two. */
static uint32_t occupied(const struct policy_guest *g)
{
	return !g->is_settled && g->state->cores > g->cores ? g->state->cores : g->cores;
}

/* Who wants more than others can be made to give has wanted it for a while. */
static void wishes(const struct policy_limits *l, int64_t now, const struct policy_guest *g, struct share *s)
{
	bool is_patient = since_ms(now, g->state->want_ms) >= l->take_hold_ms && g->state->want_ms != 0;

	*s = (struct share){ .has = g->cores, .least = g->min, .want = g->cores, .priority = g->priority };
	if (!is_ours(g))
		s->least = s->want = occupied(g);
	else if (g->choice.want < g->cores || is_patient)
		s->want = g->choice.want;
	if (s->priority == 0)
		s->priority = 1;
}

/* Less than it has and wants, for somebody else's sake. */
static void take(const struct policy_limits *l, int64_t now, struct policy_guest *g, uint32_t gets)
{
	const struct policy_state *st = g->state;

	if (since_ms(now, st->grew_ms) < l->take_hold_ms || since_ms(now, st->shrank_ms) < l->take_hold_ms ||
	    since_ms(now, st->failed_ms) < st->fail_hold_ms)
		return;
	g->choice.signal = POLICY_TAKEN;
	g->choice.held = POLICY_FREE;
	g->choice.value = g->cores - gets;
	g->choice.threshold = gets;
	g->choice.held_ms = l->take_hold_ms;
	g->choice.cores = gets;
}

/* What is given out in one decision. */
struct pool {
	struct policy_guest *guests;
	const struct share *shares;
	unsigned count;
	int64_t free; /* cores that nobody runs now */
};

/* A round of one core each in a class: up to their shares, or up to what they want. Return: whether anybody got one. */
static bool grow_round(struct pool *p, uint32_t priority, bool is_rest)
{
	bool has_given = false;

	for (unsigned i = 0; i < p->count && p->free > 0; i++) {
		struct policy_choice *c = &p->guests[i].choice;
		uint32_t share = p->shares[i].gets, to = is_rest || c->want < share ? c->want : share;

		if (p->shares[i].priority != priority || !is_ours(&p->guests[i]) || c->cores < p->guests[i].cores ||
		    to <= c->cores)
			continue;
		c->cores++;
		p->free--;
		has_given = true;
	}
	return has_given;
}

/* The patient ones first, what their share is; then whoever wants more, as long as something is free. */
static void grow(struct pool *p)
{
	for (unsigned is_rest = 0; is_rest < 2; is_rest++)
		for (uint32_t at = share_next(p->shares, p->count, UINT32_MAX); at != 0 && p->free > 0;
		     at = share_next(p->shares, p->count, at))
			while (grow_round(p, at, is_rest))
				;
}

/* It has to grow though it has no more to do than before it shrank: fewer cores do less than was thought. */
static bool is_regret(const struct policy_limits *l, const struct policy_guest *g)
{
	const struct policy_state *st = g->state;

	return st->is_regret_open && g->choice.cores > g->cores && !st->is_full &&
	       st->work <= st->shrank_work * l->regret_ppm / POLICY_PPM;
}

/* A shrink that was regretted makes the next one wait longer, one that was not makes it wait less again. */
static void remember(const struct policy_limits *l, int64_t now, struct policy_guest *g)
{
	struct policy_state *st = g->state;
	uint32_t hold = st->shrink_hold_ms != 0 ? st->shrink_hold_ms : l->shrink_hold_ms;

	if (is_regret(l, g))
		hold = hold * 2 < l->shrink_hold_max_ms ? hold * 2 : l->shrink_hold_max_ms;
	else if (st->is_regret_open)
		hold = hold / 2 > l->shrink_hold_ms ? hold / 2 : l->shrink_hold_ms;
	st->is_regret_open = g->choice.signal == POLICY_IDLE;
	st->shrank_work = st->low_peak;
	st->shrink_hold_ms = hold;
	changed(st, g->choice.cores > g->cores, now);
	st->cores = g->choice.cores;
}

/* vCPUs that were parked are kept for a while: one that is there is back within milliseconds. */
static void keep(const struct policy_limits *l, int64_t now, struct policy_guest *g)
{
	struct policy_choice *c = &g->choice;
	const struct policy_state *st = g->state;
	int64_t parked_ms = since_ms(now, st->shrank_ms > st->grew_ms ? st->shrank_ms : st->grew_ms);

	if (c->cores > c->present)
		c->present = c->cores;
	if (c->present <= c->cores || c->cores != g->cores || l->unplug_ms == UINT32_MAX || parked_ms < l->unplug_ms ||
	    since_ms(now, st->failed_ms) < st->fail_hold_ms)
		return;
	c->present = c->cores;
	if (c->signal != POLICY_NONE)
		return;
	c->signal = POLICY_PARKED;
	c->value = (uint64_t)parked_ms;
	c->threshold = l->unplug_ms;
	c->held_ms = (uint32_t)(parked_ms < UINT32_MAX ? parked_ms : UINT32_MAX);
}

/* What came of a wish. */
static void settle(const struct policy_limits *l, int64_t now, struct policy_guest *g)
{
	struct policy_choice *c = &g->choice;

	if (c->want > g->cores && c->cores == g->cores)
		c->held = POLICY_HELD_HOST;
	if (c->cores == g->cores && c->held == POLICY_FREE)
		c->signal = POLICY_NONE;
	if (c->cores != g->cores)
		remember(l, now, g);
	keep(l, now, g);
}

void policy_decide(const struct policy_limits *limits, uint32_t host_cores, int64_t now, struct policy_guest *guests,
		   unsigned count)
{
	static _Thread_local struct share s[GUESTS_MAX];
	struct pool p = { .guests = guests, .shares = s, .count = count, .free = host_cores };

	if (count > GUESTS_MAX)
		abort();
	for (unsigned i = 0; i < count; i++) {
		struct policy_guest *g = &guests[i];

		look(g, now);
		if (is_ours(g))
			wish(limits, now, g);
		wishes(limits, now, g, &s[i]);
		p.free -= occupied(g);
	}
	share_out(s, count, host_cores);
	for (unsigned i = 0; i < count; i++) {
		struct policy_guest *g = &guests[i];

		if (!is_ours(g))
			continue;
		if (g->choice.want < g->cores && s[i].gets >= g->choice.want)
			g->choice.cores = g->choice.want;
		else if (s[i].gets < g->cores)
			take(limits, now, g, s[i].gets);
	}
	grow(&p);
	for (unsigned i = 0; i < count; i++)
		if (is_ours(&guests[i]))
			settle(limits, now, &guests[i]);
}

void policy_failed(struct policy_state *st, int64_t now)
{
	st->fail_hold_ms = st->fail_hold_ms == 0                     ? FAIL_HOLD_MS
			   : st->fail_hold_ms < FAIL_HOLD_MAX_MS / 2 ? st->fail_hold_ms * 2
								     : FAIL_HOLD_MAX_MS;
	st->failed_ms = now;
	st->cores = 0; /* whatever it has now is no change of anybody's */
}

void policy_done(struct policy_state *st)
{
	st->fail_hold_ms = 0;
	st->failed_ms = 0;
	st->cores = 0;
}
