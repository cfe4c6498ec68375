/* SPDX-License-Identifier: MIT */
/* Verb `cores`: the host's CPUs and whose they are. A row a guest that has some. */
#include "hostctl/ixd/ixd.h"
#include <stdlib.h>

#define WORDS 120u

/* CPUs of its own, as the kernel writes sets; "" where it has none: it shares. */
static void cpus_of(const struct place_guest *g, char *out, size_t bytes)
{
	struct place_set mine = { 0 };

	for (unsigned v = 0; v < PLACE_VCPUS_MAX; v++)
		if (g->cpu[v] >= 0)
			place_add(&mine, (unsigned)g->cpu[v]);
	place_words(&mine, out, bytes);
}

/* Under the lock. NULL: it takes none. */
static json_t *row_of(const struct known *k, unsigned *given)
{
	bool is_on = k->domain.state == DOMAIN_RUNNING || k->domain.state == DOMAIN_PAUSED;
	unsigned cores = k->has_guest ? k->guest.cores : k->domain.cpus;
	const struct policy_choice *c = &k->elastic.now;
	char cpus[WORDS] = "", says[WORDS] = "";

	if (!is_on)
		return NULL;
	*given += cores;
	if (k->elastic.is_placed)
		cpus_of(&k->elastic.place, cpus, sizeof(cpus));
	if (k->scale.is_auto && c->held != POLICY_FREE)
		policy_words(c, cores, says, sizeof(says));
	return json_pack("{s:s, s:i, s:i, s:i, s:i, s:i, s:s, s:s, s:s}", "name", k->name, "cores", (int)cores, "vcpus",
			 (int)k->domain.cpus, "min", (int)k->scale.cores_min, "max", (int)k->scale.cores_max,
			 "priority", (int)k->scale.priority, "mode", k->scale.is_auto ? "auto" : "manual", "cpus", cpus,
			 "held", says);
}

int verb_cores(struct request *r, struct err *err)
{
	struct place_topology *t = calloc(1, sizeof(*t));
	char there[WORDS] = "", pollers[WORDS] = "", guests[WORDS] = "";
	json_t *rows = json_array();
	unsigned given = 0, cores;

	(void)err;
	if (t == NULL || rows == NULL)
		abort();
	if (pin_topology(t)) {
		place_words(&t->there, there, sizeof(there));
		place_words(&t->pollers, pollers, sizeof(pollers));
		place_words(&t->guests, guests, sizeof(guests));
	}
	pthread_mutex_lock(&ixd.lock);
	cores = elastic_cores();
	for (unsigned i = 0; i < ixd.guest_count; i++) {
		json_t *row = row_of(ixd.guests[i], &given);

		if (row != NULL)
			json_array_append_new(rows, row);
	}
	pthread_mutex_unlock(&ixd.lock);
	r->result = json_pack("{s:s, s:s, s:s, s:b, s:b, s:i, s:i, s:o}", "cpus", there, "switch", pollers,
			      "guests_cpus", guests, "shared", t->is_small, "chosen", ixd.host.cores != 0, "cores",
			      (int)cores, "given", (int)given, "guests", rows);
	free(t);
	return 0;
}
