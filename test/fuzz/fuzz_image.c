/* SPDX-License-Identifier: MIT */
/*
 * An image file as ixctl finds it. Bit 0 of the first byte: the input is the file; else it is a row of patches (two bytes where,
 * one how many of the eight that follow) on a good one. Whatever it is, its parts lie inside and it can be described.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "hostctl/image/image.h"
#include "test/fuzz/fuzz.h"
#include "test/unit/hostctl/fixture.h"

static struct blob good;

static void make_file(const char *path, const struct blob *from, const char *text)
{
	struct blob b = { 0 };

	if (text)
		blob_add(&b, text, strlen(text));
	fixture_write(from ? from : &b, path);
	blob_fini(&b);
}

static __attribute__((noinline)) void make_good(void)
{
	static char folder[] = "/tmp/ix-fuzz.XXXXXX";
	static char paths[3][64];
	const struct image_source from = { .folder = folder, .kernel = paths[2], .apps = "/nonexistent" };
	struct err err = { 0 };
	struct blob b = { 0 };

	FUZZ_CHECK(mkdtemp(folder));
	for (unsigned i = 0; i < 3; i++)
		snprintf(paths[i], sizeof(paths[i]), "%s/%s", folder,
			 (const char *[]){ "image.yaml", "app", "kernel.elf" }[i]);
	make_file(paths[0], NULL, "name: toy\napp: app\nargs: [x]\nfiles: [image.yaml]\n");
	fixture_program(&b);
	make_file(paths[1], &b, NULL);
	blob_fini(&b);
	fixture_kernel(&b, IX_IMAGE_VERSION);
	make_file(paths[2], &b, NULL);
	blob_fini(&b);
	FUZZ_CHECK(!image_build(&from, &good, NULL, NULL, &err));
	for (unsigned i = 0; i < 3; i++)
		unlink(paths[i]);
	rmdir(folder);
}

static void patch(struct feed *f, struct blob *file)
{
	while (feed_left(f)) {
		size_t at = feed_u16(f) % file->bytes, n = feed_u8(f) % 9u;
		uint8_t bytes[8];

		feed_take(f, bytes, sizeof(bytes));
		memcpy(file->data + at, bytes, n < file->bytes - at ? n : file->bytes - at);
	}
}

static void check(const struct image *image)
{
	json_t *all;

	for (uint32_t kind = 0; kind < 16; kind++) {
		size_t n = 0;
		const uint8_t *part = image_part(image, kind, &n);

		FUZZ_CHECK(!part || (part >= image->file.data && n <= image->file.bytes &&
				     (size_t)(part - image->file.data) <= image->file.bytes - n));
	}
	all = image_describe(image);
	FUZZ_CHECK(all);
	json_decref(all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct feed f = { data, data + bytes };
	struct blob file = { 0 };
	struct err err = { 0 };
	struct image *image;

	if (!good.bytes)
		make_good();
	if (feed_u8(&f) & 1) {
		blob_add(&file, f.at, feed_left(&f));
	} else {
		blob_add(&file, good.data, good.bytes);
		patch(&f, &file);
	}
	if (image_load(&image, &file, "image.ix", &err)) {
		FUZZ_CHECK(err.text && err.text[0]);
		err_fini(&err);
		return 0;
	}
	check(image);
	image_free(image);
	return 0;
}
