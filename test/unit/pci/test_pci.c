/* SPDX-License-Identifier: MIT */
/* Walking buses and capabilities, reading and giving out BARs, MSI-X; with devices that lie about all of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "kernel/base/err.h"
#include "kernel/pci/pci_hw.h"
#include "test/fake/mem.h"
#include "test/fake/pci_space.h"

static const uint16_t ids[] = { 0x1041, 0x1000 };
static uint32_t table[64];

static int setup(void **state)
{
	(void)state;
	fake_pci_reset();
	fake_mem_reset(SIZE_MAX);
	memset(table, 0, sizeof(table));
	return 0;
}

static struct fake_function *add_nic(uint8_t bus, uint8_t dev)
{
	return fake_pci_add(bus, dev, 0, 0x1af4, 0x1041, 0);
}

static struct fake_function *add_bridge(uint8_t bus, uint8_t dev, uint8_t below)
{
	struct fake_function *f = fake_pci_add(bus, dev, 0, 0x1b36, 0xc, PCI_HEADER_BRIDGE);

	fake_pci_put32(f, PCI_BRIDGE_BUSES, bus | (uint32_t)below << 8 | (uint32_t)below << 16);
	return f;
}

static void cap(struct fake_function *f, uint8_t at, uint8_t id, uint8_t next)
{
	f->space[at] = id;
	f->space[at + 1] = next;
	f->space[PCI_STATUS] |= PCI_STATUS_CAPS;
}

static void test_find(void **state)
{
	struct pci_dev d;

	(void)state;
	fake_pci_add(0, 0, 0, 0x8086, 0x29c0, 0);
	fake_pci_add(0, 3, 0, 0x1af4, 0x1042, PCI_HEADER_MULTI);
	fake_pci_add(0, 3, 5, 0x1af4, 0x1000, 0);
	add_bridge(0, 4, 1);
	add_bridge(1, 0, 2);
	add_nic(2, 9);
	fake_pci_add(0, 6, 1, 0x1af4, 0x1041, 0); /* without function 0: not there */
	pci_init(0, 255);
	assert_true(pci_find(0x1af4, ids, 2, 0, &d));
	assert_int_equal(d.dev * 8 + d.fn, 3 * 8 + 5);
	assert_int_equal(d.msix_cap, 0);
	assert_true(pci_find(0x1af4, ids, 2, 1, &d));
	assert_int_equal(d.bus, 2);
	assert_false(pci_find(0x1af4, ids, 2, 2, &d));
}

static void test_bridges_in_circles(void **state)
{
	struct pci_dev d;

	(void)state;
	add_bridge(0, 1, 0); /* to itself */
	add_bridge(0, 2, 1);
	add_bridge(1, 0, 1);
	add_bridge(1, 1, 0); /* back up */
	for (uint8_t bus = 1; bus < 20; bus++)
		add_bridge(bus, 2, bus + 1); /* deeper than anyone follows */
	add_nic(20, 0);
	pci_init(0, 255);
	assert_false(pci_find(0x1af4, ids, 2, 0, &d));
	assert_true(fake_pci_reads() < 20000);
}

static void test_capabilities(void **state)
{
	struct fake_function *f = add_nic(0, 1);
	struct pci_dev d = { .dev = 1 };

	(void)state;
	f->space[PCI_CAP_POINTER] = 0x98;
	assert_int_equal(pci_cap_next(&d, 9, 0), 0); /* status says: none */
	cap(f, 0x98, 9, 0x84);                       /* as QEMU links them: downward */
	cap(f, 0x84, 0x11, 0x70);
	cap(f, 0x70, 9, 0);
	assert_int_equal(pci_cap_next(&d, 9, 0), 0x98);
	assert_int_equal(pci_cap_next(&d, 9, 0x98), 0x70);
	assert_int_equal(pci_cap_next(&d, 9, 0x70), 0);
	assert_int_equal(pci_cap_next(&d, 0x11, 0), 0x84);
	cap(f, 0x70, 9, 0x98); /* a loop */
	assert_int_equal(pci_cap_next(&d, 5, 0), 0);
	cap(f, 0x70, 9, 0x10); /* into the header */
	assert_int_equal(pci_cap_next(&d, 5, 0), 0);
	cap(f, 0xfc, 5, 0xff); /* low bits are reserved */
	f->space[PCI_CAP_POINTER] = 0xff;
	assert_int_equal(pci_cap_next(&d, 5, 0), 0xfc);
	assert_true(fake_pci_reads() < 300);
}

