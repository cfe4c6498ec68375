/* SPDX-License-Identifier: MIT */
/* ixctl image new: a folder to start from. */
#include "hostctl/image/image.h"
#include "hostctl/ixctl/ixctl.h"
#include "hostctl/ixctl/verb.h"

static int run(int argc, char **argv, struct err *err)
{
	struct words words = { argc, argv, NULL, NULL, 0 };
	int result = verb_options(&verb_image_new, &words, err);

	if (result != 0)
		return result > 0 ? STATUS_OK : -1;
	if (argc - words.first != 1)
		return err_set(err, STATUS_USAGE, "image new: expected one name, got %d", argc - words.first);
	if (image_new(argv[words.first], err) != 0)
		return -1;
	printf("%s/image.yaml is there; next: ixctl run %s -p 7007:7\n", argv[words.first], argv[words.first]);
	return 0;
}

const struct verb verb_image_new = {
	.name = "image new",
	.words = "NAME",
	.summary = "make a folder to start from",
	.about = "Makes folder NAME with an image.yaml in which every field is explained.",
	.examples = "ixctl image new hello\n",
	.run = run,
};
