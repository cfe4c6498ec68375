/* SPDX-License-Identifier: MIT */
/* What of a machine the switch is given, and what setup chose on its way to disk and back. */
#include "hostctl/base/paths.h"
#include "hostctl/host/part.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define HUGE PATHS_ROOT "/sys/kernel/mm/hugepages"

static void test_cores(void **state)
{
	static const struct {
		uint64_t mine, main, pmd;
		bool is_small;
	} cases[] = {
		{ 0x1, 0x1, 0x1, true },          /* one is for everybody */
		{ 0x3, 0x1, 0x2, true },          /* a PMD that sleeps */
		{ 0xf, 0x1, 0x2, true },          /* the same on four */
		{ 0x1f, 0x1, 0x2, false },        /* from five on it polls */
		{ 0xff00, 0x100, 0x200, false },  /* not ours are not touched */
		{ 0xffff, 0x1, 0x6, false },      /* one for each eight */
		{ 0x5555, 0x1, 0x4, false },      /* every other CPU */
		{ UINT64_MAX, 0x1, 0x1e, false }, /* four at most */
		{ 1ull << 63, 1ull << 63, 1ull << 63, true },
	};
	struct cores c;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cores_split(cases[i].mine, &c);
		assert_int_equal(c.main_mask, cases[i].main);
		assert_int_equal(c.pmd_mask, cases[i].pmd);
		assert_int_equal(c.is_small, cases[i].is_small);
		assert_int_equal(c.count, __builtin_popcountll(cases[i].mine));
	}
}

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void make_folders(void)
{
	static const char *const folders[] = { PATHS_ROOT,
					       PATHS_ROOT "/proc",
					       PATHS_ROOT "/sys",
					       PATHS_ROOT "/sys/kernel",
					       PATHS_ROOT "/sys/kernel/mm",
					       HUGE,
					       HUGE "/hugepages-2048kB",
					       HUGE "/hugepages-1048576kB",
					       PATHS_ROOT "/var",
					       PATHS_ROOT "/var/lib",
					       PATHS_STATE };

	for (unsigned i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		mkdir(folders[i], 0755);
}

static void test_memory(void **state)
{
	static const struct {
		const char *small, *large, *total;
		uint64_t page_kib, mib;
	} cases[] = {
		{ "0\n", "0\n", "MemTotal:       32768000 kB\n", 0, 2000 },       /* a sixteenth */
		{ "0\n", "0\n", "MemTotal:        1000000 kB\n", 0, 256 },        /* at least that */
		{ "0\n", "0\n", "MemTotal:     1000000000 kB\n", 0, 8192 },       /* at most that */
		{ "127\n", "0\n", "MemTotal:     32768000 kB\n", 0, 2000 },       /* too few are none */
		{ "128\n", "0\n", "MemTotal:     32768000 kB\n", 2048, 256 },     /* as few as can be */
		{ "2048\n", "0\n", "MemTotal:    32768000 kB\n", 2048, 1024 },    /* a quarter of those that are free */
		{ "512\n", "4\n", "MemTotal:     32768000 kB\n", 1048576, 1024 }, /* of the size that has more */
		{ "512\n", "80\n", "MemTotal:    32768000 kB\n", 1048576, 2048 }, /* at most that */
		{ "x\n", "-\n", "nonsense\n", 0, 256 },
	};
	struct memory m;

	(void)state;
	make_folders();
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		put(HUGE "/hugepages-2048kB/free_hugepages", cases[i].small);
		put(HUGE "/hugepages-1048576kB/free_hugepages", cases[i].large);
		put(PATHS_ROOT "/proc/meminfo", cases[i].total);
		memory_choose(&m);
		assert_int_equal(m.page_kib, cases[i].page_kib);
		assert_int_equal(m.mib, cases[i].mib);
	}
}