/* pci_bar() of a function as pci_find() leaves it; @place: bus in bits 8 and up, device below. */
static int bar_of(unsigned place, unsigned bar, pa_t *pa, uint64_t *bytes)
{
	struct pci_dev d;

	for (unsigned n = 0; pci_find(0x1af4, ids, 2, n, &d); n++)
		if ((d.bus << 8 | d.dev) == (int)place)
			return pci_bar(&d, bar, pa, bytes);
	fail();
	return 0;
}

static void test_bar(void **state)
{
	struct fake_function *f = add_nic(0, 1);
	uint64_t bytes;
	pa_t pa;

	(void)state;
	fake_pci_put32(f, PCI_BAR0, 0xc001); /* ports */
	fake_pci_bar(f, 1, 0xfebc1000, 0x1000, false);
	fake_pci_bar(f, 2, 0x8000000000, 0x200000000, true);
	fake_pci_bar(f, 4, 0xfe000000, 0x4000, true);
	fake_pci_put16(f, PCI_COMMAND, 7);
	assert_int_equal(bar_of(1, 0, &pa, &bytes), KERR_NOT_FOUND);
	assert_int_equal(bar_of(1, 1, &pa, &bytes), 0);
	assert_true(pa == 0xfebc1000 && bytes == 0x1000);
	assert_int_equal(bar_of(1, 2, &pa, &bytes), 0);
	assert_true(pa == 0x8000000000 && bytes == 0x200000000);
	assert_int_equal(bar_of(1, 4, &pa, &bytes), 0);
	assert_true(pa == 0xfe000000 && bytes == 0x4000);
	assert_int_equal(bar_of(1, 6, &pa, &bytes), KERR_NOT_FOUND);
	/* Sizing left everything as it was. */
	assert_int_equal(fake_pci_get32(f, PCI_BAR0 + 4), 0xfebc1000);
	assert_int_equal(fake_pci_get32(f, PCI_COMMAND) & 0xffff, 7);
}

static void test_bad_bar(void **state)
{
	struct fake_function *f = add_nic(0, 1);
	uint64_t bytes;
	pa_t pa;

	(void)state;
	assert_int_equal(bar_of(1, 0, &pa, &bytes), KERR_NOT_FOUND); /* reads 0 */
	fake_pci_bar(f, 0, 0, 0x1000, false);
	assert_int_equal(bar_of(1, 0, &pa, &bytes), KERR_INVALID); /* no address */
	fake_pci_bar(f, 0, 0x100000, 0x1000, false);
	assert_int_equal(bar_of(1, 0, &pa, &bytes), KERR_INVALID); /* over RAM */
	fake_pci_bar(f, 0, 0xfffffffffffff000, 0x2000, true);
	assert_int_equal(bar_of(1, 0, &pa, &bytes), KERR_INVALID); /* not aligned */
	fake_pci_put32(f, PCI_BAR0, 0xfe000002);
	assert_int_equal(bar_of(1, 0, &pa, &bytes), KERR_INVALID); /* reserved type */
	fake_pci_bar(f, 5, 0xfe000000, 0x1000, true);
	assert_int_equal(bar_of(1, 5, &pa, &bytes), KERR_INVALID); /* half of a 64-bit one */
	fake_pci_bar(f, 1, 0xfe000000, 0x3000, false);
	assert_int_equal(bar_of(1, 1, &pa, &bytes), KERR_INVALID); /* a size that is no power of two */
}

static void test_assign(void **state)
{
	struct fake_function *nic = add_nic(0, 2), *bridge, *below, *empty;
	uint64_t bytes, bytes_below;
	pa_t pa, pa_below;
	uint32_t window;

	(void)state;
	fake_pci_bar(nic, 1, 0, 0x1000, false);
	fake_pci_bar(nic, 4, 0, 0x4000, true);
	fake_pci_bar(nic, 2, 0, 0x100000000000, true); /* nobody has room for that */
	bridge = add_bridge(0, 3, 1);
	fake_pci_bar(bridge, 0, 0, 0x1000, false);
	empty = add_bridge(0, 4, 2);
	below = add_nic(1, 0);
	fake_pci_bar(below, 4, 0, 0x4000, true);
	pci_init(0, 255);

	assert_int_equal(bar_of(2, 1, &pa, &bytes), 0);
	assert_int_equal(bytes, 0x1000);
	assert_int_equal(bar_of(2, 2, &pa, &bytes), KERR_INVALID);
	assert_int_equal(bar_of(2, 4, &pa, &bytes), 0);
	assert_int_equal(bar_of(0x100, 4, &pa_below, &bytes_below), 0);
	assert_true(pa >= 0xe0000000 && pa + bytes <= 0xfec00000);
	window = fake_pci_get32(bridge, PCI_BRIDGE_MEMORY);
	assert_true(pa_below >= (window & 0xfff0) << 16);
	assert_true(pa_below + bytes_below - 1 <= (window | 0xfffff));
	assert_true(pa + bytes <= (window & 0xfff0) << 16);
	assert_int_equal(fake_pci_get32(bridge, PCI_COMMAND) & 6, 6);
	window = fake_pci_get32(empty, PCI_BRIDGE_MEMORY);
	assert_true((window & 0xfff0) << 16 > (window & 0xfff00000));
}

