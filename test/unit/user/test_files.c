/* SPDX-License-Identifier: MIT */
/*
 * The files of ring 3: what is laid out of an archive and of the host's directory, and what is refused of archives that are
 * damaged and directories that mean harm. Each archive lies in memory of exactly its size, so that a read beyond it is seen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "kernel/abi/files.h"
#include "kernel/base/err.h"
#include "kernel/base/log.h"
#include "kernel/cpu/start.h"
#include "kernel/mem/map.h"
#include "kernel/mem/mem.h"
#include "kernel/user/user.h"
#include "test/fake/mem.h"

#define ROUNDS 100000u
#define ROOM (256u << 20)
#define DIRECTORY_MAX 2000u

/* ---- the machine ---- */
struct user_partition user_partition;
static struct ix_info info;
static char said[256];

/* What QEMU's directory says; contents are the file's number, repeated. */
static struct fwcfg_entry directory[DIRECTORY_MAX];
static uint32_t directory_count, loads;
static void (*on_load)(void); /* what the host does meanwhile */

void *map_info_page(void)
{
	return &info;
}

void log_line(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(said, sizeof(said), fmt, args);
	va_end(args);
}

bool fwcfg_entry(uint32_t index, struct fwcfg_entry *out)
{
	if (index >= directory_count)
		return false;
	*out = directory[index];
	return true;
}

void fwcfg_load(const struct fwcfg_entry *entry, void *out)
{
	memset(out, entry->select, entry->bytes);
	loads++;
	if (on_load)
		on_load();
}

static void offer(const char *name, uint32_t bytes)
{
	struct fwcfg_entry *e = &directory[directory_count];

	memset(e->name, 0, sizeof(e->name));
	(void)snprintf(e->name, sizeof(e->name), "%s", name);
	e->bytes = bytes;
	e->select = (uint16_t)++directory_count;
}

/* ---- archives ---- */
static uint8_t archive[8192];
static size_t archive_bytes;

static void add_entry(const char *name, const void *data, size_t bytes)
{
	char head[128];

	(void)snprintf(head, sizeof(head), "070701%08X%08X%08X%08X%08X%08X%08zX%08X%08X%08X%08X%08zX%08X", 1u, 0100444u,
		       0u, 0u, 1u, 0u, bytes, 0u, 0u, 0u, 0u, strlen(name) + 1, 0u);
	memcpy(archive + archive_bytes, head, 110);
	memcpy(archive + archive_bytes + 110, name, strlen(name) + 1);
	archive_bytes = (archive_bytes + 110 + strlen(name) + 1 + 3) / 4 * 4;
	memcpy(archive + archive_bytes, data, bytes);
	archive_bytes = (archive_bytes + bytes + 3) / 4 * 4;
}

static void good_archive(void)
{
	memset(archive, 0, sizeof(archive));
	archive_bytes = 0;
	add_entry("etc/motd", "hello", 5);
	add_entry("empty", "", 0);
	add_entry("TRAILER!!!", "", 0);
}

static int setup(void **state)
{
	(void)state;
	fake_mem_reset(ROOM);
	memset(&user_partition, 0, sizeof(user_partition));
	memset(&info, 0, sizeof(info));
	directory_count = loads = 0;
	on_load = NULL;
	said[0] = '\0';
	good_archive();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_mem_reset(0);
	return 0;
}

/* With exactly the first @bytes of the archive, of which nothing is kept. */
static int init(size_t bytes)
{
	uint8_t *copy = malloc(bytes ? bytes : 1);
	int err;

	assert_non_null(copy);
	memcpy(copy, archive, bytes);
	err = user_files_init(copy, bytes);
	free(copy);
	return err;
}

/* All that ring 3 could follow lies inside. */
static void check_table(void)
{
	const struct ix_file *f = (const struct ix_file *)user_partition.files;

	for (uint32_t i = 0; i < info.files; i++) {
		const char *path = (const char *)user_partition.files + f[i].path;

		assert_true(f[i].at % PAGE_BYTES == 0 && f[i].at <= user_partition.files_bytes);
		assert_true(f[i].bytes <= user_partition.files_bytes - f[i].at);
		assert_true(f[i].path >= info.files * sizeof(*f) && f[i].path < user_partition.files_bytes);
		assert_non_null(memchr(path, 0, user_partition.files_bytes - f[i].path));
		assert_true(strlen(path) < IX_FILE_PATH_BYTES);
		assert_int_equal(path[0], '/');
	}
}

