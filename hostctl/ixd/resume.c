/* SPDX-License-Identifier: MIT */
/* A replacement that was cut short, by our death or a libvirtd that was away: what runs says how far it had come. */
#include "hostctl/ixd/ready.h"
#include "hostctl/ixd/replace.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOCK_S 5u
#define STEP_MS 20
#define SETTLE_MS 500 /* a power button that was pressed is seen by then */
#define ADOPT_MS 3000 /* pages of guests that run are read by then */

static void nap(unsigned ms)
{
	nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000l }, NULL);
}

/* 1: QEMU runs the image of @generation, 0: another or none, -1: not known. */
static int runs(const struct guest *g, uint32_t generation, struct err *err)
{
	struct domain_info info;
	char *path, *wanted;
	int result;

	if (domain_info(ixd.domains, g->name, &info, err) != 0)
		return -1;
	if (info.state != DOMAIN_RUNNING && info.state != DOMAIN_PAUSED)
		return 0;
	if (domain_image(ixd.domains, g->name, &path, err) != 0)
		return -1;
	wanted = guest_image_path(g->name, generation);
	result = strcmp(path, wanted) == 0;
	free(wanted);
	free(path);
	return result;
}

static enum ix_page_state state_of(const char *name)
{
	enum ix_page_state state = IX_PAGE_ENDED;
	struct known *k;

	pthread_mutex_lock(&ixd.lock);
	k = known_find(name);
	if (k != NULL && k->has_guest)
		state = k->guest.state;
	pthread_mutex_unlock(&ixd.lock);
	return state;
}

/* The old one may stay if it was not told to end yet: it answers, and takes connections again. */
static bool stays(const struct guest *g)
{
	struct err ignored = { 0 };
	uint64_t when;
	bool answers = replace_drain_set(g->name, false, &when, &ignored) == 0;

	err_fini(&ignored);
	if (!answers)
		return false;
	nap(SETTLE_MS);
	return state_of(g->name) == IX_PAGE_READY;
}

int replace_resume(struct guest *g, struct err *err)
{
	int before = runs(g, g->previous, err), now = before == 0 ? runs(g, g->generation, err) : 0;
	struct replace_times ignored = { 0 };
	struct err why = { 0 };
	int result;

	if (before < 0 || now < 0)
		return -1;
	if (before == 1 && stays(g))
		return replace_undo(g, err);
	if (now == 0)
		return replace_change(g, NULL, &ignored, err);
	/* We may have been killed before it had a port: it waits for one. */
	result = deploy_port(g, &why) == 0 ? ready_wait(g, &why) : -1;
	if (result != 0)
		deploy_stop(g->name, 0, err);
	result = result == 0 ? replace_done(g, err) : replace_back(g, NULL, &why, err);
	err_fini(&why);
	return result;
}

/* One guest, with its lock. */
static void resume(struct guest *g)
{
	struct err err = { 0 };
	uint64_t when;

	if (g->is_trying) {
		replace_resume(g, &err);
		event_note(g->name, "replace-resumed",
			   json_pack("{s:s, s:s, s:i, s:s}", "image", g->image_name, "version", g->image_version,
				     "generation", (int)g->generation, "error", err.status != 0 ? err.text : ""));
	} else {
		if (state_of(g->name) == IX_PAGE_DRAINING) /* for a replacement that never came */
			replace_drain_set(g->name, false, &when, &err);
		guest_remove_images(g, &err);
	}
	err_fini(&err);
}

static void *resume_one(void *arg)
{
	char *name = arg;
	struct guest *g = calloc(1, sizeof(*g));
	struct err err = { 0 };
	int lock = guest_lock(name, LOCK_S, &err);

	if (g == NULL)
		abort();
	if (lock >= 0 && guest_load(g, name, &err) == 0)
		resume(g);
	if (lock >= 0)
		close(lock);
	err_fini(&err);
	guest_fini(g);
	free(g);
	free(name);
	return NULL;
}

/* A guest that has to wait for another's image would be one that stands still for it: those that wait have a thread each. */
static void begin_one(const char *name)
{
	char *copy = strdup(name);
	struct guest *g = calloc(1, sizeof(*g));
	struct err ignored = { 0 };
	bool is_long = guest_load(g, name, &ignored) == 0 && g->is_trying;
	pthread_t thread;

	err_fini(&ignored);
	guest_fini(g);
	free(g);
	if (is_long && pthread_create(&thread, NULL, resume_one, copy) == 0)
		pthread_detach(thread);
	else
		resume_one(copy);
}

static void *resume_all(void *arg)
{
	json_t *names = NULL;
	struct err ignored = { 0 };

	(void)arg;
	nap(ADOPT_MS);
	guest_list(&names, &ignored);
	for (size_t i = 0; i < json_array_size(names); i++)
		begin_one(json_string_value(json_array_get(names, i)));
	json_decref(names);
	err_fini(&ignored);
	return NULL;
}

void replace_resume_all(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, resume_all, NULL) != 0)
		abort();
	pthread_detach(thread);
}
