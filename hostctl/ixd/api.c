/* SPDX-License-Identifier: MIT */
/* Guests as JSON for the status page and whoever else asks. The lock is held for one guest at a time. */
#include "hostctl/base/err.h"
#include "hostctl/ixd/history.h"
#include "hostctl/ixd/http.h"
#include "hostctl/ixd/view.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIST_STEP_S 5u   /* of histories in the list: 180 points */
#define SINGLE_STEP_S 1u /* of one guest's */

static const char *const series_names[HISTORY_SERIES_NR] = {
	[HISTORY_LOAD] = "load_ppm",           [HISTORY_DELAY] = "delay_ns", [HISTORY_RATE] = "rate",
	[HISTORY_CONNECTIONS] = "connections", [HISTORY_CORES] = "cores",
};

static json_t *number(uint64_t v)
{
	return json_integer((json_int_t)(v & INT64_MAX));
}

static json_t *number_or_null(uint32_t v)
{
	return v != HISTORY_NONE ? json_integer(v) : json_null();
}

static json_t *daemon_json(void)
{
	int64_t now = now_ms();

	return json_pack("{s:s, s:i, s:I, s:I, s:I, s:I}", "version", IXCTL_VERSION, "pid", (int)getpid(), "began_ms",
			 (json_int_t)ixd.began_ms, "now_ms", (json_int_t)wall_ms(), "sample_age_ms",
			 (json_int_t)(now - __atomic_load_n(&ixd.sampled_ms, __ATOMIC_RELAXED)), "check_age_ms",
			 (json_int_t)(now - __atomic_load_n(&ixd.checked_ms, __ATOMIC_RELAXED)));
}

/* Under the lock. */
static json_t *history_json(const struct history *h, int core, unsigned step)
{
	unsigned count = core == HISTORY_GUEST ? HISTORY_SERIES_NR : HISTORY_CORE_SERIES_NR;
	struct history_wish wish = { .core = core, .step = step, .second = now_ms() / 1000 };
	uint32_t *points = calloc(HISTORY_SECONDS, sizeof(*points));
	json_t *out = json_object();

	if (points == NULL)
		abort();
	for (unsigned s = 0; s < count; s++) {
		json_t *list = json_array();
		unsigned n;

		wish.series = (enum history_series)s;
		n = history_read(h, &wish, points);
		for (unsigned i = 0; i < n; i++)
			json_array_append_new(list, number_or_null(points[i]));
		json_object_set_new(out, series_names[s], list);
	}
	free(points);
	return out;
}

static uint64_t dropped(const struct ix_page_core *c)
{
	return c->value[IX_VALUE_DROPPED_BUFFER] + c->value[IX_VALUE_DROPPED_MEMORY] +
	       c->value[IX_VALUE_DROPPED_BACKLOG] + c->value[IX_VALUE_DROPPED_BAD] + c->value[IX_VALUE_DROPPED_UDP] +
	       c->value[IX_VALUE_DROPPED_WALK];
}

static json_t *core_json(const struct ix_page_core *c, unsigned number_of)
{
	json_t *o = json_pack("{s:i, s:s}", "core", (int)number_of, "state", page_core_state(c->state));
	uint64_t idle = c->value[IX_VALUE_IDLE_SLOW];

	json_object_set_new(o, "load_ppm", number(idle < 1000000 ? 1000000 - idle : 0));
	json_object_set_new(o, "delay_ns", number(c->value[IX_VALUE_DELAY_SLOW]));
	json_object_set_new(o, "batch_256", number(c->value[IX_VALUE_BATCH_SLOW]));
	json_object_set_new(o, "loop_ns", number(c->value[IX_VALUE_LOOP_SLOW]));
	json_object_set_new(o, "connections", number(c->value[IX_VALUE_CONNECTIONS]));
	json_object_set_new(o, "retransmits", number(c->value[IX_VALUE_RETRANSMITS]));
	json_object_set_new(o, "dropped", number(dropped(c)));
	return o;
}

/* Under the lock. Those that are there. */
static json_t *cores_json(const struct known *k)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < IX_PAGE_CORES_MAX && k->has_guest; i++)
		if (k->cores[i].state != IX_PAGE_CORE_ABSENT)
			json_array_append_new(list, core_json(&k->cores[i], i));
	return list;
}

/* Under the lock. Those that were there at any time of it, whatever they are now. */
static json_t *core_histories_json(const struct history *h)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < IX_PAGE_CORES_MAX; i++)
		if (history_has_core(h, i))
			json_array_append_new(list, json_pack("{s:i, s:o}", "core", (int)i, "history",
							      history_json(h, (int)i, LIST_STEP_S)));
	return list;
}

/* A string of whoever wrote it: what is not UTF-8 is not passed on. */
static json_t *text(const char *s)
{
	json_t *o = json_string(s);

	return o != NULL ? o : json_string("(not text)");
}

/* Under the lock. */
static json_t *guest_json(const struct known *k, unsigned step)
{
	json_t *o = known_row(k), *port;

	if (o == NULL)
		return NULL; /* something in it is not text */
	port = json_object();
	for (unsigned s = 0; s < HISTORY_SERIES_NR; s++)
		if (s != HISTORY_CORES && s != HISTORY_CONNECTIONS)
			json_object_set_new(o, series_names[s],
					    number_or_null(history_now(k->history, (enum history_series)s)));
	json_object_set_new(port, "linked", json_boolean(k->port.is_linked));
	json_object_set_new(port, "error", text(k->port.error));
	json_object_set_new(port, "from_guest_frames", number(k->port.rx_frames));
	json_object_set_new(port, "to_guest_frames", number(k->port.tx_frames));
	json_object_set_new(port, "dropped", number(k->port.rx_dropped + k->port.tx_dropped));
	json_object_set_new(o, "port", port);
	json_object_set_new(o, "core_list", cores_json(k));
	if (step == SINGLE_STEP_S)
		json_object_set_new(o, "core_histories", core_histories_json(k->history));
	json_object_set_new(o, "step_s", json_integer(step));
	json_object_set_new(o, "history", history_json(k->history, HISTORY_GUEST, step));
	return o;
}

/* NULL: it went meanwhile, or cannot be written. */
static json_t *guest_by_name(const char *name, unsigned step)
{
	const struct known *k;
	json_t *o;

	pthread_mutex_lock(&ixd.lock);
	k = known_find(name);
	o = k != NULL ? guest_json(k, step) : NULL;
	pthread_mutex_unlock(&ixd.lock);
	return o;
}

static char *written(json_t *o)
{
	char *text_of = json_dumps(o, JSON_COMPACT);

	if (text_of == NULL)
		abort();
	json_decref(o);
	return text_of;
}

char *api_guests(void)
{
	json_t *list = json_array();
	unsigned count;
	char(*names)[33] = view_names(&count);

	for (unsigned i = 0; i < count; i++) {
		json_t *o = guest_by_name(names[i], LIST_STEP_S);

		if (o != NULL)
			json_array_append_new(list, o);
	}
	free(names);
	return written(json_pack("{s:o, s:o}", "ixd", daemon_json(), "guests", list));
}

char *api_guest(const char *name)
{
	json_t *o = guest_by_name(name, SINGLE_STEP_S);

	return o != NULL ? written(json_pack("{s:o, s:o}", "ixd", daemon_json(), "guest", o)) : NULL;
}
