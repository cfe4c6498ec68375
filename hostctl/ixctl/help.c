/* SPDX-License-Identifier: MIT */
/* What `--help` and `ixctl help TOPIC` say. A page fits on a screen of 80 columns. */
#include "hostctl/image/image.h"
#include "hostctl/ixctl/ixctl.h"
#include "hostctl/ixctl/manual.h"
#include "hostctl/ixctl/verb.h"
#include <stdio.h>
#include <string.h>

#define TOPICS_MAX 64u

static const char head[] =
	"ixctl builds, inspects and runs IX images: one file that is kernel, service and settings; on a host\n"
	"that `ixctl host setup` prepared it keeps them up as guests.\n";

static const char tail[] =
	"  help [TOPIC]           more about each of these, or: manifest, status\n"
	"  --version\n"
	"\n"
	"Try it:  ixctl run images/echo -p 7007:7        and in another terminal:  nc 127.0.0.1 7007\n";

static const char status[] = "Exit status of ixctl\n"
			     "  0..100  the application's own (higher ones are 100)\n"
			     "  101     the application faulted and is not to be restarted (again)\n"
			     "  102     kernel panic\n"
			     "  103     QEMU is missing, too old, or failed\n"
			     "  104     the application stayed too long away from its event loop\n"
			     "  64      the command line asks for what cannot be had\n"
			     "  65      image, manifest or application missing or wrong\n"
			     "  130     ended by Ctrl-C or SIGTERM\n";

static void put_top(void)
{
	const struct verb *v;

	puts(head);
	for (unsigned i = 0; (v = verb_at(i)) != NULL; i++)
		if (v != &verb_help)
			printf("  %-22s %s\n", v->name, v->summary);
	fputs(tail, stdout);
}

/* The verbs that begin with @topic and a space. False: there are none. */
static bool put_group(const char *topic)
{
	const struct verb *v;
	size_t n = strlen(topic);
	bool is_any = false;

	for (unsigned i = 0; (v = verb_at(i)) != NULL; i++) {
		if (strncmp(v->name, topic, n) != 0 || v->name[n] != ' ')
			continue;
		if (is_any)
			putchar('\n');
		verb_page(v);
		is_any = true;
	}
	return is_any;
}

bool help_print(const char *topic)
{
	const struct verb *v = verb_find(topic);

	if (v != NULL) {
		verb_page(v);
		return true;
	}
	if (*topic == '\0') {
		put_top();
		return true;
	}
	if (strcmp(topic, "status") == 0) {
		fputs(status, stdout);
		return true;
	}
	if (strcmp(topic, "manifest") != 0)
		return put_group(topic);
	puts("Fields of image.yaml. A dot means a mapping inside a mapping: `cores: {min: 1, max: 4}`.\n"
	     "Those marked --set can also be changed when the image is run.\n");
	image_fields(stdout);
	return true;
}

static const struct verb_option options[] = {
	{ "man", '\0', "FOLDER", WORD_FILE, "write manual pages of all verbs into FOLDER instead" },
	VERB_OPTIONS_END,
};

static int take(void *arg, const struct verb_option *option, char *value, struct err *err)
{
	const char **folder = arg;

	(void)option;
	(void)err;
	*folder = value;
	return 0;
}

static int run(int argc, char **argv, struct err *err)
{
	const char *known[TOPICS_MAX] = { "manifest", "status" };
	char both[64] = "";
	const char *folder = NULL;
	struct words words = { argc, argv, take, &folder, 0 };
	int result = verb_options(&verb_help, &words, err);
	unsigned n = 2;

	if (result != 0)
		return result > 0 ? STATUS_OK : -1;
	if (folder != NULL)
		return manual_write(folder, status, err);
	if (argc - words.first > 2)
		return err_set(err, STATUS_USAGE, "help: expected one topic (`ixctl help` lists them)");
	if (argc > words.first)
		snprintf(both, sizeof(both), "%s%s%s", argv[words.first], argc - words.first == 2 ? " " : "",
			 argc - words.first == 2 ? argv[words.first + 1] : "");
	if (help_print(both))
		return STATUS_OK;
	for (unsigned i = 0; n < TOPICS_MAX && verb_at(i) != NULL; i++)
		known[n++] = verb_at(i)->name;
	return option_unknown_verb(both, known, n, err);
}

const struct verb verb_help = {
	.name = "help",
	.words = "[TOPIC]",
	.summary = "more about a verb, the manifest or exit statuses",
	.about = "A page about a verb, about the fields of image.yaml (manifest), or about exit statuses (status).",
	.examples = "ixctl help up\nixctl help manifest\n",
	.options = options,
	.run = run,
};
