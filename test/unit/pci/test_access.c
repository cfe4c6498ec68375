/* SPDX-License-Identifier: MIT */
/* Memory-mapped configuration space: the address arithmetic, and that nothing outside the window is touched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "kernel/pci/access.h"
#include "kernel/pci/pci.h"
#include "test/fake/mem.h"

#define ECAM_PA 0xb0000000ull
#define BUSES 2u

static uint8_t *ecam; /* lives as long as the process: a bus once mapped stays mapped */

static int setup(void **state)
{
	(void)state;
	fake_mem_reset(SIZE_MAX);
	if (!ecam)
		ecam = malloc(BUSES << 20); /* exactly as large as the window, so that ASan sees a step beyond it */
	memset(ecam, 0, BUSES << 20);
	fake_mem_device(ECAM_PA, (uint64_t)BUSES << 20, ecam);
	return access_init(ECAM_PA, BUSES - 1) == BUSES - 1 ? 0 : -1;
}

static void test_addresses(void **state)
{
	struct pci_dev d = { .bus = 1, .dev = 31, .fn = 7 };
	uint32_t at = 1u << 20 | 31u << 15 | 7u << 12;

	(void)state;
	memcpy(ecam + at + 0x40, "\x11\x22\x33\x44", 4);
	assert_int_equal(pci_read32(&d, 0x40), 0x44332211);
	assert_int_equal(pci_read16(&d, 0x40), 0x2211);
	assert_int_equal(pci_read16(&d, 0x42), 0x4433);
	assert_int_equal(pci_read8(&d, 0x43), 0x44);
	pci_write16(&d, 0x42, 0xaabb);
	assert_memory_equal(ecam + at + 0x40, "\x11\x22\xbb\xaa", 4);
	pci_write32(&d, 0xffc, 0x01020304);
	assert_memory_equal(ecam + at + 0xffc, "\x04\x03\x02\x01", 4);
}

static void test_outside(void **state)
{
	struct pci_dev beyond = { .bus = BUSES }, wild = { .bus = 1, .dev = 255, .fn = 255 };

	(void)state;
	assert_int_equal(pci_read32(&beyond, 0), UINT32_MAX);
	pci_write32(&beyond, 0, 0);
	pci_write16(&beyond, 0, 0);
	assert_int_equal(pci_read32(&wild, 0x1000), UINT32_MAX);
	assert_int_equal(pci_read32(&wild, 0xffc), 0); /* numbers are masked into the window */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_addresses, setup),
		cmocka_unit_test_setup(test_outside, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
