/* SPDX-License-Identifier: MIT */
/* ixctl logs: what a guest has written on its console. */
#include "hostctl/base/clean.h"
#include "hostctl/base/words.h"
#include "hostctl/ixctl/ask.h"
#include "hostctl/ixctl/crash.h"
#include "hostctl/ixctl/ixctl.h"
#include "hostctl/ixctl/verb.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINES_MAX 1000000000u

struct logs_words {
	uint64_t lines;
	const char *core; /* where to, NULL: nowhere */
	bool is_json, is_followed, has_lines, is_crash;
};

static const struct verb_option options[] = {
	{ "follow", 'f', NULL, WORD_OTHER, "go on with what comes from now on, until Ctrl-C" },
	{ "lines", 'n', "LINES", WORD_OTHER, "begin with the last LINES (default: all that are kept)" },
	{ "crash", 'c', NULL, WORD_OTHER, "the report of the application's last fault instead" },
	{ "core", 'o', "FILE", WORD_FILE, "with --crash: write the core file of that fault, which gdb opens, to FILE" },
	VERB_JSON,
	VERB_OPTIONS_END,
};

static int take(void *arg, const struct verb_option *o, char *value, struct err *err)
{
	struct logs_words *w = arg;

	if (o->letter == 'f') {
		w->is_followed = true;
	} else if (o->letter == 'c') {
		w->is_crash = true;
	} else if (o->letter == 'o') {
		w->core = value;
	} else if (o->letter != 'n') {
		w->is_json = true;
	} else if (!words_number(value, 0, LINES_MAX, &w->lines)) {
		return err_set(err, STATUS_USAGE, "--lines: expected a number 0..%u, got %s", LINES_MAX, value);
	} else {
		w->has_lines = true;
	}
	return 0;
}

/* A stranger's words: what a terminal would obey is not passed on to one. */
static int put_line(void *arg, const json_t *row)
{
	char *line = strdup(ask_text(row, "line"));

	(void)arg;
	if (line == NULL)
		abort();
	if (isatty(STDOUT_FILENO) == 1)
		clean_text(line, strlen(line));
	puts(line);
	free(line);
	return ferror(stdout);
}

static int put_line_now(void *arg, const json_t *row)
{
	return put_line(arg, row) | fflush(stdout);
}

static int run(int argc, char **argv, struct err *err)
{
	struct logs_words w = { 0 };
	struct words words = { argc, argv, take, &w, 0 };
	struct client c = { 0 };
	const char *name;
	int result = verb_options(&verb_logs, &words, err);

	if (result != 0)
		return result > 0 ? STATUS_OK : -1;
	name = ask_one_name("logs", words.first, argc, argv, err);
	if (name == NULL)
		return -1;
	if (w.core != NULL && !w.is_crash)
		return err_set(err, STATUS_USAGE, "logs: --core goes with --crash");
	if (w.is_crash && (w.is_followed || w.has_lines))
		return err_set(err, STATUS_USAGE, "logs: --crash goes without --follow and --lines");
	if (w.is_crash)
		return crash_show(name, w.core, w.is_json, err);
	c.on_row = w.is_json ? ask_put_row : w.is_followed ? put_line_now : put_line;
	c.request = ask_request("logs", name);
	json_object_set_new(c.request, "follow", json_boolean(w.is_followed));
	if (w.has_lines)
		json_object_set_new(c.request, "lines", json_integer((json_int_t)w.lines));
	result = client_ask(&c, err);
	json_decref(c.result);
	return result;
}

const struct verb verb_logs = {
	.name = "logs",
	.words = "NAME",
	.summary = "what a guest has written on its console",
	.about =
		"Prints the console of guest NAME, oldest line first; of a guest that is down, too. At most about 8 "
		"MiB are kept. "
		"On a terminal, control characters are shown as `?`.\n"
		"\n"
		"With --crash it prints what is known of the application's last fault: registers, backtrace, the end "
		"of the "
		"console before it. The core file holds the application's memory at that moment; open it with `gdb APP "
		"FILE`, where APP is the application as it was linked.",
	.examples = "ixctl logs web -n 20\nixctl logs -f web\n"
		    "ixctl logs web --crash -o web.core && gdb build/apps/web web.core\n",
	.word = { WORD_GUEST },
	.options = options,
	.run = run,
};
