/* SPDX-License-Identifier: MIT */
/* ixctl image inspect: one page about an image file, or the same as JSON. */
#include "hostctl/image/image.h"
#include "hostctl/ixctl/ixctl.h"
#include "hostctl/ixctl/verb.h"
#include <stdlib.h>
#include <string.h>

#define IMAGE_BYTES_MAX (1ull << 32)

static const struct verb_option options[] = {
	{ "json", '\0', NULL, WORD_OTHER, "the same as JSON" },
	VERB_OPTIONS_END,
};

static void print_parts(const struct image *im)
{
	puts("parts (sha256 verified)");
	for (uint32_t i = 0; i < im->note.part_count; i++) {
		const struct ix_image_part *p = &im->note.parts[i];

		printf("  %-15s %9llu bytes at 0x%08llx  sha256 ", image_part_name(p->kind),
		       (unsigned long long)p->bytes, (unsigned long long)p->pa);
		for (unsigned j = 0; j < 8; j++)
			printf("%02x", p->sha256[j]);
		puts("...");
	}
}

/* "key value" for each scalar, recursing into mappings with a dot. */
static void print_settings(const char *prefix, json_t *object)
{
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value)
	{
		char name[64];
		char *text;

		snprintf(name, sizeof(name), "%s%s", prefix, key);
		if (json_is_object(value)) {
			strncat(name, ".", sizeof(name) - strlen(name) - 1);
			print_settings(name, value);
			continue;
		}
		text = json_is_string(value) ? strdup(json_string_value(value))
					     : json_dumps(value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
		if (text != NULL && !json_is_null(value))
			printf("  %-17s %s\n", name, text);
		free(text);
	}
}

static void print(const char *path, const struct image *im, const json_t *all)
{
	struct image_size size = image_size(im, 0);
	struct image_budget b;
	char words[256];

	printf("%s: %s %s, image version %u, %zu bytes\n", path, im->name, im->version, im->note.version,
	       im->file.bytes);
	printf("kernel at 0x%llx..0x%llx, program of %llu bytes in memory\n", (unsigned long long)im->kernel_pa,
	       (unsigned long long)im->kernel_end_pa, (unsigned long long)im->app_bytes);
	print_parts(im);
	puts("settings");
	print_settings("", json_object_get(all, "manifest"));
	image_budget(&b, &im->m, im->m.cores_max, &size);
	image_budget_words(&b, words, sizeof(words));
	printf("memory needed with %u cores: %s\n", im->m.cores_max, words);
	if (im->connection.total != 0)
		printf("an idle connection takes %u bytes of the kernel's memory: control block %u, handle %u, "
		       "demultiplexer %u\n",
		       im->connection.total, im->connection.control_block, im->connection.handle,
		       im->connection.demultiplexer);
}

static int inspect(const char *path, bool is_json, struct err *err)
{
	struct blob bytes;
	struct image *im;
	json_t *all;

	if (blob_read(&bytes, path, IMAGE_BYTES_MAX, err) != 0 || image_load(&im, &bytes, path, err) != 0)
		return -1;
	all = image_describe(im);
	if (is_json) {
		json_dumpf(all, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		print(path, im, all);
	}
	json_decref(all);
	image_free(im);
	return 0;
}

static int run(int argc, char **argv, struct err *err)
{
	bool is_json = false;
	struct words words = { argc, argv, verb_take_flag, &is_json, 0 };
	int result = verb_options(&verb_image_inspect, &words, err);

	if (result != 0)
		return result > 0 ? STATUS_OK : -1;
	if (argc - words.first != 1)
		return err_set(err, STATUS_USAGE, "image inspect: expected one image file, got %d", argc - words.first);
	return inspect(argv[words.first], is_json, err);
}

const struct verb verb_image_inspect = {
	.name = "image inspect",
	.words = "FILE",
	.summary = "show what is in an image",
	.about = "Shows parts, sizes, settings and the memory the guest needs; verifies every sha256.",
	.examples = "ixctl image inspect echo.ix\n",
	.word = { WORD_FILE },
	.options = options,
	.run = run,
};