static const struct ix_file *find(const char *path)
{
	const struct ix_file *f = (const struct ix_file *)user_partition.files;

	for (uint32_t i = 0; i < info.files; i++)
		if (strcmp((const char *)user_partition.files + f[i].path, path) == 0)
			return &f[i];
	return NULL;
}

static void refused(const char *why)
{
	assert_int_equal(info.files, 0);
	assert_null(user_partition.files);
	if (!strstr(said, why))
		fail_msg("it said '%s', expected '%s'", said, why);
}

/* ---- tests ---- */
static void test_both(void **state)
{
	const struct ix_file *f;

	(void)state;
	offer("etc/table-loader", 4096);
	offer("opt/ix/file/list", 5000);
	offer("opt/ix/seed", 32);
	offer("opt/ix/secret/key", 3);
	assert_int_equal(init(archive_bytes), 0);
	assert_int_equal(info.files, 4);
	assert_int_equal(loads, 2);
	check_table();
	assert_int_equal(fake_mapping.va, IX_FILES_VA);
	assert_int_equal(fake_mapping.rights, MAP_USER);
	assert_int_equal(fake_mapping.bytes, user_partition.files_bytes);
	assert_int_equal(user_partition.files_bytes, PAGE_BYTES * (1 + 2 + 1 + 1));
	f = find("/files/list");
	assert_true(f && f->bytes == 5000 && !f->is_secret);
	assert_int_equal(user_partition.files[f->at + 4999], 2);
	assert_int_equal(user_partition.files[f->at + 5000], 0);
	f = find("/secrets/key");
	assert_true(f && f->bytes == 3 && f->is_secret);
	f = find("/etc/motd");
	assert_true(f && f->bytes == 5 && memcmp(user_partition.files + f->at, "hello", 6) == 0);
	assert_true(find("/empty") && find("/empty")->bytes == 0);
}

static void test_none(void **state)
{
	(void)state;
	offer("opt/ix/seed", 32);
	assert_int_equal(user_files_init(NULL, 0), 0);
	refused("");
	assert_int_equal(fake_mapping.count, 0);
}

/* Names that are none of ours, too long to be a path, or nothing behind the folder. */
static void test_names(void **state)
{
	static const char *const names[] = { "",
					     "opt",
					     "opt/ix/file",
					     "opt/ix/file/",
					     "opt/ix/secret/",
					     "opt/ix/files/x",
					     "OPT/IX/FILE/x",
					     "opt/ix/secretx/" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		offer(names[i], 7);
	offer("opt/ix/file/../secrets/x", 7);
	memset(directory[directory_count].name, 'a', sizeof(directory[0].name) - 1); /* all of it, behind the folder */
	memcpy(directory[directory_count].name, "opt/ix/file/", 12);
	directory[directory_count].name[sizeof(directory[0].name) - 1] = '\0';
	directory[directory_count++].bytes = 1;
	assert_int_equal(user_files_init(NULL, 0), 0);
	assert_int_equal(info.files, 2); /* a path is only compared: dots lead nowhere */
	check_table();
	assert_non_null(find("/files/../secrets/x"));
}

static void test_too_many(void **state)
{
	char name[40];

	(void)state;
	for (unsigned i = 0; i <= IX_FILES_MAX; i++) {
		(void)snprintf(name, sizeof(name), "opt/ix/file/%u", i);
		offer(name, 0);
	}
	assert_int_equal(user_files_init(NULL, 0), KERR_INVALID);
	refused("too many");
	directory_count = IX_FILES_MAX;
	assert_int_equal(user_files_init(NULL, 0), 0);
	assert_int_equal(info.files, IX_FILES_MAX);
	check_table();
}

/* A directory without end is looked through to a limit. */
static void test_endless(void **state)
{
	(void)state;
	for (unsigned i = 0; i < DIRECTORY_MAX; i++)
		offer(i == 1500 ? "opt/ix/file/late" : "etc/x", UINT32_MAX);
	assert_int_equal(init(archive_bytes), 0);
	assert_int_equal(info.files, 2);
	assert_null(find("/files/late"));
}

static void test_too_large(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++)
		offer("opt/ix/file/big", UINT32_MAX);
	assert_int_equal(init(archive_bytes), KERR_NO_MEMORY);
	refused("no memory for 102 files: they want 409601 MiB");
	assert_int_equal(loads, 0);
}

