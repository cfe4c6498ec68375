/* SPDX-License-Identifier: MIT */
/* The hosts, one after the other: guests whose load comes and goes, a policy that is asked every 50 ms, and what is counted. */
#include "bench/policy/fleet.h"
#include "bench/policy/shape.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TICK_MS 10u
#define LOOK_TICKS 5u
#define CORES 16u
#define GROUPS 16u
#define GUESTS 64u
#define CAN 200.0          /* frames a tick that a core can do: 20,000 a second */
#define QUEUE_MAX 4000.0   /* more is lost */
#define SLOW (1.0 / 100.0) /* weight of a tick in an average over 1 s; of 10 ms it is all */
#define BURST 2.0          /* variance of what comes, against chance alone */
#define UNPARK_MS 20u
#define PLUG_MS 400u
#define PARK_MS 60u
#define REVERSAL_MS 10000

struct guest {
	struct policy_state state;
	struct policy_core said[CORES];
	double queue[CORES], depth_slow[CORES], idle_slow[CORES];
	double weight[GROUPS], share[CORES]; /* of the load */
	enum shape shape;
	double phase, seconds, peak; /* of its load, in cores */
	uint32_t cores, present, min, max, groups, priority;
	uint32_t target;    /* while it changes */
	int64_t settles_ms; /* when that is done, 0: nothing is under way */
	int64_t changed_ms; /* last */
	int change;         /* +1, -1 */
	unsigned reversals;
	int64_t unfair_ms, uneven_ms; /* since when */
	double stepped_from, stepped_to;
	int64_t stepped_ms; /* 0: it has settled since */
};

struct host {
	const struct fleet_plan *plan;
	struct fleet_result *out;
	struct policy_limits limits;
	struct guest guest[GUESTS];
	struct policy_guest asked[GUESTS];
	uint64_t chance;
};

static void deal(struct guest *g)
{
	double waiting = 0;

	memset(g->share, 0, sizeof(g->share));
	for (unsigned i = 0; i < CORES; i++) {
		waiting += g->queue[i];
		g->queue[i] = 0;
		g->said[i].groups = 0;
	}
	for (unsigned i = 0; i < g->groups; i++) {
		g->share[i % g->cores] += g->weight[i];
		g->said[i % g->cores].groups++;
	}
	for (unsigned i = 0; i < g->cores; i++)
		g->queue[i] = waiting * g->share[i];
}

static void make_guest(struct host *h, struct guest *g, unsigned i)
{
	static const uint32_t priorities[] = { 20, 50, 80 };
	double sum = 0, mean = h->plan->load * h->plan->host_cores / h->plan->guests;

	memset(g, 0, sizeof(*g));
	g->shape = h->plan->mix == FLEET_STEADY  ? SHAPE_FLAT
		   : h->plan->mix == FLEET_STEPS ? SHAPE_STEPS
						 : (enum shape)(i % (SHAPE_FLAT + 1));
	g->seconds = g->shape == SHAPE_STEPS ? FLEET_STEP_S * SHAPE_STAIRS : 180 + 120 * chance_unit(&h->chance);
	g->phase = chance_unit(&h->chance);
	g->peak = mean * 2 * (0.2 + 1.6 * chance_unit(&h->chance)); /* shapes are half of their peak on average */
	g->priority = priorities[chance_next(&h->chance) % 3];
	g->min = 1;
	g->max = h->plan->cores_max;
	g->groups = GROUPS < g->max ? g->max : GROUPS;
	g->cores = g->present = 1 + (uint32_t)(chance_next(&h->chance) % (h->plan->host_cores / h->plan->guests));
	if (g->cores > g->max)
		g->cores = g->present = g->max;
	for (unsigned n = 0; n < g->groups; n++)
		sum += g->weight[n] = 0.7 + 0.6 * chance_unit(&h->chance);
	for (unsigned n = 0; n < g->groups; n++)
		g->weight[n] /= sum;
	deal(g);
}

/* Cores' worth of load at @ms. */
static double load_of(const struct host *h, const struct guest *g, int64_t ms)
{
	double at = (double)ms / 1000 / g->seconds + g->phase;

	return g->peak * shape_at(g->shape, at - floor(at), g->seconds, h->plan->seed);
}

