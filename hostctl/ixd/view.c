/* SPDX-License-Identifier: MIT */
/* Copying what is known of all guests under the lock: some 10 KB a guest, which is no time. */
#include "hostctl/ixd/view.h"
#include "hostctl/ixd/history.h"
#include <stdlib.h>
#include <string.h>

static void take_cores(struct view_guest *g, const struct known *k)
{
	unsigned count = 0;

	for (unsigned i = 0; i < IX_PAGE_CORES_MAX; i++)
		count += k->cores[i].state != IX_PAGE_CORE_ABSENT;
	g->cores = calloc(count + 1, sizeof(*g->cores));
	if (g->cores == NULL)
		abort();
	for (unsigned i = 0; i < IX_PAGE_CORES_MAX; i++)
		if (k->cores[i].state != IX_PAGE_CORE_ABSENT)
			g->cores[g->core_count++] = (struct view_core){ .number = i, .core = k->cores[i] };
}

static void take_guest(struct view_guest *g, const struct known *k, int64_t now)
{
	memcpy(g->name, k->name, sizeof(g->name));
	g->health = k->health;
	g->has_guest = k->has_guest;
	g->guest = k->guest;
	g->domain = k->domain;
	g->port = k->port;
	g->scale = k->scale;
	g->elastic = k->elastic;
	g->beat_age_ms = now - k->beat_ms;
	g->page_bad = k->page != NULL ? page_bad_count(k->page) : 0;
	if (k->has_guest)
		take_cores(g, k);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct view_guest *)a)->name, ((const struct view_guest *)b)->name);
}

struct view *view_take(void)
{
	struct view *v = calloc(1, sizeof(*v));

	if (v == NULL)
		abort();
	pthread_mutex_lock(&ixd.lock);
	v->now_ms = now_ms();
	v->history_bytes = history_bytes();
	v->guest = calloc(ixd.guest_count + 1, sizeof(*v->guest));
	if (v->guest == NULL)
		abort();
	for (; v->count < ixd.guest_count; v->count++)
		take_guest(&v->guest[v->count], ixd.guests[v->count], v->now_ms);
	pthread_mutex_unlock(&ixd.lock);
	qsort(v->guest, v->count, sizeof(*v->guest), by_name);
	return v;
}

void view_free(struct view *v)
{
	for (unsigned i = 0; i < v->count; i++)
		free(v->guest[i].cores);
	free(v->guest);
	free(v);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

char (*view_names(unsigned *count))[33]
{
	char(*names)[33];

	pthread_mutex_lock(&ixd.lock);
	*count = ixd.guest_count;
	names = calloc(*count + 1, sizeof(*names));
	if (names == NULL)
		abort();
	for (unsigned i = 0; i < *count; i++)
		memcpy(names[i], ixd.guests[i]->name, sizeof(names[i]));
	pthread_mutex_unlock(&ixd.lock);
	qsort(names, *count, sizeof(*names), by_text);
	return names;
}
