/* SPDX-License-Identifier: MIT */
/* The thread that asks the policy, and what becomes of its answers. Nothing here waits: what takes time is scale.c's, in threads of its own. */
#include "hostctl/ixd/ixd.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PERIOD_MS 50        /* three looks within policy_limits.urgent_hold_ms */
#define TOLD_AGAIN_MS 60000 /* that a guest wants what it cannot have */
#define HELD_MS 1000        /* no sooner */

/* What is to be done, without the lock. */
struct wish {
	char name[33];
	uint32_t cores;
	struct scale_why why;
};

static struct {
	struct policy_limits limits;
	struct elastic_asked asked[IXD_GUESTS_MAX];
	struct policy_guest guests[IXD_GUESTS_MAX];
	struct wish wishes[IXD_GUESTS_MAX];
	unsigned count, wish_count;
} * all;

uint32_t elastic_cores(void)
{
	static struct place_topology t; /* under the lock, as all here */

	if (ixd.host.cores != 0)
		return ixd.host.cores;
	return pin_topology(&t) ? place_count(&t.guests) : IX_PAGE_CORES_MAX;
}

static json_t *choice_json(const struct policy_choice *c, uint32_t has)
{
	char words[200];

	policy_words(c, has, words, sizeof(words));
	return json_pack("{s:I, s:I, s:s, s:s, s:I, s:I, s:s, s:I, s:s}", "cores", (json_int_t)has, "want",
			 (json_int_t)c->want, "because", policy_held_name(c->held), "signal",
			 policy_signal_name(c->signal), "value", (json_int_t)(c->value & INT64_MAX), "threshold",
			 (json_int_t)(c->threshold & INT64_MAX), "unit", policy_unit(c->signal), "held_ms",
			 (json_int_t)c->held_ms, "says", words);
}

/* A guest that would grow and may not: told once, and again after a while. */
static void note_held(struct known *k, const struct policy_guest *g)
{
	struct elastic_state *e = &k->elastic;
	int64_t now = now_ms();

	if (g->choice.held == POLICY_FREE) {
		e->held_ms = 0;
		return;
	}
	if (e->held_ms == 0)
		e->held_ms = now;
	if (now - e->held_ms < HELD_MS || (e->told_ms != 0 && now - e->told_ms < TOLD_AGAIN_MS))
		return;
	e->told_ms = now;
	event_note(k->name, "scale-held", choice_json(&g->choice, g->cores));
}

static void add_wish(struct known *k, const struct policy_guest *g)
{
	const struct policy_choice *c = &g->choice;
	struct wish *w = &all->wishes[all->wish_count];
	struct elastic_state *e = &k->elastic;

	if (c->cores == g->cores && c->present >= g->present)
		return;
	all->wish_count++;
	memcpy(w->name, k->name, sizeof(w->name));
	w->cores = c->cores;
	w->why = (struct scale_why){ .by = SCALE_BY_POLICY,
				     .keeps_vcpus = c->present > c->cores,
				     .signal = policy_signal_name(c->signal),
				     .value = c->value,
				     .threshold = c->threshold,
				     .held_ms = c->held_ms };
	e->last = *c;
	e->last_from = g->cores;
	e->total[c->signal]++;
	e->is_begun = true;
	e->refused = k->scale.refused;
}

/* Under the lock. What was begun and has ended: did it succeed? */
static void take_result(struct known *k)
{
	struct elastic_state *e = &k->elastic;

	if (!e->is_begun || k->scale.is_at_work)
		return;
	e->is_begun = false;
	if (k->scale.refused != e->refused)
		policy_failed(&e->policy, now_ms());
	else
		policy_done(&e->policy);
}

/* Under the lock. */
static void decide(void)
{
	all->count = all->wish_count = 0;
	for (unsigned i = 0; i < ixd.guest_count; i++) {
		take_result(ixd.guests[i]);
		if (ixd.guests[i]->scale.is_auto)
			sample_cores(ixd.guests[i]);
		if (elastic_ask(ixd.guests[i], &all->asked[all->count], &all->guests[all->count]))
			all->count++;
	}
	policy_decide(&all->limits, elastic_cores(), now_ms(), all->guests, all->count);
	for (unsigned i = 0; i < all->count; i++) {
		struct known *k = all->asked[i].known;

		k->elastic.now = all->guests[i].choice;
		if (!all->guests[i].is_auto || !all->guests[i].is_settled)
			continue;
		note_held(k, &all->guests[i]);
		add_wish(k, &all->guests[i]);
	}
}

void elastic_turn(void)
{
	pthread_mutex_lock(&ixd.lock);
	decide();
	pthread_mutex_unlock(&ixd.lock);
	/* One that somebody else is at work on is found unchanged at the next look. */
	for (unsigned i = 0; i < all->wish_count; i++)
		scale_begin(all->wishes[i].name, all->wishes[i].cores, &all->wishes[i].why);
}

static void *run(void *arg)
{
	(void)arg;
	for (;;) {
		elastic_turn();
		nanosleep(&(struct timespec){ 0, PERIOD_MS * 1000000l }, NULL);
	}
	return NULL;
}

void elastic_init(void)
{
	free(all);
	all = calloc(1, sizeof(*all));
	if (all == NULL)
		abort();
	policy_defaults(&all->limits, !ixd.host.is_kvm);
}

void elastic_start(void)
{
	pthread_t thread;

	elastic_init();
	if (pthread_create(&thread, NULL, run, NULL) != 0)
		abort();
	pthread_detach(thread);
}