static void run_core(struct host *h, struct guest *g, unsigned i, double load)
{
	struct policy_core *c = &g->said[i];
	double mean = load * g->share[i] * CAN, came = mean + sqrt(mean * BURST) * chance_normal(&h->chance);
	double all = g->queue[i] + (came > 0 ? came : 0), done = all < CAN ? all : CAN, busy = done / CAN, depth;

	g->queue[i] = all - done < QUEUE_MAX ? all - done : QUEUE_MAX;
	/* What waits within a tick, as in a queue with chance on both sides [M/M/1]. */
	depth = g->queue[i] + (busy < 0.97 ? busy / (1 - busy) : 32);
	g->depth_slow[i] += (depth - g->depth_slow[i]) * SLOW;
	g->idle_slow[i] += (1 - busy - g->idle_slow[i]) * SLOW;
	c->depth_fast = (uint64_t)(depth * POLICY_FRACTION);
	c->depth_slow = (uint64_t)(g->depth_slow[i] * POLICY_FRACTION);
	c->delay_fast = (uint64_t)(depth / CAN * TICK_MS * 1e6);
	c->idle_fast = (uint64_t)((1 - busy) * POLICY_PPM);
	c->idle_slow = (uint64_t)(g->idle_slow[i] * POLICY_PPM);
	c->is_fresh = came > 0;
	h->out->served += (uint64_t)done;
	h->out->offered += (uint64_t)(came > 0 ? came : 0);
}

static void finish_change(struct guest *g)
{
	for (uint32_t i = g->cores; i < g->target; i++) {
		/* A core that comes knows nothing of a second ago. */
		g->depth_slow[i] = 0;
		g->idle_slow[i] = 1;
	}
	g->cores = g->target;
	g->settles_ms = 0;
	deal(g);
	policy_done(&g->state);
}

static void begin_change(struct host *h, struct guest *g, const struct policy_choice *c, int64_t now)
{
	int change = c->cores > g->cores ? 1 : -1;

	g->target = c->cores;
	g->settles_ms = now + (change < 0 ? PARK_MS : c->cores <= g->present ? UNPARK_MS : PLUG_MS);
	h->out->changes++;
	if (now > FLEET_SETTLE_S * 1000 && g->change == -change && now - g->changed_ms < REVERSAL_MS) {
		h->out->reversals++;
		g->reversals++;
	}
	g->change = change;
	g->changed_ms = now;
}

/* How long one has been wanting while another, @is_same priority or lower, has more than it must. */
static void judge_pair(struct host *h, unsigned i, bool is_same, int64_t now)
{
	struct guest *g = &h->guest[i];
	int64_t *since = is_same ? &g->uneven_ms : &g->unfair_ms;
	uint64_t *longest = is_same ? &h->out->uneven_ms_max : &h->out->unfair_ms_max;
	bool is_wrong = false;

	for (unsigned k = 0; k < h->plan->guests && h->asked[i].choice.want > g->cores && !is_wrong; k++) {
		const struct guest *other = &h->guest[k];

		is_wrong = is_same ? other->priority == g->priority && other->cores > g->cores + 1 &&
					     other->cores > other->min
				   : other->priority < g->priority && other->cores > other->min;
	}
	if (!is_wrong)
		*since = 0;
	else if (*since == 0)
		*since = now;
	else if ((uint64_t)(now - *since) > *longest)
		*longest = (uint64_t)(now - *since);
}

/* A load that stepped: how long until its guest had what it needs, no less, and no more than twice that. */
static void judge_step(struct host *h, struct guest *g, double load, int64_t now)
{
	double need = ceil(load), s = (double)(now - g->stepped_ms) / 1000;
	bool is_up = g->stepped_to > g->stepped_from;

	if (g->shape != SHAPE_STEPS)
		return;
	if (fabs(load - g->stepped_to) > 0.01) {
		g->stepped_from = g->stepped_to;
		g->stepped_to = load;
		g->stepped_ms = now;
		return;
	}
	if (g->stepped_ms == 0)
		return;
	need = need < 1 ? 1 : need > g->max ? g->max : need;
	if (is_up ? g->cores < need : g->cores > 2 * need) {
		if (s > (is_up ? FLEET_UP_S : FLEET_DOWN_S)) {
			h->out->steps_late++;
			g->stepped_ms = 0;
		}
		return;
	}
	h->out->steps++;
	if (is_up && s > h->out->up_s_max)
		h->out->up_s_max = s;
	if (!is_up && s > h->out->down_s_max)
		h->out->down_s_max = s;
	g->stepped_ms = 0;
}

