/* SPDX-License-Identifier: MIT */
/* Options as GNU programs take them, with answers that help when one is mistyped. */
#include "hostctl/base/words.h"
#include "hostctl/ixctl/ixctl.h"
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LONGS_MAX 32

static int unknown_option(const char *word, const struct option *longs, struct err *err)
{
	const char *known[LONGS_MAX];
	char name[64];
	const char *near;
	size_t n = 0;

	if (word[0] != '-' || word[1] != '-')
		return err_set(err, STATUS_USAGE, "unknown option %s (--help lists them)", word);
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word + 2, "="), word + 2);
	while (n < LONGS_MAX && longs[n].name != NULL) {
		known[n] = longs[n].name;
		n++;
	}
	near = words_nearest(name, known, n);
	if (near != NULL)
		return err_set(err, STATUS_USAGE, "unknown option --%s, did you mean --%s?", name, near);
	return err_set(err, STATUS_USAGE, "unknown option --%s (--help lists them)", name);
}

static int refuse(char **argv, const struct option *longs, struct err *err)
{
	const char *word = argv[optind - 1];
	char letter[3] = { '-', (char)optopt, '\0' };

	for (unsigned i = 0; longs[i].name != NULL; i++) {
		if (longs[i].val != optopt)
			continue;
		if (longs[i].has_arg == no_argument)
			return err_set(err, STATUS_USAGE, "--%s takes no value", longs[i].name);
		return err_set(err, STATUS_USAGE, "%s: a value is missing after it", word);
	}
	return unknown_option(optopt != 0 ? letter : word, longs, err);
}

int option_next(int argc, char **argv, const char *shorts, const struct option *longs, struct err *err)
{
	int option;

	opterr = 0;
	option = getopt_long(argc, argv, shorts, longs, NULL);
	if (option == -1)
		return 0;
	if (option == '?' || option == ':')
		return refuse(argv, longs, err);
	return option;
}

int option_unknown_verb(const char *verb, const char *const *known, unsigned count, struct err *err)
{
	const char *near = words_nearest(verb, known, count);

	if (near != NULL)
		return err_set(err, STATUS_USAGE, "unknown command %s, did you mean %s?", verb, near);
	return err_set(err, STATUS_USAGE, "unknown command %s (`ixctl --help` lists them)", verb);
}

char *path_in_build(const char *name)
{
	char *self = realpath("/proc/self/exe", NULL);
	char *path = NULL;

	/* build/bin/ixctl: two folders up is the build. */
	if (self == NULL || asprintf(&path, "%s/%s", dirname(dirname(self)), name) < 0)
		path = strdup(name);
	free(self);
	return path;
}
