/* SPDX-License-Identifier: MIT */
/* The host's half of the control page, against a guest that is honest, slow, wrong or hostile. */
#include "hostctl/page/page.h"
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define MEMORY_BYTES (64ull << 20)

/* The guest's view of the same memory. */
static struct {
	uint8_t *memory;
	int fd;
	struct page *page;
} w;

static void *area(size_t at)
{
	return w.memory + at;
}

static int setup(void **state)
{
	struct err err = { 0 };

	(void)state;
	w.fd = memfd_create("page", MFD_CLOEXEC);
	w.page = page_fresh(dup(w.fd), &err);
	assert_non_null(w.page);
	w.memory = mmap(NULL, IX_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, w.fd, 0);
	assert_ptr_not_equal(w.memory, MAP_FAILED);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	page_close(w.page);
	munmap(w.memory, IX_PAGE_BYTES);
	close(w.fd);
	return 0;
}

static struct ix_page_guest *honest_guest(void)
{
	struct ix_page_guest *g = area(IX_PAGE_AT_GUEST);
	const struct ix_page_head *head = area(IX_PAGE_AT_HEAD);

	*g = (struct ix_page_guest){ .sequence = 2,
				     .state = IX_PAGE_READY,
				     .beat = 5,
				     .up_us = 1000,
				     .tsc_khz = 3000000,
				     .cores = 2,
				     .cores_min = 1,
				     .cores_max = 4,
				     .cores_present = 3,
				     .cores_wanted = 4,
				     .groups = 128,
				     .queue_pairs = 1,
				     .restarts = 1 };
	memcpy(g->id, head->id, sizeof(g->id));
	return g;
}

static void test_honest(void **state)
{
	struct ix_page_guest out, *g = area(IX_PAGE_AT_GUEST);

	(void)state;
	assert_int_equal(page_guest(w.page, &out), PAGE_SILENT);
	honest_guest();
	assert_int_equal(page_guest(w.page, &out), PAGE_GOOD);
	assert_int_equal(out.cores, 2);
	assert_string_equal(page_why(w.page), "");
	g->id[3] ^= 1; /* an earlier start's */
	assert_int_equal(page_guest(w.page, &out), PAGE_SILENT);
	assert_int_equal(page_bad_count(w.page), 0);
}

static void test_torn(void **state)
{
	struct ix_page_guest out, *g = honest_guest();

	(void)state;
	g->sequence = 3; /* never ends to write */
	assert_int_equal(page_guest(w.page, &out), PAGE_TORN);
	g->sequence = 4;
	assert_int_equal(page_guest(w.page, &out), PAGE_GOOD);
}

static void test_limits_of_guest(void **state)
{
	static const struct {
		size_t at;
		uint32_t value;
	} bad[] = {
		{ offsetof(struct ix_page_guest, state), IX_PAGE_STATE_NR },
		{ offsetof(struct ix_page_guest, cores), 4 },
		{ offsetof(struct ix_page_guest, cores_present), IX_PAGE_CORES_MAX + 1 },
		{ offsetof(struct ix_page_guest, cores_wanted), 5 },
		{ offsetof(struct ix_page_guest, cores_max), IX_PAGE_CORES_MAX + 1 },
		{ offsetof(struct ix_page_guest, cores_min), 5 },
		{ offsetof(struct ix_page_guest, groups), IX_PAGE_GROUPS_MAX + 1 },
		{ offsetof(struct ix_page_guest, queue_pairs), 257 },
		{ offsetof(struct ix_page_guest, exit_how), 256 },
		{ offsetof(struct ix_page_guest, beat), 4 },
		{ offsetof(struct ix_page_guest, up_us), 999 },
		{ offsetof(struct ix_page_guest, restarts), 0 },
		{ offsetof(struct ix_page_guest, connections_max), 1u << 29 },
	};
	struct ix_page_guest out;

	(void)state;
	honest_guest();
	assert_int_equal(page_guest(w.page, &out), PAGE_GOOD);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		honest_guest();
		memcpy(w.memory + IX_PAGE_AT_GUEST + bad[i].at, &bad[i].value, sizeof(bad[i].value));
		assert_int_equal(page_guest(w.page, &out), PAGE_BAD);
		assert_true(*page_why(w.page) != '\0');
		assert_int_equal(page_bad_count(w.page), i + 1);
	}
	honest_guest();
	assert_int_equal(page_guest(w.page, &out), PAGE_GOOD);
}