static void ask(struct host *h, int64_t now)
{
	struct timespec from, to;

	for (unsigned i = 0; i < h->plan->guests; i++) {
		struct guest *g = &h->guest[i];

		h->asked[i] = (struct policy_guest){ .cores = g->cores,
						     .present = g->present,
						     .min = g->min,
						     .max = g->max,
						     .groups = g->groups,
						     .priority = g->priority,
						     .is_auto = true,
						     .is_settled = g->settles_ms == 0,
						     .core = g->said,
						     .state = &g->state };
	}
	clock_gettime(CLOCK_MONOTONIC, &from);
	policy_decide(&h->limits, h->plan->host_cores, now, h->asked, h->plan->guests);
	clock_gettime(CLOCK_MONOTONIC, &to);
	h->out->decisions += h->plan->guests;
	h->out->decision_ns += (uint64_t)((to.tv_sec - from.tv_sec) * 1000000000ll + to.tv_nsec - from.tv_nsec);
}

static void look(struct host *h, int64_t now)
{
	uint64_t given = 0;

	ask(h, now);
	for (unsigned i = 0; i < h->plan->guests; i++) {
		struct guest *g = &h->guest[i];
		const struct policy_choice *c = &h->asked[i].choice;

		given += c->cores > g->cores                          ? c->cores
			 : g->settles_ms != 0 && g->target > g->cores ? g->target
								      : g->cores;
		h->out->floor_ticks += c->cores < g->min;
		judge_pair(h, i, false, now);
		judge_pair(h, i, true, now);
		if (g->settles_ms == 0 && c->cores != g->cores)
			begin_change(h, g, c, now);
		g->present = c->present > g->present || g->settles_ms == 0 ? c->present : g->present;
	}
	h->out->over_ticks += given > h->plan->host_cores;
}

static void run_host(struct host *h)
{
	unsigned looks_s = 1000 / (TICK_MS * LOOK_TICKS), steady_s;

	for (unsigned i = 0; i < h->plan->guests; i++)
		make_guest(h, &h->guest[i], i);
	for (unsigned tick = 1; tick <= h->plan->seconds * looks_s * LOOK_TICKS; tick++) {
		int64_t now = (int64_t)tick * TICK_MS;

		for (unsigned i = 0; i < h->plan->guests; i++) {
			struct guest *g = &h->guest[i];
			double load = load_of(h, g, now);

			if (g->settles_ms != 0 && now >= g->settles_ms)
				finish_change(g);
			for (unsigned k = 0; k < g->cores; k++)
				run_core(h, g, k, load);
			h->out->core_ms += (uint64_t)g->cores * TICK_MS;
			judge_step(h, g, load, now);
		}
		if (tick % LOOK_TICKS == 0)
			look(h, now);
	}
	steady_s = h->plan->seconds > FLEET_SETTLE_S ? h->plan->seconds - FLEET_SETTLE_S : 1;
	for (unsigned i = 0; i < h->plan->guests; i++) {
		uint64_t a_minute = (h->guest[i].reversals * 60ull + steady_s - 1) / steady_s;

		if (a_minute > h->out->busiest_guest_reversals)
			h->out->busiest_guest_reversals = a_minute;
	}
}

void fleet_run(const struct fleet_plan *plan, struct fleet_result *out)
{
	struct host *h = calloc(1, sizeof(*h));

	if (h == NULL || plan->guests == 0 || plan->guests > GUESTS || plan->cores_max == 0 ||
	    plan->cores_max > CORES || plan->host_cores < plan->guests)
		abort();
	memset(out, 0, sizeof(*out));
	h->plan = plan;
	h->out = out;
	policy_defaults(&h->limits, false);
	for (unsigned i = 0; i < plan->hosts; i++) {
		h->chance = plan->seed + i * 0x10001ull;
		run_host(h);
	}
	free(h);
}
