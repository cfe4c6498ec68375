/* SPDX-License-Identifier: MIT */
/* Verb `top`: two looks at what guests' cores have counted, and what happened in between. Memory reads; no guest notices. */
#include "hostctl/ixd/ixd.h"
#include "hostctl/ixd/rates.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPAN_MS 1000
#define SPAN_MS_MIN 100
#define SPAN_MS_MAX 60000

/* What a guest's cores had counted at a look. */
struct look {
	char name[33];
	struct ix_page_core *cores; /* of @count, owned */
	unsigned count, running, present;
	bool is_auto;
	uint8_t owner[IX_PAGE_GROUPS_MAX];
	unsigned groups;
};

struct looks {
	struct look *look;
	unsigned count;
};

/* Under the lock. */
static void look_at(struct look *l, struct known *k)
{
	struct ix_page_groups g;

	snprintf(l->name, sizeof(l->name), "%s", k->name);
	l->count = k->guest.cores_max;
	l->running = k->guest.cores;
	l->present = k->guest.cores_present;
	l->is_auto = k->scale.is_auto;
	l->cores = malloc((l->count + 1) * sizeof(*l->cores));
	if (l->cores == NULL)
		abort();
	memcpy(l->cores, k->cores, l->count * sizeof(*l->cores));
	l->groups = 0;
	if (k->page != NULL && page_groups(k->page, &g) == PAGE_GOOD) {
		l->groups = g.count;
		memcpy(l->owner, g.owner, sizeof(l->owner));
	}
}

/* At guest @name, or at all that run. The caller frees. */
static void look(struct looks *out, const char *name)
{
	pthread_mutex_lock(&ixd.lock);
	out->count = 0;
	out->look = calloc(ixd.guest_count + 1, sizeof(*out->look));
	if (out->look == NULL)
		abort();
	for (unsigned i = 0; i < ixd.guest_count; i++) {
		struct known *k = ixd.guests[i];

		if (k->has_guest && (name == NULL || strcmp(name, k->name) == 0))
			look_at(&out->look[out->count++], k);
	}
	pthread_mutex_unlock(&ixd.lock);
}

static void forget(struct looks *l)
{
	for (unsigned i = 0; i < l->count; i++)
		free(l->look[i].cores);
	free(l->look);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct look *)a)->name, ((const struct look *)b)->name);
}

static unsigned groups_of(const struct look *l, unsigned core)
{
	unsigned n = 0;

	for (unsigned i = 0; i < l->groups && i < IX_PAGE_GROUPS_MAX; i++)
		n += l->owner[i] == core;
	return n;
}

/* A row for each core of @after's that is there. Return: -1 when the client went away. */
static int send_guest(struct request *r, const struct looks *before, const struct look *after)
{
	static const struct ix_page_core absent;
	const struct look *then = NULL;

	for (unsigned i = 0; i < before->count && then == NULL; i++)
		if (strcmp(before->look[i].name, after->name) == 0)
			then = &before->look[i];
	for (unsigned i = 0; i < after->count; i++) {
		json_t *row, *rates;

		if (after->cores[i].state == IX_PAGE_CORE_ABSENT)
			continue;
		rates = rates_row(i, then != NULL && i < then->count ? &then->cores[i] : &absent, &after->cores[i]);
		row = json_pack("{s:I, s:s, s:i, s:i, s:i, s:s}", "utc_ms", (json_int_t)wall_ms(), "guest", after->name,
				"cores", (int)after->running, "cores_present", (int)after->present, "cores_max",
				(int)after->count, "mode", after->is_auto ? "auto" : "manual");
		json_object_update(row, rates);
		json_object_set_new(row, "flow_groups", json_integer(groups_of(after, i)));
		json_decref(rates);
		if (request_row(r, row) != 0)
			return -1;
	}
	return 0;
}

int verb_top(struct request *r, struct err *err)
{
	const json_t *span = json_object_get(r->message.object, "span_ms");
	json_int_t ms = span != NULL ? json_integer_value(span) : SPAN_MS;
	const char *name = json_object_get(r->message.object, "name") != NULL ? request_known(r, err) : NULL;
	struct looks before, after;
	int result = 0;

	if (err->status != 0)
		return -1;
	if (ms < SPAN_MS_MIN || ms > SPAN_MS_MAX)
		return err_set(err, STATUS_USAGE, "span_ms: expected %d to %d", SPAN_MS_MIN, SPAN_MS_MAX);
	look(&before, name);
	if (name != NULL && before.count == 0) {
		result = err_set(err, STATUS_USAGE, "%s does not run, or its page is not read", name);
	} else if (request_waits(r, (int)ms)) {
		look(&after, name);
		qsort(after.look, after.count, sizeof(*after.look), by_name);
		for (unsigned i = 0; i < after.count && send_guest(r, &before, &after.look[i]) == 0; i++)
			;
		forget(&after);
	}
	forget(&before);
	return result;
}