/* Each counter may stand still or grow; each gauge may do what it likes inside its limits. */
static void test_counters_grow(void **state)
{
	struct ix_page_core *c = area(IX_PAGE_AT_CORES + 3 * IX_PAGE_CORE_STRIDE), *out = calloc(1, sizeof(*out));

	(void)state;
	assert_non_null(out);
	assert_int_equal(page_core(w.page, 3, out), PAGE_SILENT);
	c->sequence = 2;
	c->state = IX_PAGE_CORE_RUNS;
	for (unsigned i = 0; i < IX_VALUE_NR; i++)
		c->value[i] = 100;
	for (unsigned i = 0; i < IX_VALUE_NR; i++) {
		c->value[i] = 100;
		assert_int_equal(page_core(w.page, 3, out), PAGE_GOOD);
		c->value[i] = 99;
		assert_int_equal(page_core(w.page, 3, out), page_values[i].is_counter ? PAGE_BAD : PAGE_GOOD);
		c->value[i] = 100;
	}
	c->value[IX_VALUE_IDLE_FAST] = 1000001;
	assert_int_equal(page_core(w.page, 3, out), PAGE_BAD);
	c->value[IX_VALUE_IDLE_FAST] = 1000000;
	assert_int_equal(page_core(w.page, 3, out), PAGE_GOOD);
	c->state = IX_PAGE_CORE_STATE_NR;
	assert_int_equal(page_core(w.page, 3, out), PAGE_BAD);
	assert_int_equal(page_core(w.page, IX_PAGE_CORES_MAX, out), PAGE_BAD);
	free(out);
}

static void test_groups(void **state)
{
	struct ix_page_groups out, *g = area(IX_PAGE_AT_GROUPS);

	(void)state;
	*g = (struct ix_page_groups){ .sequence = 2, .count = 2, .owner = { 0, 63 } };
	assert_int_equal(page_groups(w.page, &out), PAGE_GOOD);
	g->owner[1] = 64;
	assert_int_equal(page_groups(w.page, &out), PAGE_BAD);
	g->owner[1] = 0;
	g->count = IX_PAGE_GROUPS_MAX + 1;
	assert_int_equal(page_groups(w.page, &out), PAGE_BAD);
}

static void test_resize(void **state)
{
	static struct ix_page_resize out;
	struct ix_page_resize *r = area(IX_PAGE_AT_RESIZE);

	(void)state;
	assert_int_equal(page_resize(w.page, &out), PAGE_SILENT);
	r->sequence = 2;
	r->came = 1;
	r->refused_why = IX_PAGE_REFUSED_BUSY;
	r->core[1].started_us = 7;
	assert_int_equal(page_resize(w.page, &out), PAGE_GOOD);
	assert_int_equal(out.core[1].started_us, 7);
	r->came = 0;
	assert_int_equal(page_resize(w.page, &out), PAGE_BAD);
	r->came = 2;
	r->refused_why = IX_PAGE_REFUSED_NR;
	assert_int_equal(page_resize(w.page, &out), PAGE_BAD);
	r->refused_why = IX_PAGE_REFUSED_MANY;
	r->refused_core = IX_PAGE_CORES_MAX;
	assert_int_equal(page_resize(w.page, &out), PAGE_BAD);
	r->refused_core = IX_PAGE_CORES_MAX - 1;
	r->forced = 3;
	assert_int_equal(page_resize(w.page, &out), PAGE_GOOD);
	r->forced = 2;
	assert_int_equal(page_resize(w.page, &out), PAGE_BAD);
}

static void test_commands(void **state)
{
	const struct ix_page_command *c = area(IX_PAGE_AT_COMMAND);
	const uint64_t arg[4] = { 7, 1, 0, 0 };
	struct ix_page_answer out, *a = area(IX_PAGE_AT_ANSWER);
	struct err err = { 0 };
	struct page *second;
	uint32_t sequence = page_command(w.page, IX_PAGE_MOVE_GROUP, arg);

	(void)state;
	assert_int_equal(sequence, 1);
	assert_int_equal(c->sequence, 1);
	assert_int_equal(c->op, IX_PAGE_MOVE_GROUP);
	assert_int_equal(c->arg[0], 7);
	assert_int_equal(page_command(w.page, IX_PAGE_PING, arg), 0); /* one at a time */
	assert_int_equal(page_answer(w.page, sequence, &out), PAGE_SILENT);
	*a = (struct ix_page_answer){ .sequence = 1, .status = 0, .value = { 12 } };
	assert_int_equal(page_answer(w.page, sequence, &out), PAGE_GOOD);
	assert_int_equal(out.value[0], 12);
	assert_int_equal(page_command(w.page, IX_PAGE_PING, arg), 2);
	assert_int_equal(page_answer(w.page, 2, &out), PAGE_SILENT); /* that is the first one's */
	page_abandon(w.page);
	/* Whoever comes after us goes on counting. */
	second = page_adopt(dup(w.fd), &err);
	assert_non_null(second);
	assert_int_equal(page_command(second, IX_PAGE_PING, arg), 3);
	page_close(second);
}

