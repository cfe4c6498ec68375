/* SPDX-License-Identifier: MIT */
/*
 * ixctl: builds images, looks into them, runs them.
 *   build/bin/ixctl image build images/echo && build/bin/ixctl run echo.ix -p 7007:7
 * Every mistake ends here as one line on stderr and an exit status.
 */
#include "hostctl/base/say.h"
#include "hostctl/ixctl/ixctl.h"
#include "kernel/abi/image.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *name;
	int (*run)(int argc, char **argv, struct err *err);
} verbs[] = {
	{ "run", verb_run },
	{ "image", verb_image },
	{ "help", verb_help },
};
#define VERB_COUNT (sizeof(verbs) / sizeof(verbs[0]))

static int dispatch(int argc, char **argv, struct err *err)
{
	const char *known[VERB_COUNT];
	const char *verb = argc > 1 ? argv[1] : NULL;

	if (verb == NULL)
		return err_set(err, STATUS_USAGE, "say what to do: run, image or help (`ixctl --help`)");
	if (strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0)
		return help_print("") ? STATUS_OK : STATUS_USAGE;
	if (strcmp(verb, "--version") == 0) {
		printf("ixctl %s (image version %d)\n", IXCTL_VERSION, IX_IMAGE_VERSION);
		return STATUS_OK;
	}
	for (unsigned i = 0; i < VERB_COUNT; i++) {
		known[i] = verbs[i].name;
		if (strcmp(verb, verbs[i].name) == 0)
			return verbs[i].run(argc - 1, argv + 1, err);
	}
	return option_unknown_verb(verb, known, VERB_COUNT, err);
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