static void test_firmware_assigned(void **state)
{
	struct fake_function *a = add_nic(0, 2), *b = add_nic(0, 3);

	(void)state;
	fake_pci_bar(a, 4, 0x7000000000, 0x4000, true); /* above 4 GiB: the low word is empty */
	fake_pci_bar(b, 1, 0, 0x1000, false);
	pci_init(0, 255);
	assert_int_equal(fake_pci_get32(b, PCI_BAR0 + 4), 0);
	assert_int_equal(fake_pci_get32(a, PCI_BAR0 + 20), 0x70);
}

static struct fake_function *add_msix(uint16_t entries, uint32_t place)
{
	struct fake_function *f = add_nic(0, 1);

	cap(f, 0x84, PCI_CAP_MSIX, 0);
	f->space[PCI_CAP_POINTER] = 0x84;
	fake_pci_put16(f, 0x84 + PCI_MSIX_CONTROL, entries - 1);
	fake_pci_put32(f, 0x84 + PCI_MSIX_TABLE, place);
	fake_pci_bar(f, 1, 0xfe001000, 0x1000, false);
	fake_mem_device(0xfe001000, sizeof(table), table);
	return f;
}

static void test_msix(void **state)
{
	struct fake_function *f = add_msix(5, 1 | 0x10);
	struct pci_dev d;

	(void)state;
	pci_init(0, 255);
	assert_true(pci_find(0x1af4, ids, 2, 0, &d));
	assert_int_equal(d.msix_count, 5);
	assert_int_equal(pci_msix_set(&d, 0, 0x30, 1), KERR_INVALID); /* not before the table is mapped */
	assert_int_equal(pci_msix_init(&d), 0);
	assert_int_equal(fake_pci_get32(f, 0x84) >> 16, 0x8004);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(table[4 + i * 4 + 3], 1);
	assert_int_equal(table[4 + 5 * 4 + 3], 0);
	assert_int_equal(pci_msix_set(&d, 4, 0x34, 3), 0);
	assert_int_equal(table[4 + 16], 0xfee03000);
	assert_int_equal(table[4 + 16 + 2], 0x34);
	assert_int_equal(table[4 + 16 + 3], 0);
	assert_int_equal(pci_msix_set(&d, 5, 0x30, 1), KERR_INVALID);
	assert_int_equal(pci_msix_set(&d, 0, 0x30, 255), KERR_INVALID);
}

static void test_bad_msix(void **state)
{
	static const uint32_t places[] = { 1 | 0xff8, 1 | 0xfffffff8, 3, 7 };
	struct pci_dev d;

	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(places); i++) {
		fake_pci_reset();
		add_msix(5, places[i]);
		assert_true(pci_find(0x1af4, ids, 2, 0, &d));
		assert_int_equal(pci_msix_init(&d), KERR_INVALID);
	}
	fake_pci_reset();
	add_nic(0, 1);
	assert_true(pci_find(0x1af4, ids, 2, 0, &d));
	assert_int_equal(pci_msix_init(&d), KERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_find, setup),
		cmocka_unit_test_setup(test_bridges_in_circles, setup),
		cmocka_unit_test_setup(test_capabilities, setup),
		cmocka_unit_test_setup(test_bar, setup),
		cmocka_unit_test_setup(test_bad_bar, setup),
		cmocka_unit_test_setup(test_assign, setup),
		cmocka_unit_test_setup(test_firmware_assigned, setup),
		cmocka_unit_test_setup(test_msix, setup),
		cmocka_unit_test_setup(test_bad_msix, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
