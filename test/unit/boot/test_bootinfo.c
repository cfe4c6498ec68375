/* SPDX-License-Identifier: MIT */
/*
 * PVH start info, good and hostile, in a piece of this process's memory at the low addresses where the
 * loader would put it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>
#include "boot/boot.h"
#include "kernel/base/err.h"
#include "kernel/mem/layout.h"

#define LOW_PA 0x10000u
#define LOW_END 0x1000000u /* where the boot page tables end */
#define INFO_PA 0x110000u
#define MAP_PA 0x120000u
#define CMDLINE_PA 0x130000u
#define ROUNDS 100000u

/* What the assembly and the link script would give. */
uint8_t kernel_end[1];
const uint8_t boot_ap_code[4] = { 1, 2, 3, 4 }, boot_ap_code_end[1];
const struct ix_image boot_image_note = { .magic = IX_IMAGE_MAGIC };

struct entry {
	uint64_t pa, bytes;
	uint32_t type, reserved;
};

static struct boot_info info;
static struct entry random_map[128];

static uint8_t *at(uint32_t pa)
{
	return (uint8_t *)(uintptr_t)pa;
}

static void put(uint32_t pa, uint64_t v, size_t bytes)
{
	memcpy(at(pa), &v, bytes);
}

static void build(const struct entry *map, uint32_t count, const char *cmdline)
{
	memset(at(INFO_PA), 0, 0x30000);
	put(INFO_PA, 0x336ec578, 4);
	put(INFO_PA + 4, 1, 4);
	put(INFO_PA + 24, CMDLINE_PA, 8);
	put(INFO_PA + 32, 0xf5a40, 8);
	put(INFO_PA + 40, MAP_PA, 8);
	put(INFO_PA + 48, count, 4);
	memcpy(at(MAP_PA), map, count * sizeof(*map));
	memcpy(at(CMDLINE_PA), cmdline, strlen(cmdline) + 1);
}

static const struct entry two[] = { { 0x100000000, 0x40000000, 1, 0 },
				    { 0xfffc0000, 0x40000, 2, 0 },
				    { 0, 0x9fc00, 1, 0 },
				    { 0x100000, 0x7fe00000, 1, 0 } };

static void test_good(void **state)
{
	const char *error = "";

	(void)state;
	build(two, 4, "net.mtu=1400 -- one two");
	assert_int_equal(boot_info_read(INFO_PA, &info, &error), 0);
	assert_null(error);
	assert_int_equal(info.ram_count, 3); /* sorted, whole pages */
	assert_int_equal(info.ram[0].pa, 0);
	assert_int_equal(info.ram[0].bytes, 0x9f000);
	assert_int_equal(info.ram[1].pa, 0x100000);
	assert_int_equal(info.ram[2].pa, 0x100000000);
	assert_int_equal(info.rsdp_pa, 0xf5a40);
	assert_string_equal(info.cmdline, "net.mtu=1400 -- one two");
	assert_int_equal(info.kernel_end_pa % HUGE_BYTES, 0);
}

static void refused(pa_t start_info)
{
	const char *error = NULL;

	assert_int_equal(boot_info_read(start_info, &info, &error), KERR_INVALID);
	assert_non_null(error);
}

static void test_pointers(void **state)
{
	static const uint64_t wrong[] = { 0, LOW_END, LOW_END - 23, 1ull << 32, UINT64_MAX, UINT64_MAX - 55 };
	const char *error;

	(void)state;
	build(two, 4, "");
	for (unsigned i = 0; i < ARRAY_COUNT(wrong); i++)
		refused(wrong[i]);
	for (unsigned i = 0; i < ARRAY_COUNT(wrong); i++) {
		build(two, 4, "");
		put(INFO_PA + 40, wrong[i], 8);
		refused(INFO_PA);
	}
	/* A command line that cannot be read is no command line. */
	build(two, 4, "");
	put(INFO_PA + 24, 1ull << 40, 8);
	assert_int_equal(boot_info_read(INFO_PA, &info, &error), 0);
	assert_string_equal(info.cmdline, "");
}

static void test_fields(void **state)
{
	(void)state;
	build(two, 4, "");
	put(INFO_PA, 0x336ec579, 4);
	refused(INFO_PA);
	build(two, 4, "");
	put(INFO_PA + 4, 0, 4); /* version 0 has no memory map */
	refused(INFO_PA);
	build(two, 4, "");
	put(INFO_PA + 48, 0, 4);
	refused(INFO_PA);
	put(INFO_PA + 48, 129, 4);
	refused(INFO_PA);
	put(INFO_PA + 48, UINT32_MAX, 4);
	refused(INFO_PA);
}