static void one_more(void)
{
	offer("opt/ix/file/late", 1);
	on_load = NULL;
}

static void one_longer(void)
{
	directory[1].bytes = 3 * PAGE_BYTES;
	on_load = NULL;
}

static void longer_name(void)
{
	memset(directory[1].name + 12, 'n', 40);
	directory[1].name[52] = '\0';
	on_load = NULL;
}

static void one_less(void)
{
	directory_count = 1;
	on_load = NULL;
}

/* A host that gives other answers the second time: nothing is written outside, and nothing half-way is shown. */
static void test_changed_meanwhile(void **state)
{
	static void (*const change[])(void) = { one_more, one_longer, one_less };

	for (size_t i = 0; i < sizeof(change) / sizeof(change[0]); i++) {
		setup(state);
		offer("opt/ix/file/a", 1);
		offer("opt/ix/file/b", 1);
		on_load = change[i];
		assert_int_equal(user_files_init(NULL, 0), KERR_INVALID);
		refused("changed while");
	}
	/* Longer names, where they still fit, are as good as others; where they do not they are refused. */
	setup(state);
	for (unsigned i = 0; i < 250; i++)
		offer("opt/ix/file/b", 0);
	on_load = longer_name;
	(void)user_files_init(NULL, 0);
	check_table();
}

static void test_damaged(void **state)
{
	static const struct {
		size_t at;
		const char *text, *why;
	} cases[] = {
		{ 0, "070702", "damaged" },    { 54, "0000000G", "damaged" }, { 54, "FFFFFFFF", "damaged" },
		{ 94, "00000000", "damaged" }, { 94, "FFFFFFFF", "damaged" }, { 94, "00000008", "damaged" },
		{ 54, "abcdef00", "damaged" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		setup(state);
		memcpy(archive + cases[i].at, cases[i].text, strlen(cases[i].text));
		assert_int_equal(init(archive_bytes), KERR_INVALID);
		refused(cases[i].why);
	}
	for (size_t bytes = 0; bytes < archive_bytes; bytes++) { /* cut short: its last entry is missing */
		setup(state);
		if (init(bytes) == 0)
			fail_msg("%zu of %zu bytes were taken", bytes, archive_bytes);
	}
}

static void test_long_path(void **state)
{
	char name[IX_FILE_PATH_BYTES + 1];

	(void)state;
	memset(name, 'p', sizeof(name));
	name[IX_FILE_PATH_BYTES - 1] = '\0'; /* with the slash before it one too many */
	archive_bytes = 0;
	add_entry(name, "", 0);
	add_entry("TRAILER!!!", "", 0);
	assert_int_equal(init(archive_bytes), KERR_INVALID);
	refused("too long");
	name[IX_FILE_PATH_BYTES - 2] = '\0';
	archive_bytes = 0;
	add_entry(name, "", 0);
	add_entry("TRAILER!!!", "", 0);
	assert_int_equal(init(archive_bytes), 0);
	check_table();
}

/* Whatever is in it: what comes out is within its limits. */
static void test_random(void **state)
{
	unsigned taken = 0;

	srand(11);
	for (unsigned i = 0; i < ROUNDS; i++) {
		setup(state);
		if (i % 4 == 0)
			offer("opt/ix/file/x", (uint32_t)rand() % 9000);
		for (unsigned k = 1 + (unsigned)rand() % 3; k > 0; k--)
			archive[(size_t)rand() % archive_bytes] = rand() % 3 ? "0123456789ABCDEF"[rand() % 16]
									     : (uint8_t)rand();
		if (init((size_t)rand() % 8 ? archive_bytes : (size_t)rand() % (archive_bytes + 1)) == 0)
			taken++;
		check_table();
	}
	assert_true(taken > ROUNDS / 10 && taken < ROUNDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_both, setup, teardown),
		cmocka_unit_test_setup_teardown(test_none, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_endless, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_large, setup, teardown),
		cmocka_unit_test_setup_teardown(test_changed_meanwhile, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_path, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
