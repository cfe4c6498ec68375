/* SPDX-License-Identifier: MIT */
/*
 * What one guest would like: which of its signals are beyond their thresholds, since when, and how many cores that makes.
 * What a guest says is bounded first, so that sums are exact whatever it says.
 */
#include "hostctl/policy/inside.h"

#define NS_PER_S 1000000000ull
#define DEPTH_MAX ((uint64_t)POLICY_FRACTION << 32)
#define DELAY_MAX (3600 * NS_PER_S)
#define HOT_IDLE_PPM 200000u  /* a core with more of it has time for its queue: what is deep there is a burst */
#define BURST_PPM 250000u     /* if no core has more to do, a queue is a burst: it does not keep cores */
#define SLOW_IDLE_PPM 400000u /* for the delay, which one long request makes, over a second, too */
#define FULL_IDLE_PPM 50000u  /* with less of it nobody knows how much work there is: twice the cores */

#define SILENT_MS 150 /* a core that says nothing for less may be in a long turn; for longer it sleeps */

#define FLOOD 8u /* times the threshold of the queue's depth: four times the cores */

/* What all cores say together. */
struct sums {
	uint64_t busy;         /* cores' worth of work, slow, ppm */
	uint64_t busiest;      /* that of the busiest core */
	uint64_t depth_slow;   /* mean, 1/256 frames */
	uint64_t idle_fast;    /* mean */
	uint64_t depth, delay; /* largest of the cores that another one could relieve */
	uint64_t relievable;   /* the busiest of them, slow, ppm */
	uint32_t groups, cores;
	bool is_new; /* one of them has said something since the last look */
};

