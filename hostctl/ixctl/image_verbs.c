/* SPDX-License-Identifier: MIT */
/* ixctl image: which of its verbs is meant. */
#include "hostctl/ixctl/ixctl.h"
#include <string.h>

int verb_image(int argc, char **argv, struct err *err)
{
	static const char *const known[] = { "build", "inspect", "new" };
	static int (*const verbs[])(int, char **, struct err *) = { verb_image_build, verb_image_inspect,
								    verb_image_new };

	if (argc < 2)
		return err_set(err, STATUS_USAGE, "image: say build, inspect or new (`ixctl help image`)");
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return help_print("image") ? STATUS_OK : STATUS_USAGE;
	for (unsigned i = 0; i < 3; i++)
		if (strcmp(argv[1], known[i]) == 0)
			return verbs[i](argc - 1, argv + 1, err);
	return option_unknown_verb(argv[1], known, 3, err);
}