/* CRC-32C as published: 32 bytes of zeroes give 8a9136aa [RFC 3720 B.4]; here over a known command. */
static void test_sum_of_a_command(void **state)
{
	const struct ix_page_command *c = area(IX_PAGE_AT_COMMAND);
	const uint64_t none[4] = { 0 };
	uint32_t crc = UINT32_MAX;

	(void)state;
	page_command(w.page, IX_PAGE_PING, none);
	for (size_t i = 0; i < offsetof(struct ix_page_command, crc); i++) {
		crc ^= ((const uint8_t *)c)[i];
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
	}
	assert_int_equal(c->crc, ~crc);
}

static void test_crash(void **state)
{
	struct ix_page_crash *c = area(IX_PAGE_AT_CRASH), *out = calloc(1, sizeof(*out));

	(void)state;
	assert_non_null(out);
	c->sequence = 2;
	assert_int_equal(page_crash(w.page, MEMORY_BYTES, out), PAGE_SILENT); /* no fault so far */
	c->count = 1;
	c->how = IX_EXIT_FAULT;
	c->range_count = 2;
	c->range[0] = (struct ix_page_range){ .va = 0x400000, .pa = 0x200000, .bytes = 0x2000, .flags = 5 };
	c->range[1] = (struct ix_page_range){ .va = 0x402000, .pa = 0x600000, .bytes = 0x1000, .flags = 6 };
	assert_int_equal(page_crash(w.page, MEMORY_BYTES, out), PAGE_GOOD);
	c->range[1].va = 0x401000;
	assert_int_equal(page_crash(w.page, MEMORY_BYTES, out), PAGE_BAD); /* overlap */
	c->range[1].va = 0x7ffffffff000ull;
	assert_int_equal(page_crash(w.page, MEMORY_BYTES, out), PAGE_GOOD);
	c->range[1].va = 0xffff800000000000ull;
	assert_int_equal(page_crash(w.page, MEMORY_BYTES, out), PAGE_BAD); /* ring 0's */
	c->range[1].va = 0x500000;
	c->range[1].pa = MEMORY_BYTES;
	assert_int_equal(page_crash(w.page, MEMORY_BYTES, out), PAGE_BAD); /* no such memory */
	c->range[1].pa = 0xfffffffffffff000ull;
	assert_int_equal(page_crash(w.page, MEMORY_BYTES, out), PAGE_BAD);
	c->range[1].pa = 0x600001;
	assert_int_equal(page_crash(w.page, MEMORY_BYTES, out), PAGE_BAD);
	c->range_count = IX_PAGE_CRASH_RANGES + 1;
	assert_int_equal(page_crash(w.page, MEMORY_BYTES, out), PAGE_BAD);
	c->range_count = 1;
	c->text_bytes = IX_PAGE_CRASH_TEXT + 1;
	assert_int_equal(page_crash(w.page, MEMORY_BYTES, out), PAGE_BAD);
	free(out);
}

/* Whoever holds the other end of the file may cut it short; that is an answer, not our end. */
static void test_cut_short(void **state)
{
	struct ix_page_guest out;
	struct err err = { 0 };

	(void)state;
	honest_guest();
	assert_int_equal(ftruncate(w.fd, 0x1800), 0);
	assert_int_equal(page_guest(w.page, &out), PAGE_BAD);
	assert_null(page_adopt(dup(w.fd), &err));
	assert_non_null(strstr(err.text, "not a control page"));
	err_fini(&err);
	assert_int_equal(ftruncate(w.fd, IX_PAGE_BYTES), 0);
	assert_int_equal(page_guest(w.page, &out), PAGE_SILENT);
}

/* As files of /dev/shm: whose they are, and who may not have written them. */
static void test_files(void **state)
{
	char name[32], path[64];
	struct err err = { 0 };
	struct page *page;
	struct stat st;

	(void)state;
	snprintf(name, sizeof(name), "t%d", (int)getpid());
	snprintf(path, sizeof(path), "/dev/shm/ix-%s", name);
	assert_null(page_open(name, &err));
	err_fini(&err);
	page = page_create(name, getuid(), getgid(), &err);
	assert_non_null(page);
	page_close(page);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	page = page_open(name, &err);
	assert_non_null(page);
	page_close(page);
	assert_int_equal(chmod(path, 0622), 0);
	assert_null(page_open(name, &err));
	err_fini(&err);
	unlink(path);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_null(page_open(name, &err));
	err_fini(&err);
	page = page_create(name, getuid(), getgid(), &err); /* in place of whatever lies there */
	assert_non_null(page);
	page_close(page);
	unlink(path);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_honest), TEST(test_torn),      TEST(test_limits_of_guest), TEST(test_counters_grow),
		TEST(test_groups), TEST(test_resize),    TEST(test_commands),        TEST(test_sum_of_a_command),
		TEST(test_crash),  TEST(test_cut_short), TEST(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
