/* SPDX-License-Identifier: MIT */
/* ixctl ps and inspect: what is known of guests. */
#include "hostctl/base/say.h"
#include "hostctl/ixctl/ask.h"
#include "hostctl/ixctl/ixctl.h"
#include "hostctl/ixctl/table.h"
#include "hostctl/ixctl/verb.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const struct verb_option options[] = { VERB_JSON, VERB_OPTIONS_END };

/* ---- ps ---- */

static int add_guest(void *arg, const json_t *row)
{
	struct table *t = arg;
	const char *address = ask_text(row, "address");
	char up[24];

	const json_t *image = json_object_get(row, "image");

	table_cell(t, "%s", ask_text(row, "name"));
	table_cell(t, "%s %s", ask_text(image, "name"), ask_text(image, "version"));
	table_cell(t, "%s", ask_text(row, "health"));
	table_cell(t, "%s", *address != '\0' ? address : "-");
	table_cell(t, "%lld/%lld/%lld", (long long)ask_number(row, "cores"),
		   (long long)ask_number(row, "cores_present"), (long long)ask_number(row, "cores_max"));
	table_cell(t, "%s", ask_text(row, "mode"));
	table_cell(t, "%lld", (long long)ask_number(row, "connections"));
	table_cell(t, "%s", text_duration(up, ask_number(row, "up_s")));
	table_cell(t, "%lld", (long long)ask_number(row, "restarts"));
	table_cell(t, "%lld",
		   (long long)(ask_number(row, "spoofed") + ask_number(row, "forbidden") + ask_number(row, "flooded")));
	return 0;
}

static int verb_ps_run(int argc, char **argv, struct err *err)
{
	static const char *const heads[] = { "NAME", "IMAGE",        "HEALTH", "ADDRESS",   ">CORES",
					     "MODE", ">CONNECTIONS", ">UP",    ">RESTARTS", ">REFUSED" };
	struct client c = { .on_row = add_guest };
	struct table t;
	bool is_json = false;
	struct words words = { argc, argv, verb_take_flag, &is_json, 0 };
	int result = verb_options(&verb_ps, &words, err);

	if (result != 0)
		return result < 0 ? -1 : 0;
	if (words.first != argc)
		return err_set(err, STATUS_USAGE,
			       "ps: expected no words, got %d; `ixctl inspect %s` tells of one guest",
			       argc - words.first, argv[words.first]);
	table_init(&t, heads, 10);
	c.request = ask_request("ps", NULL);
	c.arg = &t;
	if (is_json)
		c.on_row = ask_put_row;
	result = client_ask(&c, err);
	if (result == 0 && !is_json && t.count > 0)
		table_print(&t, stdout);
	else if (result == 0 && !is_json)
		say("there are no guests; `ixctl up NAME IMAGE` starts one");
	table_fini(&t);
	json_decref(c.result);
	return result;
}

const struct verb verb_ps = {
	.name = "ps",
	.words = "",
	.summary = "list guests and their health",
	.about = "One line a guest. IMAGE: name and version. HEALTH is what its own page and libvirt say now: "
		 "starting, ready, draining, stuck "
		 "(no "
		 "heartbeat for 3 s), faulted (the application is down, the dataplane answers), stopping, stopped, "
		 "crashed "
		 "(it ended and nobody asked for that), unmanaged (it runs and its page cannot be believed). CORES: "
		 "that run, vCPUs that are there, cores that it may have. MODE: auto, the policy decides how many; "
		 "manual, "
		 "`ixctl scale` or virsh did. REFUSED: frames that came from a source that is not its own, or went to "
		 "guests "
		 "it may "
		 "not talk to.",
	.examples = "ixctl ps\nixctl ps --json | jq -r 'select(.health != \"ready\").name'\n",
	.options = options,
	.run = verb_ps_run,
};

/* ---- inspect ---- */

static char *value_text(const json_t *value)
{
	char *text = json_is_string(value) ? strdup(json_string_value(value))
					   : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

	if (text == NULL)
		abort();
	return text;
}