static uint64_t at_most(uint64_t value, uint64_t limit)
{
	return value < limit ? value : limit;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void add_core(struct sums *s, const struct policy_core *c)
{
	uint64_t idle_slow = at_most(c->idle_slow, POLICY_PPM), idle_fast = at_most(c->idle_fast, POLICY_PPM);
	uint64_t busy = POLICY_PPM - idle_slow;

	s->busy += busy;
	s->busiest = larger(s->busiest, busy);
	s->idle_fast += idle_fast;
	s->depth_slow += at_most(c->depth_slow, DEPTH_MAX);
	s->is_new |= c->is_fresh;
	if (!c->is_fresh || c->groups == 1)
		return;
	s->relievable = larger(s->relievable, busy);
	if (idle_fast > HOT_IDLE_PPM)
		return;
	s->depth = larger(s->depth, at_most(c->depth_fast, DEPTH_MAX));
	if (idle_slow <= SLOW_IDLE_PPM)
		s->delay = larger(s->delay, at_most(c->delay_fast, DELAY_MAX));
}

static void add_cores(struct sums *s, const struct policy_guest *g)
{
	*s = (struct sums){ .groups = g->groups, .cores = g->cores > 0 ? g->cores : 1 };
	for (uint32_t i = 0; i < g->cores; i++)
		add_core(s, &g->core[i]);
	s->depth_slow /= s->cores;
	s->idle_fast /= s->cores;
}

/* Share of all work that the core with most flow groups has when @n cores have an even deal of them, ppm. */
static uint64_t largest_share(const struct sums *s, uint32_t n)
{
	return s->groups == 0 ? (POLICY_PPM + n - 1) / n : (uint64_t)POLICY_PPM * ((s->groups + n - 1) / n) / s->groups;
}

/* How busy the busiest core would be if there were @n: groups weigh as unevenly as they do now. */
static uint64_t busiest_of(const struct sums *s, uint32_t n)
{
	uint64_t even = s->busy * largest_share(s, s->cores) / POLICY_PPM,
		 then = s->busy * largest_share(s, n) / POLICY_PPM;

	if (even > 0 && s->busiest > even)
		then = then * s->busiest / even;
	return at_most(then, s->busy);
}

/* The least number of cores of which none is busier than @fit. */
static uint32_t needed(const struct sums *s, uint32_t fit)
{
	uint32_t n = 1, most = s->groups != 0 && s->groups < POLICY_CORES_MAX ? s->groups : POLICY_CORES_MAX;

	while (n < most && busiest_of(s, n) > fit)
		n++;
	return n;
}

/* The next number of cores above those there are with which the fullest core has less: of 8 groups 5 cores are worth 4. */
static uint32_t next_useful(const struct sums *s)
{
	uint32_t n = s->cores + 1;

	while (n < POLICY_CORES_MAX && largest_share(s, n) >= largest_share(s, s->cores))
		n++;
	return n;
}

/* Whether @signal has been beyond its threshold for @hold_ms. Its clock starts and stops here. */
static bool has_held(struct policy_guest *g, enum policy_signal signal, bool is_beyond, int64_t now, uint32_t hold_ms)
{
	int64_t *since = &g->state->beyond_ms[signal];

	if (!is_beyond)
		*since = 0;
	else if (*since == 0)
		*since = now;
	return is_beyond && since_ms(now, *since) >= hold_ms;
}

static void choose(struct policy_guest *g, enum policy_signal signal, uint64_t value, uint64_t threshold)
{
	g->choice.signal = signal;
	g->choice.value = value;
	g->choice.threshold = threshold;
}

static uint32_t held_for(const struct policy_guest *g, enum policy_signal signal, int64_t now)
{
	return (uint32_t)at_most((uint64_t)since_ms(now, g->state->beyond_ms[signal]), UINT32_MAX);
}

/* Looks are more frequent than turns that are long: what was beyond its threshold before such a turn is so until it ends. */
static bool is_in_a_turn(int64_t now, struct policy_state *st, const struct sums *s)
{
	if (s->is_new)
		st->heard_ms = now;
	return !s->is_new && since_ms(now, st->heard_ms) < SILENT_MS;
}

/* Queues or waiting say that a core cannot keep up; share of work that soon one will not. */
static bool wants_more(const struct policy_limits *l, int64_t now, struct policy_guest *g, const struct sums *s)
{
	const struct policy_state *st = g->state;
	uint64_t depth_limit = (uint64_t)l->depth_grow_frames * POLICY_FRACTION;
	bool is_deep = has_held(g, POLICY_DEPTH, s->depth > depth_limit, now, l->urgent_hold_ms);
	bool is_late = has_held(g, POLICY_DELAY, s->delay > l->delay_grow_ns, now, l->urgent_hold_ms);
	bool is_busy = has_held(g, POLICY_BUSY, s->relievable > l->busy_grow_ppm, now, l->busy_hold_ms);
	int64_t changed = at_most((uint64_t)since_ms(now, st->grew_ms), (uint64_t)since_ms(now, st->shrank_ms));

	if (is_deep && changed >= l->grow_gap_ms)
		choose(g, POLICY_DEPTH, s->depth, depth_limit);
	else if (is_late && changed >= l->grow_gap_ms)
		choose(g, POLICY_DELAY, s->delay, l->delay_grow_ns);
	else if (is_busy && changed >= l->settle_ms)
		choose(g, POLICY_BUSY, s->relievable, l->busy_grow_ppm);
	else
		return false;
	g->choice.want = next_useful(s);
	if (g->choice.signal == POLICY_BUSY)
		g->choice.want = (uint32_t)larger(g->choice.want, needed(s, l->busy_fit_ppm));
	else if (st->is_full)
		g->choice.want = (uint32_t)larger(g->choice.want, (s->depth > FLOOD * depth_limit ? 4 : 2) * g->cores);
	g->choice.held_ms = held_for(g, g->choice.signal, now);
	return true;
}

/* Fewer cores would have done, all the time since beyond_ms[POLICY_IDLE]. */
static void wants_less(const struct policy_limits *l, int64_t now, struct policy_guest *g, const struct sums *s)
{
	struct policy_state *st = g->state;
	uint32_t hold = st->shrink_hold_ms != 0 ? st->shrink_hold_ms : l->shrink_hold_ms, half = (g->cores + 1) / 2;
	uint32_t need = g->cores > g->min ? needed(s, l->busy_fit_ppm) : g->cores;
	bool is_queued = s->busiest > BURST_PPM && s->depth_slow >= (uint64_t)l->depth_shrink_frames * POLICY_FRACTION;
	bool is_low = need < g->cores && !is_queued && st->beyond_ms[POLICY_DEPTH] == 0 &&
		      st->beyond_ms[POLICY_DELAY] == 0;

	if (!is_low || st->beyond_ms[POLICY_IDLE] == 0)
		st->low_peak = st->low_need = 0;
	st->low_peak = larger(st->low_peak, s->busy);
	st->low_need = (uint32_t)larger(st->low_need, need);
	if (!has_held(g, POLICY_IDLE, is_low, now, hold))
		return; /* a change starts that clock anew */
	g->choice.want = (uint32_t)larger(larger(st->low_need, half), g->min);
	choose(g, POLICY_IDLE, st->low_peak, (uint64_t)g->choice.want * l->busy_fit_ppm);
	g->choice.held_ms = held_for(g, POLICY_IDLE, now);
}

void assess(const struct policy_limits *l, int64_t now, struct policy_guest *g)
{
	struct sums s;

	add_cores(&s, g);
	g->state->work = s.busy;
	g->state->is_full = s.idle_fast < FULL_IDLE_PPM;
	g->choice.want = g->cores;
	if (is_in_a_turn(now, g->state, &s))
		return;
	if (!wants_more(l, now, g, &s))
		wants_less(l, now, g, &s);
	else
		has_held(g, POLICY_IDLE, false, now, 0);
}
