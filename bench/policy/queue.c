/* SPDX-License-Identifier: MIT */
/* Requests in the order in which they come: a core that is free at `free_ns` begins the next one then or when it comes. */
#include "bench/policy/queue.h"
#include "bench/policy/ixcp.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CORES 16u
#define RING (1u << 18) /* requests that wait for a core; what does not fit is lost and counted */
#define GROUPS 128u
#define TICK_NS 1000000.0 /* cores look at themselves every ms, as kernel/ctl does */
#define NS_PER_S 1e9
#define LOOK_TICKS 50u
#define IXCP_LOOK_TICKS 100u
#define FAST (1.0 / 10)
#define SLOW (1.0 / 1000)
#define UNPARK_MS 10 /* a parked core comes back */
#define PLUG_MS 400  /* libvirt, QEMU and the guest together [lab: 0.25 to 0.6 s] */
#define PARK_MS 50

struct request {
	double came_ns;
	float work_ns;
	uint32_t group;
};

/* A core and what waits for it, a ring. */
struct core {
	struct request *waiting;
	uint32_t head, count;
	double free_ns, busy_to_ns, busy_ns, waited_ns;
	uint64_t begun;
	double depth_fast, depth_slow, delay_fast, idle_fast, idle_slow;
};

struct sim {
	const struct queue_plan *plan;
	struct queue_result *out;
	struct core core[CORES];
	uint32_t owner[GROUPS], cores, present, target;
	int64_t settles_ms; /* 0: no change is under way */
	struct policy_limits limits;
	struct policy_state state;
	struct ixcp ixcp;
	struct policy_core said[CORES];
	struct request *moving; /* room for all that waits */
	struct histogram all, second;
	double next_ns, core_ns;
	uint64_t chance, requests_s;
};

const char *queue_policy_name(enum queue_policy policy)
{
	static const char *const names[QUEUE_POLICY_NR] = {
		[QUEUE_FIXED] = "fixed", [QUEUE_OURS] = "ix", [QUEUE_IXCP] = "ixcp"
	};

	return names[policy];
}

static void deal(struct sim *s)
{
	for (unsigned i = 0; i < s->plan->groups; i++)
		s->owner[i] = i % s->cores;
	for (unsigned i = 0; i < CORES; i++)
		s->said[i].groups = i < s->cores ? (s->plan->groups + s->cores - 1 - i) / s->cores : 0;
}

static void push(struct sim *s, const struct request *r)
{
	struct core *c = &s->core[s->owner[r->group]];

	if (c->count == RING) {
		s->out->lost++;
		return;
	}
	c->waiting[(c->head + c->count++) % RING] = *r;
}

static int by_time(const void *a, const void *b)
{
	double x = ((const struct request *)a)->came_ns, y = ((const struct request *)b)->came_ns;

	return (x > y) - (x < y);
}

/* What waits goes with its flow group. */
static void move(struct sim *s)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < CORES; i++) {
		struct core *c = &s->core[i];

		for (; c->count > 0; c->count--, c->head = (c->head + 1) % RING)
			s->moving[n++] = c->waiting[c->head];
	}
	deal(s);
	qsort(s->moving, n, sizeof(*s->moving), by_time);
	for (uint32_t i = 0; i < n; i++)
		push(s, &s->moving[i]);
}

/* What core @i begins before @until, and how long each request took in all. */
static void serve(struct sim *s, unsigned i, double until)
{
	struct core *c = &s->core[i];

	while (c->count > 0) {
		const struct request *r = &c->waiting[c->head];
		double begin = r->came_ns > c->free_ns ? r->came_ns : c->free_ns, took;

		if (begin >= until)
			break;
		c->free_ns = begin + (double)r->work_ns;
		c->busy_ns += (double)r->work_ns;
		c->waited_ns += begin - r->came_ns;
		c->begun++;
		took = c->free_ns - r->came_ns;
		histogram_add(&s->second, (uint64_t)took);
		s->out->beyond += took > s->plan->bound_us * 1000;
		s->requests_s++;
		c->head = (c->head + 1) % RING;
		c->count--;
	}
}

/* What a core says of a tick that ends at @now. */
static void publish(struct sim *s, unsigned i, double now)
{
	struct core *c = &s->core[i];
	/* Work begun in this tick that reaches into the next one is that one's. */
	double over = c->free_ns > now ? c->free_ns - now : 0, busy = (c->busy_to_ns + c->busy_ns - over) / TICK_NS;
	double depth = c->count, delay = c->begun != 0 ? c->waited_ns / (double)c->begun : 0;
	struct policy_core *said = &s->said[i];

	c->busy_to_ns = over;
	busy = busy < 0 ? 0 : busy > 1 ? 1 : busy;
	c->depth_fast += (depth - c->depth_fast) * FAST;
	c->depth_slow += (depth - c->depth_slow) * SLOW;
	c->delay_fast += (delay - c->delay_fast) * FAST;
	c->idle_fast += (1 - busy - c->idle_fast) * FAST;
	c->idle_slow += (1 - busy - c->idle_slow) * SLOW;
	said->depth_fast = (uint64_t)(c->depth_fast * POLICY_FRACTION);
	said->depth_slow = (uint64_t)(c->depth_slow * POLICY_FRACTION);
	said->delay_fast = (uint64_t)c->delay_fast;
	said->idle_fast = (uint64_t)(c->idle_fast * POLICY_PPM);
	said->idle_slow = (uint64_t)(c->idle_slow * POLICY_PPM);
	said->is_fresh = true;
	c->busy_ns = c->waited_ns = 0;
	c->begun = 0;
}