static bool is_empty(const json_t *value)
{
	return (json_is_array(value) && json_array_size(value) == 0) ||
	       (json_is_string(value) && *json_string_value(value) == '\0');
}

/* Rows "name  value" of @object, with a dot for what is inside an object; empty lists and texts are left out. */
static void add_values(struct table *t, const char *prefix, const json_t *object)
{
	for (void *at = json_object_iter((json_t *)(uintptr_t)object); at != NULL;
	     at = json_object_iter_next((json_t *)(uintptr_t)object, at)) {
		const json_t *value = json_object_iter_value(at);
		char name[80], *text;

		snprintf(name, sizeof(name), "%s%s", prefix, json_object_iter_key(at));
		if (json_is_object(value)) {
			snprintf(name, sizeof(name), "%s%s.", prefix, json_object_iter_key(at));
			add_values(t, name, value);
		} else if (!is_empty(value)) {
			text = value_text(value);
			table_cell(t, "%s", name);
			table_cell(t, "%s", text);
			free(text);
		}
	}
}

static void put_cores(const json_t *cores)
{
	static const char *const heads[] = { ">CORE",  "STATE",        ">IDLE %", ">DELAY us",
					     ">BATCH", ">CONNECTIONS", ">FRAMES", ">SEGMENTS" };
	struct table t;

	table_init(&t, heads, 8);
	for (size_t i = 0; i < json_array_size(cores); i++) {
		const json_t *c = json_array_get(cores, i);
		char frames[16], segments[16];

		table_cell(&t, "%lld", (long long)ask_number(c, "core"));
		table_cell(&t, "%s", ask_text(c, "state"));
		table_cell(&t, "%.1f", (double)ask_number(c, "idle_slow") / 1e4);
		table_cell(&t, "%.1f", (double)ask_number(c, "delay_slow") / 1e3);
		table_cell(&t, "%.1f", (double)ask_number(c, "batch_slow") / 256);
		table_cell(&t, "%lld", (long long)ask_number(c, "connections"));
		table_cell(&t, "%s", text_count(frames, (double)ask_number(c, "frames_in")));
		table_cell(&t, "%s", text_count(segments, (double)ask_number(c, "segments_in")));
	}
	if (t.count > 0) {
		puts("\ncores (averages of about a second)");
		table_print(&t, stdout);
	}
	table_fini(&t);
}

static void put_guest(const json_t *guest)
{
	static const char *const parts[][2] = { { "now", "now" },
						{ "record", "as asked for" },
						{ "domain", "libvirt" },
						{ "port", "port on the switch" } };
	static const char *const heads[] = { "", "" };

	for (unsigned i = 0; i < 4; i++) {
		const json_t *part = json_object_get(guest, parts[i][0]);
		struct table t;

		if (part == NULL)
			continue;
		table_init(&t, heads, 2);
		add_values(&t, "  ", part);
		printf("%s%s\n", i > 0 ? "\n" : "", parts[i][1]);
		table_print(&t, stdout);
		table_fini(&t);
	}
	put_cores(json_object_get(guest, "cores"));
}

static int verb_inspect_run(int argc, char **argv, struct err *err)
{
	struct client c = { 0 };
	const char *name;
	bool is_json = false;
	struct words words = { argc, argv, verb_take_flag, &is_json, 0 };
	int result = verb_options(&verb_inspect, &words, err);

	if (result != 0)
		return result < 0 ? -1 : 0;
	name = ask_one_name("inspect", words.first, argc, argv, err);
	if (name == NULL)
		return -1;
	c.request = ask_request("inspect", name);
	result = client_ask(&c, err);
	if (result == 0 && is_json)
		ask_put(c.result);
	else if (result == 0)
		put_guest(c.result);
	json_decref(c.result);
	return result;
}

const struct verb verb_inspect = {
	.name = "inspect",
	.words = "NAME",
	.summary = "all that is known of a guest",
	.about = "What was asked for, what libvirt and the switch say of guest NAME, and what its cores have counted "
		 "since it "
		 "began.",
	.examples = "ixctl inspect web\nixctl inspect web --json | jq .port\n",
	.word = { WORD_GUEST },
	.options = options,
	.run = verb_inspect_run,
};
