/* SPDX-License-Identifier: MIT */
/*
 * How many cores a guest has, from being asked for to being so. The record is the journal: it says how many are asked for and who
 * asked, before anything changes, and that it is so, after.
 */
#include "hostctl/ixd/scale_run.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOCK_S 15u /* longer than libvirt waits for a vCPU that is gone */
#define POLL_US 20000

/* ---- the record ---- */

static int begin(struct resize *rs, struct err *err)
{
	struct guest *g = rs->g;

	g->cores = rs->to;
	snprintf(g->scaling, sizeof(g->scaling), "%s", scale_by_name(rs->why.by));
	return guest_save(g, err);
}

uint32_t scale_within(const struct guest *g, uint32_t cores)
{
	return cores < g->cpus_min ? g->cpus_min : cores > g->cpus_max ? g->cpus_max : cores;
}

/* What was not to be had is not wanted any more; but while libvirt is away nobody knows, and it is tried again. */
static void end(struct resize *rs, bool is_done, uint32_t was)
{
	struct err ignored = { 0 };
	struct guest *g = rs->g;

	if (!is_done && domains_connect(ixd.domains, &ignored) != 0) {
		err_fini(&ignored);
		return;
	}
	if (!is_done && rs->now.vcpus.count > 0) /* a page may still speak of one that has gone */
		g->cores = scale_within(g,
					rs->now.running < rs->now.vcpus.count ? rs->now.running : rs->now.vcpus.count);
	else if (!is_done)
		g->cores = scale_within(g, was);
	g->scaling[0] = '\0';
	guest_save(g, &ignored);
	err_fini(&ignored);
}

static int is_running(const char *name, struct err *err)
{
	struct domain_info info;

	if (domain_info(ixd.domains, name, &info, err) != 0)
		return -1;
	return info.state == DOMAIN_RUNNING ? 0 : err_set(err, STATUS_USAGE, "%s does not run", name);
}

/* Whoever asked need not ask again. */
static void say_later(struct err *err)
{
	struct err why = *err;

	*err = (struct err){ 0 };
	err_set(err, why.status, "%s; ixd goes on when libvirt answers", why.text);
	err_fini(&why);
}

int scale_by_record(struct resize *rs, struct err *err)
{
	struct guest *g = rs->g;
	uint32_t was = g->cores;
	int result;

	rs->cores = calloc(IX_PAGE_CORES_MAX, sizeof(*rs->cores));
	if (rs->cores == NULL)
		abort();
	result = is_running(g->name, err) == 0 && scale_look(rs, err) == 0 && begin(rs, err) == 0 ? 0 : -1;
	if (result == 0) {
		if (rs->why.by != SCALE_BY_VIRSH)
			rs->from = rs->now.running;
		result = scale_run(rs, err);
		if (result == 0)
			scale_steps(rs);
		end(rs, result == 0, was);
		scale_remember(g->name, false);
	}
	if (result != 0 && g->scaling[0] != '\0')
		say_later(err);
	scale_note(rs, result == 0 ? NULL : err->text);
	scale_know(g);
	free(rs->cores);
	rs->cores = NULL;
	return result;
}

/* ---- asked for ---- */

static int check_wish(const struct guest *g, uint32_t cores, const struct scale_why *why, struct err *err)
{
	if (cores < g->cpus_min || cores > g->cpus_max)
		return err_set(err, STATUS_USAGE, "%s serves on %u to %u cores: %u cannot be had", g->name, g->cpus_min,
			       g->cpus_max, cores);
	if (why->by == SCALE_BY_POLICY && !g->is_auto)
		return err_set(err, STATUS_USAGE, "%s is scaled by hand", g->name);
	return 0;
}

/* Whether it is us who work on it from now on. */
static bool take_work(const char *name, bool is_taken)
{
	bool is_ours = false;
	struct known *k;

	pthread_mutex_lock(&ixd.lock);
	k = known_find(name);
	if (k != NULL) {
		is_ours = is_taken != k->scale.is_at_work;
		k->scale.is_at_work = is_taken;
	}
	pthread_mutex_unlock(&ixd.lock);
	return is_ours;
}

/* What was settled before we changed something is no news when it comes again: another look, in any case. */
static void unsettle(const char *name)
{
	struct known *k;

	pthread_mutex_lock(&ixd.lock);
	k = known_find(name);
	if (k != NULL)
		k->scale.settled.pid = 0;
	pthread_mutex_unlock(&ixd.lock);
}

