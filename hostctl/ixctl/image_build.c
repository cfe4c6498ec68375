/* SPDX-License-Identifier: MIT */
/* ixctl image build: from a folder to NAME.ix. */
#include "hostctl/image/image.h"
#include "hostctl/ixctl/ixctl.h"
#include "hostctl/ixctl/verb.h"
#include <stdlib.h>

static const struct verb_option options[] = {
	{ "output", 'o', "FILE", WORD_FILE, "write to FILE (default: NAME.ix in the current folder)" },
	{ "kernel", '\0', "FILE", WORD_FILE, "the kernel (default: kernel.elf of this build)" },
	{ "apps", '\0', "FOLDER", WORD_FILE,
	  "where an `app:` without a slash is looked for next (default: apps of this build)" },
	{ "json", '\0', NULL, WORD_OTHER, "what has been made, as JSON" },
	VERB_OPTIONS_END,
};

struct build_words {
	const char *folder, *output, *kernel, *apps;
	bool is_json;
};

static int take(void *arg, const struct verb_option *option, char *value, struct err *err)
{
	struct build_words *w = arg;

	(void)err;
	if (option->name[0] == 'o')
		w->output = value;
	else if (option->name[0] == 'k')
		w->kernel = value;
	else if (option->name[0] == 'a')
		w->apps = value;
	else
		w->is_json = true;
	return 0;
}

static int parse(struct build_words *w, int argc, char **argv, struct err *err)
{
	struct words words = { argc, argv, take, w, 0 };
	int result = verb_options(&verb_image_build, &words, err);

	if (result != 0)
		return result;
	if (argc - words.first != 1)
		return err_set(err, STATUS_USAGE, "image build: expected one folder with an image.yaml, got %d",
			       argc - words.first);
	w->folder = argv[words.first];
	return 0;
}

static void tell(const struct build_words *w, const char *path, const struct image *image)
{
	json_t *all;

	if (!w->is_json) {
		printf("%s: %s %s, %zu bytes, for a guest of %u MiB\n", path, image->name, image->version,
		       image->file.bytes, image->m.memory_mib);
		return;
	}
	all = image_describe(image);
	json_object_set_new(all, "file", json_string(path));
	json_dumpf(all, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(all);
}

static int build(const struct build_words *w, const struct image_source *from, struct err *err)
{
	struct image *image = NULL;
	struct blob bytes;
	char *name = NULL, *path = NULL;
	int result = -1;

	if (image_build(from, &bytes, &name, NULL, err) != 0)
		return -1;
	if (asprintf(&path, "%s%s", w->output != NULL ? w->output : name, w->output != NULL ? "" : ".ix") < 0) {
		path = NULL;
		err_set(err, STATUS_MACHINE, "out of memory");
		blob_fini(&bytes);
	} else if (image_load(&image, &bytes, path, err) == 0) {
		/* Only what can be read back is written. */
		result = blob_write(&image->file, path, err);
		if (result == 0)
			tell(w, path, image);
	}
	image_free(image);
	free(path);
	free(name);
	return result;
}

static int run(int argc, char **argv, struct err *err)
{
	struct build_words w = { 0 };
	struct image_source from;
	char *kernel = path_in_build("kernel.elf");
	char *apps = path_in_build("apps");
	int result = parse(&w, argc, argv, err);

	if (result == 0) {
		from = (struct image_source){ .folder = w.folder,
					      .kernel = w.kernel != NULL ? w.kernel : kernel,
					      .apps = w.apps != NULL ? w.apps : apps };
		result = build(&w, &from, err);
	}
	free(kernel);
	free(apps);
	return result > 0 ? STATUS_OK : result;
}

const struct verb verb_image_build = {
	.name = "image build",
	.words = "FOLDER",
	.summary = "make NAME.ix from FOLDER/image.yaml",
	.about = "Makes one bootable file from FOLDER/image.yaml. The same inputs give the same bytes. An `app:` "
		 "without a "
		 "slash is looked for beside the manifest and then in the build's apps folder. The image boots "
		 "wherever a "
		 "PVH kernel does: qemu-system-x86_64 -kernel NAME.ix, libvirt <kernel>.",
	.examples = "ixctl image build images/echo\nixctl image build . -o /tmp/web.ix\n",
	.word = { WORD_FILE },
	.options = options,
	.run = run,
};