static void test_cmdline(void **state)
{
	const char *error;

	(void)state;
	build(two, 4, "");
	memset(at(CMDLINE_PA), 'x', BOOT_CMDLINE_BYTES - 1);
	at(CMDLINE_PA)[BOOT_CMDLINE_BYTES - 1] = 0;
	assert_int_equal(boot_info_read(INFO_PA, &info, &error), 0);
	assert_int_equal(strlen(info.cmdline), BOOT_CMDLINE_BYTES - 1);
	at(CMDLINE_PA)[BOOT_CMDLINE_BYTES - 1] = 'x';
	refused(INFO_PA);
	/* It touches the end of what can be read, without a NUL. */
	put(INFO_PA + 24, LOW_END - 3, 8);
	memcpy(at(LOW_END - 3), "end", 3);
	assert_int_equal(boot_info_read(INFO_PA, &info, &error), 0);
	assert_string_equal(info.cmdline, "end");
}

/* The same RAM named twice would be handed out twice. */
static void test_overlap(void **state)
{
	static const struct entry map[] = { { 0x100000, 0x100000, 1, 0 },
					    { 0x180000, 0x100000, 1, 0 },
					    { 0x100000, 0x1000, 1, 0 },
					    { 0xff000, 0x400000, 1, 0 },
					    { 0x100000, 0x100000, 1, 0 } };
	const char *error;
	uint64_t bytes = 0;

	(void)state;
	build(map, 5, "");
	assert_int_equal(boot_info_read(INFO_PA, &info, &error), 0);
	for (unsigned i = 0; i < info.ram_count; i++) {
		bytes += info.ram[i].bytes;
		if (i)
			assert_true(info.ram[i - 1].pa + info.ram[i - 1].bytes <= info.ram[i].pa);
	}
	assert_int_equal(bytes, 0x400000);
}

static void test_random_maps(void **state)
{
	struct entry *map = random_map;
	const char *error;

	(void)state;
	srand(4);
	for (unsigned round = 0; round < ROUNDS / 10; round++) {
		uint32_t count = 1 + (uint32_t)rand() % 128;

		for (unsigned i = 0; i < count; i++) {
			map[i].pa = rand() % 3 ? (uint64_t)rand() << (rand() % 33) : UINT64_MAX - (uint64_t)rand();
			map[i].bytes = rand() % 3 ? (uint64_t)rand() << (rand() % 33) : UINT64_MAX - (uint64_t)rand();
			map[i].type = (uint32_t)rand() % 3;
			map[i].reserved = 0;
		}
		build(map, count, "");
		assert_int_equal(boot_info_read(INFO_PA, &info, &error), 0);
		assert_in_range(info.ram_count, 0, BOOT_RANGES_MAX);
		for (unsigned i = 0; i < info.ram_count; i++) {
			const struct boot_range *r = &info.ram[i];

			assert_true(r->bytes && r->pa % PAGE_BYTES == 0 && r->bytes % PAGE_BYTES == 0);
			assert_true(r->pa + r->bytes > r->pa);
			if (i)
				assert_true(r[-1].pa + r[-1].bytes <= r->pa);
		}
	}
}

static void test_damaged(void **state)
{
	const char *error;

	(void)state;
	srand(5);
	for (unsigned round = 0; round < ROUNDS; round++) {
		build(two, 4, "quiet");
		for (int n = rand() % 5; n >= 0; n--)
			at(rand() % 2 ? INFO_PA : MAP_PA)[rand() % 96] = (uint8_t)rand();
		/* The host lets nobody have the lowest 64 KiB. */
		at(INFO_PA)[26] |= 1;
		at(INFO_PA)[42] |= 1;
		if (boot_info_read(INFO_PA, &info, &error) != 0)
			assert_non_null(error);
	}
}

static int map_low(void **state)
{
	void *p = mmap(at(LOW_PA), LOW_END - LOW_PA, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	(void)state;
	return p == (void *)at(LOW_PA) ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),    cmocka_unit_test(test_pointers), cmocka_unit_test(test_fields),
		cmocka_unit_test(test_cmdline), cmocka_unit_test(test_overlap),  cmocka_unit_test(test_random_maps),
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, map_low, NULL);
}