int scale_take(const char *name, struct guest *g, struct err *err)
{
	int lock = guest_lock(name, LOCK_S, err);

	if (lock >= 0 && guest_load(g, name, err) != 0) {
		close(lock);
		lock = -1;
	}
	return lock;
}

struct guest *scale_record(void)
{
	struct guest *g = calloc(1, sizeof(*g));

	if (g == NULL)
		abort();
	return g;
}

static int scale(struct request *r, const char *name, uint32_t cores, const struct scale_why *why, struct err *err)
{
	struct guest *g = scale_record();
	struct resize *rs = calloc(1, sizeof(*rs));
	int lock = scale_take(name, g, err), result = -1;
	bool was_auto = g->is_auto;

	if (rs == NULL)
		abort();
	if (lock >= 0 && check_wish(g, cores, why, err) == 0) {
		rs->g = g;
		rs->r = r;
		rs->to = cores;
		rs->why = *why;
		g->is_auto = why->by == SCALE_BY_POLICY;
		result = scale_by_record(rs, err);
		unsettle(name);
		if (r != NULL && result == 0)
			r->result = scale_json(rs);
		if (result != 0 && g->is_auto != was_auto && g->scaling[0] == '\0') {
			struct err ignored = { 0 };

			g->is_auto = was_auto; /* what was not to be had is not asked for either */
			guest_save(g, &ignored);
			err_fini(&ignored);
			scale_know(g);
		}
	}
	if (lock >= 0)
		close(lock);
	free(rs);
	guest_fini(g);
	free(g);
	return result;
}

int scale_guest(const char *name, uint32_t cores, const struct scale_why *why, struct err *err)
{
	int result;

	if (!take_work(name, true))
		return err_set(err, STATUS_MACHINE, "%s changes its cores just now", name);
	result = scale(NULL, name, cores, why, err);
	take_work(name, false);
	return result;
}

static bool wait_for_work(const char *name)
{
	for (int64_t until = now_ms() + LOCK_S * 1000ll; !take_work(name, true); usleep(POLL_US))
		if (now_ms() > until)
			return false;
	return true;
}

int scale_ask(struct request *r, const char *name, uint32_t cores, struct err *err)
{
	static const struct scale_why hand = { .by = SCALE_BY_HAND };
	int result;

	if (!wait_for_work(name))
		return err_set(err, STATUS_MACHINE, "%s changes its cores just now; try again", name);
	result = scale(r, name, cores, &hand, err);
	take_work(name, false);
	return result;
}

int scale_auto(const char *name, struct err *err)
{
	struct guest *g = scale_record();
	int lock = scale_take(name, g, err), result = -1;

	if (lock >= 0 && g->cpus_min == g->cpus_max) {
		err_set(err, STATUS_USAGE, "%s always has %u cores: there is nothing to decide", name, g->cpus_max);
	} else if (lock >= 0) {
		g->is_auto = true;
		result = guest_save(g, err);
		scale_know(g);
		event_note(name, "scale-mode", json_pack("{s:s}", "mode", "auto"));
	}
	if (lock >= 0)
		close(lock);
	guest_fini(g);
	free(g);
	return result;
}

/* What a thread is told. */
struct wish {
	char name[33];
	uint32_t cores;
	struct scale_why why;
};

static void *run_wish(void *arg)
{
	struct wish *w = arg;
	struct err ignored = { 0 }; /* the event says it */

	scale(NULL, w->name, w->cores, &w->why, &ignored);
	err_fini(&ignored);
	take_work(w->name, false);
	free(w);
	return NULL;
}

bool scale_begin(const char *name, uint32_t cores, const struct scale_why *why)
{
	struct wish *w = calloc(1, sizeof(*w));
	pthread_t thread;

	if (w == NULL)
		abort();
	snprintf(w->name, sizeof(w->name), "%s", name);
	w->cores = cores;
	w->why = *why;
	if (!take_work(name, true)) {
		free(w);
		return false;
	}
	if (pthread_create(&thread, NULL, run_wish, w) != 0) {
		take_work(name, false);
		free(w);
		return false;
	}
	pthread_detach(thread);
	return true;
}
