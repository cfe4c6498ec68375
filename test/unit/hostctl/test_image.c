/* SPDX-License-Identifier: MIT */
/*
 * An image is built, read back and then damaged in 20,000 ways: it is refused or it is the same image,
 * and reading it never goes outside.
 */
#include "test/unit/hostctl/fixture.h"
#include "hostctl/image/image.h"
#include "hostctl/image/elf.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[] = "/tmp/ix-image.XXXXXX";
static char paths[3][64]; /* image.yaml, app, kernel.elf */

static void write_text(const char *path, const char *text)
{
	struct blob b = { 0 };

	blob_add(&b, text, strlen(text));
	fixture_write(&b, path);
	blob_fini(&b);
}

static int setup(void **state)
{
	struct blob b;

	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(paths[0], sizeof(paths[0]), "%s/image.yaml", folder);
	snprintf(paths[1], sizeof(paths[1]), "%s/app", folder);
	snprintf(paths[2], sizeof(paths[2]), "%s/kernel.elf", folder);
	write_text(paths[0], "name: toy\napp: app\nargs: [x]\nfiles: [image.yaml]\n");
	fixture_program(&b);
	fixture_write(&b, paths[1]);
	blob_fini(&b);
	fixture_kernel(&b, IX_IMAGE_VERSION);
	fixture_write(&b, paths[2]);
	blob_fini(&b);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		unlink(paths[i]);
	return rmdir(folder);
}

static void build(struct blob *out)
{
	struct image_source from = { .folder = folder, .kernel = paths[2], .apps = "/nonexistent" };
	struct err err = { 0 };
	char *name = NULL;

	assert_int_equal(image_build(&from, out, &name, NULL, &err), 0);
	assert_string_equal(name, "toy");
	free(name);
}

static void test_round_trip(void **state)
{
	struct blob first, second;
	struct err err = { 0 };
	struct image *im;
	json_t *all;
	size_t bytes = 0;
	const uint8_t *app;

	(void)state;
	build(&first);
	build(&second);
	assert_int_equal(first.bytes, second.bytes);
	assert_memory_equal(first.data, second.data, first.bytes);
	blob_fini(&second);
	assert_int_equal(image_load(&im, &first, "toy.ix", &err), 0);
	assert_string_equal(im->name, "toy");
	assert_string_equal(im->args[0], "x");
	assert_int_equal(im->note.part_count, 5);
	for (unsigned i = 0; i < im->note.part_count; i++)
		assert_int_equal(im->note.parts[i].pa % 0x200000, 0);
	assert_int_equal(im->app_bytes, 0x200000 + 8192);
	app = image_part(im, IX_PART_APP, &bytes);
	assert_non_null(app);
	assert_int_equal(bytes, 4096 + 80); /* no symbols, no sections */
	all = image_describe(im);
	assert_int_equal(json_integer_value(json_object_get(all, "image_version")), IX_IMAGE_VERSION);
	json_decref(all);
	image_free(im);
}

static void test_symbols(void **state)
{
	struct elf *e = malloc(sizeof(*e));
	struct blob program, part = { 0 };
	struct ix_symbol list[FIXTURE_SYMBOLS];
	struct err err = { 0 };
	uint32_t head[2];

	(void)state;
	fixture_program(&program);
	assert_int_equal(elf_open(e, program.data, program.bytes, "app", &err), 0);
	elf_symbols(e, &part);
	memcpy(head, part.data, sizeof(head));
	assert_int_equal(head[0], FIXTURE_SYMBOLS);
	assert_int_equal(part.bytes, sizeof(head) + sizeof(list) + head[1]);
	memcpy(list, part.data + sizeof(head), sizeof(list));
	assert_true(list[0].va < list[1].va && list[1].va < list[2].va);
	assert_string_equal(part.data + sizeof(head) + sizeof(list) + list[1].name, "last");
	blob_fini(&part);
	blob_fini(&program);
	free(e);
}

static void test_version(void **state)
{
	struct err err = { 0 };
	struct blob kernel;
	struct image *im;

	(void)state;
	fixture_kernel(&kernel, 9);
	assert_int_equal(image_load(&im, &kernel, "old.ix", &err), -1);
	assert_null(im);
	assert_non_null(strstr(err.text, "image version 9, this ixctl knows version 6"));
	err_fini(&err);
}

