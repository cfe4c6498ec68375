/* SPDX-License-Identifier: MIT */
/* ixctl image build: from a folder to NAME.ix. */
#include "hostctl/image/image.h"
#include "hostctl/ixctl/ixctl.h"
#include <stdlib.h>

static const struct option options[] = {
	{ "output", required_argument, NULL, 'o' }, { "kernel", required_argument, NULL, 'k' },
	{ "apps", required_argument, NULL, 'a' },   { "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },         { NULL, 0, NULL, 0 },
};

struct build_words {
	const char *folder, *output, *kernel, *apps;
	bool is_json, wants_help;
};

static int parse(struct build_words *w, int argc, char **argv, struct err *err)
{
	int option;

	while ((option = option_next(argc, argv, ":o:h", options, err)) > 0) {
		switch (option) {
		case 'o':
			w->output = optarg;
			break;
		case 'k':
			w->kernel = optarg;
			break;
		case 'a':
			w->apps = optarg;
			break;
		case 'j':
			w->is_json = true;
			break;
		default:
			w->wants_help = true;
			return 0;
		}
	}
	if (option < 0)
		return -1;
	if (argc - optind != 1)
		return err_set(err, STATUS_USAGE, "image build: expected one folder with an image.yaml, got %d",
			       argc - optind);
	w->folder = argv[optind];
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

int verb_image_build(int argc, char **argv, struct err *err)
{
	struct build_words w = { 0 };
	struct image_source from;
	char *kernel = path_in_build("kernel.elf");
	char *apps = path_in_build("apps");
	int result = parse(&w, argc, argv, err);

	if (result == 0 && w.wants_help) {
		help_print("image");
	} else if (result == 0) {
		from = (struct image_source){ .folder = w.folder,
					      .kernel = w.kernel != NULL ? w.kernel : kernel,
					      .apps = w.apps != NULL ? w.apps : apps };
		result = build(&w, &from, err);
	}
	free(kernel);
	free(apps);
	return result;
}
