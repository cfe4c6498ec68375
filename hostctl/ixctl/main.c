/* SPDX-License-Identifier: MIT */
/*
 * ixctl: builds images, looks into them, runs them, keeps them up on a host.
 *   build/bin/ixctl image build images/echo && build/bin/ixctl run echo.ix -p 7007:7
 * Every mistake ends here as one line on stderr and an exit status.
 */
#include "hostctl/base/say.h"
#include "hostctl/ixctl/ixctl.h"
#include "hostctl/ixctl/verb.h"
#include "kernel/abi/image.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In the order in which help lists them: what works anywhere, a host, its guests, and a look at them. */
static const struct verb *const verbs[] = {
	&verb_run,         &verb_image_new,     &verb_image_build, &verb_image_inspect, &verb_host_setup,
	&verb_host_status, &verb_host_teardown, &verb_up,          &verb_down,          &verb_replace,
	&verb_rollback,    &verb_scale,         &verb_ps,          &verb_inspect,       &verb_top,
	&verb_events,      &verb_logs,          &verb_console,     &verb_capture,       &verb_completion,
	&verb_help,
};
#define VERB_COUNT (sizeof(verbs) / sizeof(verbs[0]))

const struct verb *verb_at(unsigned index)
{
	return index < VERB_COUNT ? verbs[index] : NULL;
}

const struct verb *verb_find(const char *name)
{
	for (unsigned i = 0; i < VERB_COUNT; i++)
		if (strcmp(verbs[i]->name, name) == 0)
			return verbs[i];
	return NULL;
}

/* Whether @verb is "@word" or "@word something"; then *@second is the something, or NULL. */
static bool begins_with(const struct verb *verb, const char *word, const char **second)
{
	size_t n = strlen(word);

	if (n == 0 || strncmp(verb->name, word, n) != 0 || (verb->name[n] != '\0' && verb->name[n] != ' '))
		return false;
	*second = verb->name[n] == ' ' ? verb->name + n + 1 : NULL;
	return true;
}

/* `ixctl image`: says which verbs there are of that kind. */
static int say_seconds(const char *word, const char *const *known, unsigned count, struct err *err)
{
	char list[128] = "";
	size_t used = 0;

	for (unsigned i = 0; i < count && used < sizeof(list); i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s",
					 i == 0           ? ""
					 : i + 1 == count ? " or "
							  : ", ",
					 known[i]);
	return err_set(err, STATUS_USAGE, "%s: say %s (`ixctl help %s`)", word, list, word);
}

static int run_verb(int argc, char **argv, struct err *err)
{
	const char *known[VERB_COUNT], *seconds[VERB_COUNT], *second;
	unsigned count = 0;

	for (unsigned i = 0; i < VERB_COUNT; i++) {
		known[i] = verbs[i]->name;
		if (!begins_with(verbs[i], argv[1], &second))
			continue;
		if (second == NULL)
			return verbs[i]->run(argc - 1, argv + 1, err);
		if (argc > 2 && strcmp(argv[2], second) == 0)
			return verbs[i]->run(argc - 2, argv + 2, err);
		seconds[count++] = second;
	}
	if (count == 0)
		return option_unknown_verb(argv[1], known, VERB_COUNT, err);
	if (argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0))
		return help_print(argv[1]) ? STATUS_OK : STATUS_USAGE;
	if (argc > 2)
		return option_unknown_verb(argv[2], seconds, count, err);
	return say_seconds(argv[1], seconds, count, err);
}

static int dispatch(int argc, char **argv, struct err *err)
{
	const char *verb = argc > 1 ? argv[1] : NULL;

	if (verb == NULL)
		return err_set(err, STATUS_USAGE, "say what to do: run, image, host, up, ps or help (`ixctl --help`)");
	if (strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0)
		return help_print("") ? STATUS_OK : STATUS_USAGE;
	if (strcmp(verb, "--version") == 0) {
		printf("ixctl %s (image version %d)\n", IXCTL_VERSION, IX_IMAGE_VERSION);
		return STATUS_OK;
	}
	return run_verb(argc, argv, err);
}

int main(int argc, char **argv)
{
	struct err err = { 0 };
	int status = dispatch(argc, argv, &err);

	if (status < 0) {
		status = err.status;
		say("%s", err.text);
	}
	err_fini(&err);
	if (fflush(stdout) != 0 && status == STATUS_OK) {
		say("cannot write to stdout");
		status = STATUS_USAGE;
	}
	return status;
}
