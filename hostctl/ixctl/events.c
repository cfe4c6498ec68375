/* SPDX-License-Identifier: MIT */
/* ixctl events: what has happened, and what happens. */
#include "hostctl/base/clean.h"
#include "hostctl/ixctl/ask.h"
#include "hostctl/ixctl/ixctl.h"
#include "hostctl/ixctl/verb.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct events_words {
	bool is_json, is_followed;
};

static const struct verb_option options[] = {
	{ "follow", 'f', NULL, WORD_OTHER, "go on with what happens from now on, until Ctrl-C" },
	VERB_JSON,
	VERB_OPTIONS_END,
};

static int take(void *arg, const struct verb_option *o, char *value, struct err *err)
{
	struct events_words *w = arg;

	(void)value;
	(void)err;
	if (o->letter == 'f')
		w->is_followed = true;
	else
		w->is_json = true;
	return 0;
}

/* "UTC  guest  event  key=value ..." */
static int put_event(void *arg, const json_t *row)
{
	const json_t *detail = json_object_get(row, "detail");
	const char *guest = ask_text(row, "guest");
	char *line = NULL;
	size_t bytes = 0;
	FILE *f = open_memstream(&line, &bytes);

	(void)arg;
	if (f == NULL)
		abort();
	fprintf(f, "%s  %-12s  %s", ask_text(row, "utc"), *guest != '\0' ? guest : "(host)", ask_text(row, "event"));
	for (void *at = json_object_iter((json_t *)(uintptr_t)detail); at != NULL;
	     at = json_object_iter_next((json_t *)(uintptr_t)detail, at)) {
		char *text = json_dumps(json_object_iter_value(at),
					JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(9));

		fprintf(f, "  %s=%s", json_object_iter_key(at), text != NULL ? text : "");
		free(text);
	}
	if (fclose(f) != 0)
		abort();
	clean_text(line, bytes);
	puts(line);
	free(line);
	return fflush(stdout);
}

static int verb_events_run(int argc, char **argv, struct err *err)
{
	struct events_words w = { 0 };
	struct client c = { .on_row = put_event };
	struct words words = { argc, argv, take, &w, 0 };
	int result = verb_options(&verb_events, &words, err);

	if (result != 0)
		return result < 0 ? -1 : 0;
	if (argc - words.first > 1)
		return err_set(err, STATUS_USAGE, "events: expected the name of one guest or none, got %d words",
			       argc - words.first);
	c.request = ask_request("events", words.first < argc ? argv[words.first] : NULL);
	json_object_set_new(c.request, "follow", json_boolean(w.is_followed));
	if (w.is_json)
		c.on_row = ask_put_row;
	result = client_ask(&c, err);
	json_decref(c.result);
	return result;
}

const struct verb verb_events = {
	.name = "events",
	.words = "[NAME]",
	.summary = "what has happened to guests",
	.about = "Prints events of guest NAME, or of all guests and the host, oldest first: up, down, each "
		 "change of "
		 "health, "
		 "restarts of the application, ports lost and back, frames refused, libvirtd gone and back. Those of a "
		 "guest "
		 "that is down are still there.",
	.examples = "ixctl events -f\nixctl events web --json\n",
	.word = { WORD_GUEST },
	.options = options,
	.run = verb_events_run,
};
