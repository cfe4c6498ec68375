/* SPDX-License-Identifier: MIT */
/* ixctl top: what each core of each guest does now, again every second. ixd is asked anew each time and may be killed in between. */
#include "hostctl/base/words.h"
#include "hostctl/ixctl/ask.h"
#include "hostctl/ixctl/ixctl.h"
#include "hostctl/ixctl/table.h"
#include "hostctl/ixctl/verb.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ROUNDS_MAX 1000000000u
#define COLUMN_COUNT 12

struct top_words {
	uint64_t rounds; /* 0: without an end */
	bool is_json;
};

static const struct verb_option options[] = {
	{ "count", 'n', "COUNT", WORD_OTHER, "end after so many seconds (default: with Ctrl-C)" },
	{ "json", '\0', NULL, WORD_OTHER, "one JSON object a core and second on stdout" },
	VERB_OPTIONS_END,
};

static int take(void *arg, const struct verb_option *o, char *value, struct err *err)
{
	struct top_words *w = arg;

	if (o->letter != 'n') {
		w->is_json = true;
		return 0;
	}
	if (!words_number(value, 1, ROUNDS_MAX, &w->rounds))
		return err_set(err, STATUS_USAGE, "--count: expected a number 1..%u, got %s", ROUNDS_MAX, value);
	return 0;
}

/* A rate, or "-" where there is none. */
static void rate_cell(struct table *t, const json_t *row, const char *key)
{
	const json_t *value = json_object_get(row, key);
	char text[16];

	table_cell(t, "%s", json_is_number(value) ? text_count(text, json_number_value(value)) : "-");
}

/* A table and, above it, a line a guest. */
struct round {
	struct table table;
	char guest[40]; /* whose line there is already */
	bool is_tty;
};

static void tell_guest(struct round *r, const json_t *row)
{
	if (strcmp(r->guest, ask_text(row, "guest")) == 0)
		return;
	if (r->guest[0] == '\0' && r->is_tty)
		fputs("\x1b[H\x1b[J", stdout);
	snprintf(r->guest, sizeof(r->guest), "%s", ask_text(row, "guest"));
	printf("%s: %lld cores run, %lld vCPUs, at most %lld, %s\n", r->guest, (long long)ask_number(row, "cores"),
	       (long long)ask_number(row, "cores_present"), (long long)ask_number(row, "cores_max"),
	       ask_text(row, "mode"));
}

static int add_core(void *arg, const json_t *row)
{
	struct round *r = arg;
	struct table *t = &r->table;
	const json_t *load = json_object_get(row, "load");
	char text[16];

	tell_guest(r, row);
	table_cell(t, "%s", ask_text(row, "guest"));
	table_cell(t, "%lld", (long long)ask_number(row, "core"));
	table_cell(t, "%s", ask_text(row, "state"));
	if (json_is_number(load))
		table_cell(t, "%.1f", 100 * json_number_value(load));
	else
		table_cell(t, "-");
	table_cell(t, "%.1f", json_number_value(json_object_get(row, "delay_us")));
	table_cell(t, "%.1f", json_number_value(json_object_get(row, "batch")));
	table_cell(t, "%lld", (long long)ask_number(row, "connections"));
	table_cell(t, "%lld", (long long)ask_number(row, "flow_groups"));
	rate_cell(t, row, "frames_in_s");
	rate_cell(t, row, "retransmits_s");
	rate_cell(t, row, "dropped_s");
	table_cell(t, "%s", text_count(text, (double)ask_number(row, "dropped")));
	return 0;
}

static int one_round(const struct top_words *w, const char *name, struct err *err)
{
	static const char *const heads[COLUMN_COUNT] = { "GUEST",     ">CORE",     "STATE",        ">LOAD %",
							 ">DELAY us", ">BATCH",    ">CONNECTIONS", ">GROUPS",
							 ">IN/s",     ">RESENT/s", ">DROPS/s",     ">DROPS" };
	struct client c = { .on_row = w->is_json ? ask_put_row : add_core };
	struct round r = { .is_tty = isatty(STDOUT_FILENO) == 1 };
	int result;

	table_init(&r.table, heads, COLUMN_COUNT);
	c.arg = &r;
	c.request = ask_request("top", name);
	result = client_ask(&c, err);
	if (result == 0 && !w->is_json) {
		if (r.guest[0] == '\0' && r.is_tty)
			fputs("\x1b[H\x1b[J", stdout);
		table_print(&r.table, stdout);
		(void)fflush(stdout); /* run() looks at ferror() */
	}
	table_fini(&r.table);
	json_decref(c.result);
	return result;
}

static int run(int argc, char **argv, struct err *err)
{
	struct top_words w = { 0 };
	struct words words = { argc, argv, take, &w, 0 };
	const char *name;
	int result = verb_options(&verb_top, &words, err);

	if (result != 0)
		return result > 0 ? STATUS_OK : -1;
	if (argc - words.first > 1)
		return err_set(err, STATUS_USAGE, "top: expected the name of one guest or none, got %d words",
			       argc - words.first);
	name = words.first < argc ? argv[words.first] : NULL;
	for (uint64_t i = 0; result == 0 && !ferror(stdout) && (w.rounds == 0 || i < w.rounds); i++)
		result = one_round(&w, name, err);
	return result;
}

const struct verb verb_top = {
	.name = "top",
	.words = "[NAME]",
	.summary = "what each core does now",
	.about = "A line a guest, how many cores run, how many vCPUs are there, and who decides that, and a table of "
		 "its cores, of guest "
		 "NAME or of all, every second. LOAD: share of the time in turns "
		 "that found "
		 "work. DELAY: how long frames waited in the queue, at most, on average over about a second. BATCH: "
		 "frames a "
		 "turn that took some. CONNECTIONS: established ones. GROUPS: flow groups that the core owns. IN: "
		 "frames taken. "
		 "RESENT: TCP segments sent again. DROPS: frames, segments and datagrams that it threw away; for which "
		 "reason "
		 "`ixctl inspect NAME --json` says. A dash: the core slept all the time.",
	.examples = "ixctl top\nixctl top web -n 10 --json\n",
	.word = { WORD_GUEST },
	.options = options,
	.run = run,
};