static void change(struct sim *s, const struct policy_guest *g, uint32_t to, int64_t now_ms)
{
	if (s->plan->policy == QUEUE_OURS)
		s->present = g->choice.present;
	if (to == s->cores)
		return;
	s->settles_ms = now_ms + (to < s->cores ? PARK_MS : to <= g->present ? UNPARK_MS : PLUG_MS);
	s->present = to > s->present ? to : s->present;
	s->target = to;
	s->out->changes++;
}

static void look(struct sim *s, int64_t now_ms)
{
	struct policy_guest g = { .cores = s->cores,
				  .present = s->present,
				  .min = 1,
				  .max = s->plan->cores,
				  .groups = s->plan->groups,
				  .priority = 50,
				  .is_auto = true,
				  .is_settled = s->settles_ms == 0,
				  .core = s->said,
				  .state = &s->state };

	switch (s->plan->policy) {
	case QUEUE_OURS:
		policy_decide(&s->limits, s->plan->cores, now_ms, &g, 1);
		if (g.is_settled)
			change(s, &g, g.choice.cores, now_ms);
		break;
	case QUEUE_IXCP:
		if (g.is_settled && now_ms % IXCP_LOOK_TICKS == 0)
			change(s, &g, ixcp_decide(&s->ixcp, &g, now_ms), now_ms);
		break;
	case QUEUE_FIXED:
	case QUEUE_POLICY_NR:
		break;
	}
}

static void finish_change(struct sim *s)
{
	for (uint32_t i = s->cores; i < s->target; i++) {
		struct core *c = &s->core[i];

		c->idle_fast = c->idle_slow = 1;
		c->depth_fast = c->depth_slow = c->delay_fast = 0;
	}
	s->cores = s->target;
	s->settles_ms = 0;
	move(s);
	policy_done(&s->state);
}

static void end_second(struct sim *s, unsigned second)
{
	struct queue_second *o = &s->out->second[second];

	o->load = (double)s->requests_s;
	o->cores = s->core_ns / NS_PER_S;
	o->p99_us = histogram_quantile_us(&s->second, 0.99);
	s->out->seconds_beyond += o->p99_us > s->plan->bound_us;
	s->out->core_s += o->cores;
	s->out->requests += s->requests_s;
	histogram_merge(&s->all, &s->second);
	memset(&s->second, 0, sizeof(s->second));
	s->requests_s = 0;
	s->core_ns = 0;
}

static void tick(struct sim *s, unsigned n)
{
	double from = n * TICK_NS, to = from + TICK_NS;
	double at = n / 1000.0 / s->plan->seconds;
	double rate = shape_at(s->plan->shape, at, s->plan->seconds, s->plan->seed) * s->plan->peak * s->plan->cores /
		      s->plan->service_ns;
	int64_t now_ms = (int64_t)n + 1;
	/* Cores that are on their way, coming or going, are taken, too. */
	uint32_t taken = s->settles_ms != 0 && s->target > s->cores ? s->target : s->cores;

	if (s->next_ns < from)
		s->next_ns = from;
	while (s->next_ns < to) {
		struct request r = { s->next_ns, (float)(-log(chance_unit(&s->chance)) * s->plan->service_ns),
				     (uint32_t)(chance_next(&s->chance) % s->plan->groups) };

		push(s, &r);
		s->next_ns -= log(chance_unit(&s->chance)) / rate;
	}
	s->core_ns += taken * TICK_NS;
	for (unsigned i = 0; i < s->cores; i++) {
		serve(s, i, to);
		publish(s, i, to);
	}
	if (s->settles_ms != 0 && now_ms >= s->settles_ms)
		finish_change(s);
	if (n % LOOK_TICKS == LOOK_TICKS - 1)
		look(s, now_ms);
}

void queue_run(const struct queue_plan *plan, struct queue_result *out)
{
	struct sim *s = calloc(1, sizeof(*s));

	if (s == NULL || plan->cores == 0 || plan->cores > CORES || plan->groups < plan->cores ||
	    plan->groups > GROUPS || plan->seconds > QUEUE_SECONDS_MAX)
		abort();
	memset(out, 0, sizeof(*out));
	s->plan = plan;
	s->out = out;
	s->chance = plan->seed;
	s->cores = s->present = plan->policy == QUEUE_FIXED ? plan->cores : 1;
	policy_defaults(&s->limits, false);
	deal(s);
	s->moving = calloc((size_t)CORES * RING, sizeof(*s->moving));
	for (unsigned i = 0; i < CORES; i++)
		s->core[i].waiting = calloc(RING, sizeof(struct request));
	for (unsigned n = 0; n < plan->seconds * 1000; n++) {
		tick(s, n);
		if (n % 1000 == 999)
			end_second(s, n / 1000);
	}
	out->p50_us = histogram_quantile_us(&s->all, 0.5);
	out->p99_us = histogram_quantile_us(&s->all, 0.99);
	out->p999_us = histogram_quantile_us(&s->all, 0.999);
	out->max_us = (double)s->all.max_ns / 1000;
	for (unsigned i = 0; i < CORES; i++)
		free(s->core[i].waiting);
	free(s->moving);
	free(s);
}
