/* SPDX-License-Identifier: MIT */
/* The table of guests that have a record, and what is known of each. */
#include "hostctl/ixd/history.h"
#include "hostctl/ixd/ixd.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct known *known_find(const char *name)
{
	for (unsigned i = 0; i < ixd.guest_count; i++)
		if (strcmp(ixd.guests[i]->name, name) == 0)
			return ixd.guests[i];
	return NULL;
}

struct known *known_add(const char *name)
{
	struct known *k = known_find(name);

	if (k != NULL || ixd.guest_count == IXD_GUESTS_MAX)
		return k;
	k = calloc(1, sizeof(*k));
	if (k == NULL || (k->cores = calloc(IX_PAGE_CORES_MAX, sizeof(*k->cores))) == NULL)
		abort();
	snprintf(k->name, sizeof(k->name), "%s", name);
	k->health = k->said.health = HEALTH_STARTING;
	ixd.guests[ixd.guest_count++] = k;
	return k;
}

void known_remove(const char *name)
{
	pthread_mutex_lock(&ixd.lock);
	for (unsigned i = 0; i < ixd.guest_count; i++) {
		struct known *k = ixd.guests[i];

		if (strcmp(k->name, name) != 0)
			continue;
		ixd.guests[i] = ixd.guests[--ixd.guest_count];
		page_close(k->page);
		history_free(k->history);
		free(k->cores);
		free(k);
		break;
	}
	pthread_mutex_unlock(&ixd.lock);
}

void scale_learn(struct known *k, const struct guest *g)
{
	struct scale_state *s = &k->scale;
	uint32_t max = k->domain.cpus_max;

	s->cores_min = g->cpus_min;
	s->cores_max = g->cpus_max;
	s->priority = g->priority;
	s->is_auto = g->is_auto;
	s->target = g->cores > 0 ? g->cores : g->cpus_min;
	s->vcpus = g->vcpus.count;
	s->is_open = g->scaling[0] != '\0';
	s->plugs_left = ixd.host.is_kvm ? UINT32_MAX : g->vcpus.made < max ? max - g->vcpus.made : 0;
}

static void take_image(struct known *k, const struct guest *g)
{
	snprintf(k->image, sizeof(k->image), "%s", g->image_name);
	snprintf(k->version, sizeof(k->version), "%s", g->image_version);
}

void known_image(const struct guest *g)
{
	struct known *k;

	pthread_mutex_lock(&ixd.lock);
	k = known_find(g->name);
	if (k != NULL)
		take_image(k, g);
	pthread_mutex_unlock(&ixd.lock);
}

unsigned known_load(void)
{
	struct err err = { 0 };
	json_t *names = NULL;

	guest_list(&names, &err);
	pthread_mutex_lock(&ixd.lock);
	for (size_t i = 0; i < json_array_size(names); i++) {
		const char *name = json_string_value(json_array_get(names, i));
		struct guest *g = calloc(1, sizeof(*g));

		if (g == NULL)
			abort();
		if (guest_load(g, name, &err) == 0) {
			struct known *k = known_add(name);

			if (k != NULL) {
				k->is_wanted = g->is_wanted;
				k->is_port_old = true;
				take_image(k, g);
				scale_learn(k, g);
			}
		} else {
			event_note(name, "record-damaged", json_pack("{s:s}", "why", err.text));
			err_fini(&err);
		}
		guest_fini(g);
		free(g);
	}
	pthread_mutex_unlock(&ixd.lock);
	json_decref(names);
	return ixd.guest_count;
}

const char *health_name(enum health health)
{
	static const char *const names[HEALTH_NR] = {
		[HEALTH_STOPPED] = "stopped",   [HEALTH_STARTING] = "starting", [HEALTH_READY] = "ready",
		[HEALTH_DRAINING] = "draining", [HEALTH_STUCK] = "stuck",       [HEALTH_FAULTED] = "faulted",
		[HEALTH_STOPPING] = "stopping", [HEALTH_CRASHED] = "crashed",   [HEALTH_UNMANAGED] = "unmanaged",
	};

	return names[health];
}

/* Sum over the cores that run. */
static json_int_t sum(const struct known *k, enum ix_value value)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < IX_PAGE_CORES_MAX; i++)
		if (k->cores[i].state != IX_PAGE_CORE_ABSENT)
			total += k->cores[i].value[value];
	return (json_int_t)(total & INT64_MAX);
}

static json_t *row_of(const struct known *k)
{
	const struct ix_page_guest *g = &k->guest;
	char address[20] = "";

	if (k->has_guest && (g->address[0] | g->address[1] | g->address[2] | g->address[3]) != 0)
		snprintf(address, sizeof(address), "%u.%u.%u.%u", g->address[0], g->address[1], g->address[2],
			 g->address[3]);
	return json_pack("{s:s, s:s, s:s, s:i, s:i, s:i, s:s, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "name",
			 k->name, "health", health_name(k->health), "address", address, "cores",
			 k->has_guest ? (int)g->cores : 0, "cores_present", k->has_guest ? (int)g->cores_present : 0,
			 "cores_asked", (int)k->scale.target, "mode", k->scale.is_auto ? "auto" : "manual", "cores_max",
			 k->has_guest ? (int)g->cores_max : (int)k->domain.cpus_max, "connections",
			 k->has_guest ? sum(k, IX_VALUE_CONNECTIONS) : 0, "up_s",
			 (json_int_t)(k->has_guest ? g->up_us / 1000000 : 0), "restarts",
			 (json_int_t)(k->has_guest ? g->restarts : 0), "spoofed", (json_int_t)k->port.spoofed,
			 "forbidden", (json_int_t)k->port.forbidden, "flooded", (json_int_t)k->port.flooded, "limited",
			 (json_int_t)k->port.limited, "why", k->why);
}

json_t *known_row(const struct known *k)
{
	json_t *row = row_of(k), *image = json_pack("{s:s, s:s}", "name", k->image, "version", k->version);

	if (row == NULL || image == NULL || json_object_set_new(row, "image", image) != 0) {
		json_decref(row);
		return NULL; /* something in it is not text */
	}
	return row;
}
