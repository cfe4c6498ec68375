/* SPDX-License-Identifier: MIT */
/* Verbs that only look: `ps`, `inspect`, `ping`. */
#include "hostctl/ixd/ixd.h"
#include <stdlib.h>
#include <unistd.h>

int verb_ps(struct request *r, struct err *err)
{
	json_t *rows = json_array();
	int result = 0;

	(void)err;
	pthread_mutex_lock(&ixd.lock);
	for (unsigned i = 0; i < ixd.guest_count; i++)
		json_array_append_new(rows, known_row(ixd.guests[i]));
	pthread_mutex_unlock(&ixd.lock);
	for (size_t i = 0; i < json_array_size(rows) && result == 0; i++)
		result = request_row(r, json_incref(json_array_get(rows, i)));
	json_decref(rows);
	return 0;
}

static const char *state_name(enum domain_state state)
{
	static const char *const names[] = { [DOMAIN_ABSENT] = "absent",
					     [DOMAIN_OFF] = "off",
					     [DOMAIN_RUNNING] = "running",
					     [DOMAIN_PAUSED] = "paused",
					     [DOMAIN_CRASHED] = "crashed" };

	return names[state];
}

static json_t *port_json(const struct sw_state *s)
{
	return json_pack("{s:b, s:b, s:i, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "there", s->is_there,
			 "linked", s->is_linked, "number", s->number, "error", s->error, "rx_frames",
			 (json_int_t)s->rx_frames, "tx_frames", (json_int_t)s->tx_frames, "rx_dropped",
			 (json_int_t)s->rx_dropped, "tx_dropped", (json_int_t)s->tx_dropped, "spoofed",
			 (json_int_t)s->spoofed, "forbidden", (json_int_t)s->forbidden, "flooded",
			 (json_int_t)s->flooded, "limited", (json_int_t)s->limited, "rate_mbit",
			 (json_int_t)s->rate_mbit);
}

/* Under the lock. */
static json_t *cores_json(const struct known *k)
{
	json_t *cores = json_array();

	for (unsigned i = 0; i < IX_PAGE_CORES_MAX && k->has_guest; i++) {
		json_t *core;

		if (k->cores[i].state == IX_PAGE_CORE_ABSENT)
			continue;
		core = json_pack("{s:i, s:s}", "core", (int)i, "state", page_core_state(k->cores[i].state));
		for (unsigned v = 0; v < IX_VALUE_NR; v++)
			json_object_set_new(core, page_values[v].name,
					    json_integer((json_int_t)(k->cores[i].value[v] & INT64_MAX)));
		json_array_append_new(cores, core);
	}
	return cores;
}

int verb_inspect(struct request *r, struct err *err)
{
	const char *name = request_known(r, err);
	struct guest *g = calloc(1, sizeof(*g));
	struct known *k;

	if (g == NULL)
		abort();
	if (name != NULL && guest_load(g, name, err) == 0) {
		r->result = json_pack("{s:o}", "record", guest_to_json(g));
		pthread_mutex_lock(&ixd.lock);
		k = known_find(name);
		if (k != NULL) {
			json_object_set_new(r->result, "now", known_row(k));
			json_object_set_new(r->result, "domain",
					    json_pack("{s:s, s:i, s:i, s:I, s:i}", "state", state_name(k->domain.state),
						      "cpus", (int)k->domain.cpus, "cpus_max", (int)k->domain.cpus_max,
						      "memory_kib", (json_int_t)k->domain.memory_kib, "pid",
						      k->domain.pid));
			json_object_set_new(r->result, "port", port_json(&k->port));
			json_object_set_new(r->result, "cores", cores_json(k));
			json_object_set_new(r->result, "page_bad",
					    json_integer(k->page != NULL ? (json_int_t)page_bad_count(k->page) : 0));
		}
		pthread_mutex_unlock(&ixd.lock);
	}
	guest_fini(g);
	free(g);
	return err->status == 0 ? 0 : -1;
}

int verb_ping(struct request *r, struct err *err)
{
	(void)err;
	r->result = json_pack("{s:s, s:i, s:I}", "version", IXCTL_VERSION, "pid", (int)getpid(), "began_ms",
			      (json_int_t)ixd.began_ms);
	return 0;
}