static void test_budget(void **state)
{
	static struct ix_manifest m = { .rx_buffers = 1024, .connections = 16, .heap_mib = 3 };
	struct image_budget small, large;

	(void)state;
	image_budget(&small, &m, 1, &(struct image_size){ 0x400001, 1, 3 << 20 });
	assert_int_equal(small.files, 4 << 20);
	assert_int_equal(small.image, 0x600000);
	assert_int_equal(small.heap, 4 << 20);
	assert_int_equal(small.program, 2 << 20);
	m.heap_mib = 1048576;
	m.rx_buffers = 4194304;
	m.connections = 4194304;
	image_budget(&large, &m, 64, &(struct image_size){ 1ull << 32, 1ull << 40, 0 });
	assert_true(large.total_mib > 1048576 * 2ull);
}

/* An archive of two files, and what is none. */
static void test_archive_room(void **state)
{
	static const char entry[] =
		"070701"
		"0000000100008124000000000000000000000001000000000000%04X0000000000000000000000000000000000"
		"00000200000000";
	uint8_t archive[3 * 116];
	char text[120];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		int n = snprintf(text, sizeof(text), entry, i == 1 ? 4u : 0u);

		assert_int_equal(n, 110);
		memset(archive + 116 * i, 0, 116);
		memcpy(archive + 116 * i, text, 110);
	}
	/* 110 of head, "x" and its NUL make 112, and contents of four bytes 116; the first and the last have none. */
	memmove(archive + 112, archive + 116, 232);
	assert_int_equal(image_archive_room(archive, 112), image_file_room(0));
	assert_int_equal(image_archive_room(archive, 112 + 116 + 112), 2 * image_file_room(0) + image_file_room(4));
	assert_int_equal(image_archive_room(archive, 112 + 115), image_file_room(0));
	assert_int_equal(image_archive_room(archive, 109), 0);
	memcpy(archive + 54, "FFFFFFFF", 8);
	assert_int_equal(image_archive_room(archive, sizeof(archive)), 0);
	memcpy(archive + 54, "-0000001", 8);
	assert_int_equal(image_archive_room(archive, sizeof(archive)), 0);
	assert_true(image_file_room(4097) > 8192 && image_file_room(4096) < 8192);
}

/* Headers and notes are hit more often than contents: there the damage is understood. */
static void test_damaged(void **state)
{
	struct blob good;
	unsigned seed = 7;

	(void)state;
	build(&good);
	for (unsigned i = 0; i < 10000; i++) {
		struct blob bad = { 0 };
		struct err err = { 0 };
		struct image *im;

		blob_add(&bad, good.data, i % 8 == 0 ? (size_t)rand_r(&seed) % good.bytes : good.bytes);
		for (unsigned flips = i % 4; flips > 0 && bad.bytes > 0; flips--) {
			size_t at = (size_t)rand_r(&seed) % (i % 3 == 0 ? good.bytes : 600);

			at = i % 3 == 1 ? 4096 + at : at; /* the notes */
			if (at < bad.bytes)
				bad.data[at] = (uint8_t)rand_r(&seed);
		}
		if (image_load(&im, &bad, "bad.ix", &err) == 0) {
			json_decref(image_describe(im));
			image_free(im);
		} else {
			assert_int_equal(err.status, STATUS_DATA);
		}
		err_fini(&err);
	}
	blob_fini(&good);
}

static void test_damaged_program(void **state)
{
	struct elf *e = malloc(sizeof(*e));
	struct blob good, part = { 0 };
	unsigned seed = 11;

	(void)state;
	fixture_program(&good);
	for (unsigned i = 0; i < 10000; i++) {
		struct blob bad = { 0 };
		struct err err = { 0 };

		blob_add(&bad, good.data, good.bytes);
		for (unsigned flips = 1 + i % 4; flips > 0; flips--) {
			size_t at = (size_t)rand_r(&seed) % (i % 2 != 0 ? 176 : good.bytes - 4176);

			bad.data[i % 2 != 0 ? at : 4176 + at] = (uint8_t)rand_r(&seed);
		}
		if (elf_open(e, bad.data, bad.bytes, "app", &err) == 0) {
			(void)elf_check_app(e, "app", &err);
			elf_symbols(e, &part);
		}
		part.bytes = 0;
		blob_fini(&bad);
		err_fini(&err);
	}
	blob_fini(&part);
	blob_fini(&good);
	free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),      cmocka_unit_test(test_symbols),
		cmocka_unit_test(test_version),         cmocka_unit_test(test_budget),
		cmocka_unit_test(test_archive_room),    cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_damaged_program),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
