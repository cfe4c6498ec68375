/* SPDX-License-Identifier: MIT */
/* ixctl image new: a folder to start from. */
#include "hostctl/image/image.h"
#include "hostctl/ixctl/ixctl.h"

static const struct option options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

int verb_image_new(int argc, char **argv, struct err *err)
{
	int option = option_next(argc, argv, ":h", options, err);

	if (option < 0)
		return -1;
	if (option == 'h')
		return help_print("image") ? STATUS_OK : STATUS_USAGE;
	if (argc - optind != 1)
		return err_set(err, STATUS_USAGE, "image new: expected one name, got %d", argc - optind);
	if (image_new(argv[optind], err) != 0)
		return -1;
	printf("%s/image.yaml is there; next: ixctl run %s -p 7007:7\n", argv[optind], argv[optind]);
	return 0;
}
