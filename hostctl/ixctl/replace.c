/* SPDX-License-Identifier: MIT */
/* ixctl replace and rollback: another image for a guest that serves, and the one before again. */
#include "hostctl/base/words.h"
#include "hostctl/ixctl/ask.h"
#include "hostctl/ixctl/ixctl.h"
#include "hostctl/ixctl/verb.h"
#include <string.h>
#include <unistd.h>

#define DRAIN_S_MAX 3600

struct replace_words {
	uint64_t drain_s;
	bool has_drain, is_json;
};

static const struct verb_option options[] = {
	{ "drain", 'd', "S", WORD_OTHER,
	  "how long connections that are open may go on, then they are cut; new ones wait for so long, too; 0: not "
	  "at all (default: 30)" },
	VERB_JSON,
	VERB_OPTIONS_END,
};

static int take(void *arg, const struct verb_option *o, char *value, struct err *err)
{
	struct replace_words *w = arg;

	if (o->letter != 'd') {
		w->is_json = true;
		return 0;
	}
	if (!words_number(value, 0, DRAIN_S_MAX, &w->drain_s))
		return err_set(err, STATUS_USAGE, "--drain: expected a number 0..%d, got %s", DRAIN_S_MAX, value);
	w->has_drain = true;
	return 0;
}

/* @image: -1: none goes with it. */
static int ask(const char *verb, const char *name, int image, const struct replace_words *w, struct err *err)
{
	struct client c = { .request = ask_request(verb, name), .on_say = w->is_json ? NULL : ask_say };
	const json_t *now;
	int result;

	if (image >= 0) {
		c.fds = &image;
		c.fd_count = 1;
	}
	if (w->has_drain)
		json_object_set_new(c.request, "drain_s", json_integer((json_int_t)w->drain_s));
	result = client_ask(&c, err);
	now = json_object_get(c.result, "image");
	if (result == 0 && w->is_json)
		ask_put(c.result);
	else if (result == 0)
		printf("%s is %s %s now\n", name, ask_text(now, "name"), ask_text(now, "version"));
	json_decref(c.result);
	return result;
}

static int replace_run(int argc, char **argv, struct err *err)
{
	struct replace_words w = { 0 };
	struct words words = { argc, argv, take, &w, 0 };
	int result = verb_options(&verb_replace, &words, err), image;

	if (result != 0)
		return result > 0 ? STATUS_OK : -1;
	if (argc - words.first != 2)
		return err_set(err, STATUS_USAGE,
			       "replace: expected a guest's name and an image or folder (ixctl replace NAME IMAGE)");
	image = target_open(argv[words.first + 1], err);
	if (image < 0)
		return -1;
	result = ask("replace", argv[words.first], image, &w, err);
	close(image);
	return result;
}

static int rollback_run(int argc, char **argv, struct err *err)
{
	struct replace_words w = { 0 };
	struct words words = { argc, argv, take, &w, 0 };
	int result = verb_options(&verb_rollback, &words, err);
	const char *name;

	if (result != 0)
		return result > 0 ? STATUS_OK : -1;
	name = ask_one_name("rollback", words.first, argc, argv, err);
	return name != NULL ? ask("rollback", name, -1, &w, err) : -1;
}

const struct verb verb_replace = {
	.name = "replace",
	.words = "NAME IMAGE|FOLDER",
	.summary = "another image for a guest that serves",
	.about =
		"Checks that the image can do what guest NAME is to do, lets the guest take no new connections, waits "
		"for "
		"those that are open, ends it and starts the image with the same address, settings, files and secrets. "
		"Clients that connect meanwhile wait: their system tries again until the new image is ready, about a "
		"second after the last open connection has ended. It says how long each step took; so does `ixctl "
		"events "
		"NAME`.\n"
		"\n"
		"If the new image does not become ready, the one before is started again, and replace says so and "
		"fails: when it ends, when it stands still for 5 s (15 s under emulation; time in which this host had "
		"no "
		"CPU for it does not count), or after a minute, which it may need to be given an address.",
	.examples = "ixctl replace web web-2.ix\nixctl replace web images/web --drain 300\n",
	.word = { WORD_GUEST, WORD_FILE },
	.options = options,
	.run = replace_run,
};

const struct verb verb_rollback = {
	.name = "rollback",
	.words = "NAME",
	.summary = "the image that a guest had before",
	.about =
		"Replaces the image of guest NAME by the one before, as `ixctl replace` would. A second rollback comes "
		"back to the one that was replaced.",
	.examples = "ixctl rollback web\n",
	.word = { WORD_GUEST },
	.options = options,
	.run = rollback_run,
};
