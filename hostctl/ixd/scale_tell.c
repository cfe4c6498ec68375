/* SPDX-License-Identifier: MIT */
/* What a resize did and how long each step took: for events, for metrics, for who asked. */
#include "hostctl/ixd/scale_run.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FIRST_FRAME_MS 300 /* so long is waited for a core's first frame; a guest that nobody talks to has none */
#define GROUPS_MS 5000     /* and so long for its flow groups */
#define POLL_MS 10

/* ---- steps, by the guest's clock ---- */

static void add_step(struct resize *rs, enum scale_step step, uint64_t from_us, uint64_t to_us)
{
	if (from_us == 0 || to_us < from_us)
		return;
	rs->has_step[step] = true;
	if (to_us - from_us > rs->step_us[step])
		rs->step_us[step] = to_us - from_us; /* the slowest core's */
}

/* A core of which one of these times is new came or went in this resize. */
static bool came(const struct resize *rs, unsigned core)
{
	return rs->after.core[core].inserted_us != rs->before.core[core].inserted_us;
}

static bool went(const struct resize *rs, unsigned core)
{
	return rs->after.core[core].leaving_us != rs->before.core[core].leaving_us;
}

/* How far a core is that came. */
enum progress { HAS_NOTHING, HAS_GROUPS, HAS_FRAMES };

static enum progress progress_of(const struct resize *rs, unsigned core)
{
	const struct ix_page_steps *s = &rs->after.core[core];

	if (s->given_us < s->inserted_us)
		return HAS_NOTHING;
	return rs->cores[core].value[IX_VALUE_FIRST_FRAME] / 1000 >= s->inserted_us ? HAS_FRAMES : HAS_GROUPS;
}

/* Under the lock. The least of those that came. */
static enum progress read_page(struct resize *rs)
{
	struct known *k = known_find(rs->g->name);
	enum progress least = HAS_FRAMES;

	if (k == NULL || k->page == NULL || page_resize(k->page, &rs->after) != PAGE_GOOD)
		return HAS_FRAMES; /* nothing more will come */
	for (unsigned i = 0; i < IX_PAGE_CORES_MAX; i++)
		if (came(rs, i) && page_core(k->page, i, &rs->cores[i]) == PAGE_GOOD && progress_of(rs, i) < least)
			least = progress_of(rs, i);
	return least;
}

/* A core that runs has its groups soon; whether anybody sends it a frame is another matter. */
static void wait_for_page(struct resize *rs)
{
	int64_t groups = now_ms() + GROUPS_MS, frames = 0;

	for (;;) {
		enum progress p;

		pthread_mutex_lock(&ixd.lock);
		p = read_page(rs);
		pthread_mutex_unlock(&ixd.lock);
		if (p == HAS_GROUPS && frames == 0)
			frames = now_ms() + FIRST_FRAME_MS;
		if (p == HAS_FRAMES || now_ms() >= (frames != 0 ? frames : groups))
			return;
		nanosleep(&(struct timespec){ 0, POLL_MS * 1000000l }, NULL);
	}
}

void scale_steps(struct resize *rs)
{
	if (!rs->has_page)
		return;
	wait_for_page(rs);
	for (unsigned i = 0; i < IX_PAGE_CORES_MAX; i++) {
		const struct ix_page_steps *s = &rs->after.core[i];

		if (came(rs, i)) {
			add_step(rs, SCALE_START, s->inserted_us, s->started_us);
			add_step(rs, SCALE_GROUPS, s->started_us, s->given_us);
			add_step(rs, SCALE_FIRST_FRAME, s->inserted_us,
				 rs->cores[i].value[IX_VALUE_FIRST_FRAME] / 1000);
		}
		if (went(rs, i)) {
			add_step(rs, SCALE_DRAIN, s->leaving_us, s->parked_us);
			add_step(rs, SCALE_EJECT, s->parked_us, s->ejected_us);
		}
	}
}

/* ---- telling ---- */