/* A guest's memory: all of it, of one size, and not what somebody has been promised. */
static void test_hugepages(void **state)
{
	(void)state;
	make_folders();
	put(HUGE "/hugepages-1048576kB/free_hugepages", "0\n");
	put(HUGE "/hugepages-2048kB/free_hugepages", "100\n");
	assert_int_equal(host_hugepages(200), 2048);
	assert_int_equal(host_hugepages(202), 0);
	assert_int_equal(host_hugepages(199), 0);
	put(HUGE "/hugepages-2048kB/resv_hugepages", "1\n");
	assert_int_equal(host_hugepages(200), 0);
	assert_int_equal(host_hugepages(198), 2048);
	put(HUGE "/hugepages-2048kB/resv_hugepages", "101\n");
	assert_int_equal(host_hugepages(2), 0);
	put(HUGE "/hugepages-2048kB/resv_hugepages", "0\n");
}

static void test_choice_there_and_back(void **state)
{
	struct host h = { { 10, 20, 0, 1 }, 16, true, "libvirt-qemu", 64055, 64056, 12 }, again;
	struct err err = { 0 };

	(void)state;
	make_folders();
	assert_int_equal(host_save(&h, &err), 0);
	assert_int_equal(host_load(&again, &err), 0);
	assert_memory_equal(again.address, h.address, 4);
	assert_int_equal(again.prefix, 16);
	assert_true(again.is_kvm);
	assert_string_equal(again.qemu_user, "libvirt-qemu");
	assert_int_equal(again.qemu_uid, 64055);
	assert_int_equal(again.qemu_gid, 64056);
	assert_int_equal(again.cores, 12);
	/* Of a setup before there was that. */
	put(PATHS_HOST,
	    "{\"address\":\"10.0.0.1/16\",\"kvm\":false,\"qemu_user\":\"a\",\"qemu_uid\":1,\"qemu_gid\":1}");
	assert_int_equal(host_load(&again, &err), 0);
	assert_int_equal(again.cores, 0);
}

static void test_choice_refused(void **state)
{
	static const char *const damaged[] = {
		"",
		"{",
		"[]",
		"{\"address\":\"10.0.0.1/16\"}",
		"{\"address\":\"10.0.0.1\",\"kvm\":false,\"qemu_user\":\"a\",\"qemu_uid\":1,\"qemu_gid\":1}",
		"{\"address\":\"10.0.0.1/16\",\"kvm\":1,\"qemu_user\":\"a\",\"qemu_uid\":1,\"qemu_gid\":1}",
		"{\"address\":\"10.0.0.1/16\",\"kvm\":false,\"qemu_user\":\"a\",\"qemu_uid\":-1,\"qemu_gid\":1}",
		"{\"address\":\"10.0.0.1/"
		"16\",\"kvm\":false,\"qemu_user\":\"a\",\"qemu_uid\":1,\"qemu_gid\":1,\"cores\":4097}",
		"{\"address\":\"10.0.0.1/"
		"16\",\"kvm\":false,\"qemu_user\":\"a\",\"qemu_uid\":1,\"qemu_gid\":4294967296}",
		"{\"address\":\"10.0.0.1/"
		"16\",\"kvm\":false,\"qemu_user\":\"0123456789012345678901234567890123\",\"qemu_uid\":1,\"qemu_gid\":"
		"1}",
	};
	struct host h;

	(void)state;
	make_folders();
	for (unsigned i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
		struct err err = { 0 };

		put(PATHS_HOST, damaged[i]);
		assert_int_equal(host_load(&h, &err), -1);
		assert_int_equal(err.status, STATUS_DATA);
		assert_non_null(strstr(err.text, "ixctl host setup"));
		err_fini(&err);
	}
	unlink(PATHS_HOST);
	{
		struct err err = { 0 };

		assert_int_equal(host_load(&h, &err), -1);
		assert_int_equal(err.status, STATUS_MACHINE);
		err_fini(&err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cores),          cmocka_unit_test(test_memory),
		cmocka_unit_test(test_hugepages),      cmocka_unit_test(test_choice_there_and_back),
		cmocka_unit_test(test_choice_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