static json_t *steps_json(const struct resize *rs)
{
	json_t *o = json_object();
	char key[24];

	for (unsigned i = 0; i < SCALE_STEP_NR; i++)
		if (rs->has_step[i]) {
			snprintf(key, sizeof(key), "%s_ms", scale_step_name((enum scale_step)i));
			json_object_set_new(o, key, json_real((double)rs->step_us[i] / 1000));
		}
	return o;
}

static json_t *moved_json(const struct resize *rs)
{
	const struct ix_page_resize *a = &rs->after, *b = &rs->before;

	if (!rs->has_page)
		return json_object();
	return json_pack("{s:I, s:I, s:I}", "groups", (json_int_t)((a->groups - b->groups) & INT64_MAX), "connections",
			 (json_int_t)((a->connections - b->connections) & INT64_MAX), "forced",
			 (json_int_t)((a->forced - b->forced) & INT64_MAX));
}

static json_t *why_json(const struct scale_why *why)
{
	return json_pack("{s:s, s:I, s:I, s:I}", "signal", why->signal, "value", (json_int_t)(why->value & INT64_MAX),
			 "threshold", (json_int_t)(why->threshold & INT64_MAX), "held_ms", (json_int_t)why->held_ms);
}

json_t *scale_json(const struct resize *rs)
{
	json_t *o = json_pack("{s:I, s:I, s:I, s:s, s:s, s:o, s:o}", "from", (json_int_t)rs->from, "to",
			      (json_int_t)rs->to, "vcpus", (json_int_t)rs->now.vcpus.count, "by",
			      scale_by_name(rs->why.by), "mode", rs->g->is_auto ? "auto" : "manual", "steps",
			      steps_json(rs), "moved", moved_json(rs));

	if (rs->why.signal != NULL)
		json_object_set_new(o, "why", why_json(&rs->why));
	if (rs->is_resumed)
		json_object_set_new(o, "resumed", json_true());
	return o;
}

/* Under the lock. */
static void count(struct scale_state *s, const struct resize *rs)
{
	if (rs->to != rs->from)
		s->total[rs->to > rs->from][rs->why.by]++;
	for (unsigned i = 0; i < SCALE_STEP_NR; i++)
		if (rs->has_step[i]) {
			s->has_step |= 1u << i;
			s->step_us[i] = rs->step_us[i];
		}
}

void scale_note(const struct resize *rs, const char *why)
{
	json_t *detail = scale_json(rs);
	struct known *k;

	pthread_mutex_lock(&ixd.lock);
	k = known_find(rs->g->name);
	if (k != NULL) {
		k->scale.ended_ms = now_ms();
		if (why == NULL)
			count(&k->scale, rs);
		else
			k->scale.refused++;
	}
	pthread_mutex_unlock(&ixd.lock);
	if (why != NULL)
		json_object_set_new(detail, "error", json_string(why));
	if (why == NULL && rs->why.by == SCALE_BY_VIRSH)
		json_object_set_new(
			detail, "hint",
			json_sprintf("manual from now on; ixctl scale %s --auto lets the policy decide again",
				     rs->g->name));
	event_note(rs->g->name, why == NULL ? "scale" : "scale-refused", detail);
}

void scale_know(const struct guest *g)
{
	struct known *k;

	pthread_mutex_lock(&ixd.lock);
	k = known_find(g->name);
	if (k != NULL)
		scale_learn(k, g);
	pthread_mutex_unlock(&ixd.lock);
}

void scale_remember(const char *name, bool is_new)
{
	struct ix_page_resize *now = calloc(1, sizeof(*now));
	struct known *k;

	if (now == NULL)
		abort();
	pthread_mutex_lock(&ixd.lock);
	k = known_find(name);
	/* What a page that says nothing told before stands; that of a QEMU that began anew counts from 0. */
	if (k != NULL && (is_new || (k->page != NULL && page_resize(k->page, now) == PAGE_GOOD)))
		k->scale.last = *now;
	pthread_mutex_unlock(&ixd.lock);
	free(now);
}
