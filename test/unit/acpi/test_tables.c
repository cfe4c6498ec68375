/* SPDX-License-Identifier: MIT */
/*
 * ACPI tables as firmware writes them and as nobody should: every answer of the map function is a copy of
 * exactly the bytes asked for, so the sanitizer sees each byte read beyond what was checked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "kernel/acpi/acpi.h"
#include "kernel/base/err.h"

#define LOW_PA 0xe0000u /* the memory of these tests: [LOW_PA, LOW_PA + LOW_BYTES) */
#define LOW_BYTES 0x20000u
#define RSDP_PA 0xf5a40u
#define RSDT_PA 0xe1000u
#define XSDT_PA 0xe1800u
#define MADT_PA 0xe2000u
#define FADT_PA 0xe3000u
#define DSDT_PA 0xe4003u /* tables need no alignment */
#define MCFG_PA 0xe5000u
#define IOAPIC_PA 0xfec00000u
#define ROUNDS 20000u

static uint8_t low[LOW_BYTES];
static void *given[70000];
static unsigned given_count;

static const void *map(pa_t pa, size_t bytes)
{
	void *copy;

	if (pa < LOW_PA || pa - LOW_PA > LOW_BYTES || bytes > LOW_BYTES - (pa - LOW_PA))
		return NULL;
	copy = malloc(bytes ? bytes : 1);
	assert_non_null(copy);
	memcpy(copy, low + (pa - LOW_PA), bytes);
	assert_true(given_count < sizeof(given) / sizeof(given[0]));
	given[given_count++] = copy;
	return copy;
}

static int read_tables(pa_t rsdp, struct acpi_info *out)
{
	int err = acpi_read(rsdp, map, out);

	while (given_count)
		free(given[--given_count]);
	return err;
}

static uint8_t *at(uint32_t pa)
{
	return low + (pa - LOW_PA);
}

static void put(uint32_t pa, uint64_t v, size_t bytes)
{
	memcpy(at(pa), &v, bytes);
}

/* Makes [pa, pa + bytes) sum to zero by the byte at @where. */
static void seal(uint32_t pa, size_t bytes, size_t where)
{
	uint8_t sum = 0;

	at(pa)[where] = 0;
	for (size_t i = 0; i < bytes; i++)
		sum = (uint8_t)(sum + at(pa)[i]);
	at(pa)[where] = (uint8_t)-sum;
}

static void put_table(uint32_t pa, const char *signature, uint32_t bytes)
{
	memcpy(at(pa), signature, 4);
	put(pa + 4, bytes, 4);
	seal(pa, bytes, 9);
}

static void put_lapic(uint32_t pa, uint8_t id, uint32_t flags)
{
	put(pa, 8u << 8 | (uint32_t)id << 24, 4);
	put(pa + 4, flags, 4);
}

static void build_madt(void)
{
	put(MADT_PA + 36, 0xfee00000, 4);
	put_lapic(MADT_PA + 44, 0, 1);
	put_lapic(MADT_PA + 52, 2, 0);     /* may come */
	put(MADT_PA + 60, 1 | 12 << 8, 4); /* I/O APIC */
	put(MADT_PA + 64, IOAPIC_PA, 4);
	put_lapic(MADT_PA + 72, 3, 1);
	put(MADT_PA + 80, 9 | 16 << 8, 4); /* x2APIC */
	put(MADT_PA + 84, 0x12345, 4);
	put(MADT_PA + 88, 1, 4);
	put_table(MADT_PA, "APIC", 96);
}

static void build(bool with_xsdt)
{
	static const uint8_t s5[] = { 0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x0a, 0x05, 0x0a, 0x05, 0, 0 };

	memset(low, 0, sizeof(low));
	build_madt();
	memcpy(at(DSDT_PA) + 100, s5, sizeof(s5));
	put_table(DSDT_PA, "DSDT", 200);
	put(FADT_PA + 40, DSDT_PA, 4);
	put(FADT_PA + 46, 9, 2);
	put(FADT_PA + 48, 0xb2, 4);
	put(FADT_PA + 52, 0xf1, 1);
	put(FADT_PA + 56, 0x600, 4);
	put(FADT_PA + 64, 0x604, 4);
	put(FADT_PA + 76, 0x608, 4);
	put(FADT_PA + 80, 0x620, 4);
	put(FADT_PA + 92, 16, 1);
	put_table(FADT_PA, "FACP", 244);
	put(MCFG_PA + 44, 0xb0000000, 8);
	put(MCFG_PA + 55, 255, 1);
	put_table(MCFG_PA, "MCFG", 60);

	put(RSDT_PA + 36, FADT_PA, 4);
	put(RSDT_PA + 40, MADT_PA, 4);
	put(RSDT_PA + 44, MCFG_PA, 4);
	put_table(RSDT_PA, "RSDT", 48);
	put(XSDT_PA + 36, MADT_PA, 8);
	put_table(XSDT_PA, "XSDT", 44);
	memcpy(at(RSDP_PA), "RSD PTR ", 8);
	put(RSDP_PA + 15, with_xsdt ? 2 : 0, 1);
	put(RSDP_PA + 16, RSDT_PA, 4);
	put(RSDP_PA + 20, 36, 4);
	put(RSDP_PA + 24, with_xsdt ? XSDT_PA : 0, 8);
	seal(RSDP_PA, 20, 8);
	seal(RSDP_PA, 36, 32);
}

static void test_rsdt(void **state)
{
	struct acpi_info info;

	(void)state;
	build(false);
	assert_int_equal(read_tables(RSDP_PA, &info), 0);
	assert_int_equal(info.apic_count, 4);
	assert_int_equal(info.apic_ids[0], 0);
	assert_int_equal(info.apic_ids[1], 2);
	assert_int_equal(info.apic_ids[2], 3);
	assert_int_equal(info.apic_ids[3], 0x12345);
	assert_int_equal(info.apic_usable, 0xd);
	assert_int_equal(info.pm1a_control_port, 0x604);
	assert_int_equal(info.pm_timer_port, 0x608);
	assert_int_equal(info.sci_gsi, 9);
	assert_true(!info.sci_is_edge && info.sci_is_low); /* no override */
	assert_int_equal(info.gpe0_port, 0x620);
	assert_int_equal(info.gpe0_bytes, 8);
	assert_int_equal(info.smi_command_port, 0xb2);
	assert_int_equal(info.acpi_enable, 0xf1);
	assert_int_equal(info.pm1a_event_port, 0x600);
	assert_int_equal(info.ioapic_pa, IOAPIC_PA);
	assert_int_equal(info.ioapic_gsi, 0);
	for (unsigned i = 0; i < ACPI_ISA_IRQS; i++)
		assert_int_equal(info.isa_gsi[i], i);
	assert_int_equal(info.s5_type, 5);
	assert_int_equal(info.ecam_pa, 0xb0000000);
	assert_int_equal(info.ecam_last_bus, 255);
}

static void test_xsdt_wins(void **state)
{
	struct acpi_info info;

	(void)state;
	build(true);
	assert_int_equal(read_tables(0, &info), 0); /* found by scanning */
	assert_int_equal(info.apic_count, 4);
	assert_int_equal(info.pm_timer_port, 0); /* only the RSDT names the FADT */
	at(XSDT_PA)[10]++;                       /* damaged: back to the RSDT */
	assert_int_equal(read_tables(RSDP_PA, &info), 0);
	assert_int_equal(info.pm_timer_port, 0x608);
}

static void test_absent(void **state)
{
	struct acpi_info info;

	(void)state;
	memset(low, 0, sizeof(low));
	assert_int_equal(read_tables(0, &info), KERR_NOT_FOUND);
	assert_int_equal(read_tables(UINT64_MAX, &info), KERR_NOT_FOUND);
	build(false);
	at(RSDP_PA)[9]++;
	assert_int_equal(read_tables(RSDP_PA, &info), KERR_NOT_FOUND);
	build(false);
	at(RSDT_PA)[20]++;
	assert_int_equal(read_tables(RSDP_PA, &info), KERR_NOT_FOUND);
}

/* A table whose checksum is wrong is as good as absent; the others are still read. */
static void test_bad_table(void **state)
{
	struct acpi_info info;

	(void)state;
	build(false);
	at(MADT_PA)[50]++;
	assert_int_equal(read_tables(RSDP_PA, &info), 0);
	assert_int_equal(info.apic_count, 0);
	assert_int_equal(info.pm_timer_port, 0x608);
}

static void test_lengths(void **state)
{
	static const uint32_t lengths[] = { 0, 1, 35, 36, 37, 43, 44, 45, 46, 0x100001, 0x7fffffff, UINT32_MAX };
	static const uint32_t tables[] = { RSDT_PA, MADT_PA, FADT_PA, DSDT_PA, MCFG_PA };
	struct acpi_info info;

	(void)state;
	for (unsigned t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
			build(false);
			put(tables[t] + 4, lengths[i], 4);
			if (lengths[i] >= 36 && lengths[i] < 0x1000)
				seal(tables[t], lengths[i], 9);
			(void)read_tables(RSDP_PA, &info);
			assert_in_range(info.apic_count, 0, CORES_MAX);
		}
}

static void test_madt_entries(void **state)
{
	struct acpi_info info;

	(void)state;
	build(false);
	put(MADT_PA + 45, 0, 1); /* an entry of length 0 would be walked for ever */
	seal(MADT_PA, 96, 9);
	assert_int_equal(read_tables(RSDP_PA, &info), 0);
	assert_int_equal(info.apic_count, 0);
	build(false);
	put(MADT_PA + 81, 17, 1); /* the last one reaches over the end */
	seal(MADT_PA, 96, 9);
	assert_int_equal(read_tables(RSDP_PA, &info), 0);
	assert_int_equal(info.apic_count, 3);
	build(false);
	for (unsigned i = 0; i < 200; i++)
		put_lapic(MADT_PA + 44 + 8 * i, (uint8_t)i, i < 2 || i > 60);
	put_table(MADT_PA, "APIC", 44 + 8 * 200);
	assert_int_equal(read_tables(RSDP_PA, &info), 0);
	assert_int_equal(info.apic_count, CORES_MAX);
	assert_int_equal(info.apic_usable, 7ull << 61 | 3);
	for (unsigned i = 0; i < 200; i++) /* one processor named again and again, and the broadcast */
		put_lapic(MADT_PA + 44 + 8 * i, i & 1 ? 0xff : 7, 1);
	put_table(MADT_PA, "APIC", 44 + 8 * 200);
	assert_int_equal(read_tables(RSDP_PA, &info), 0);
	assert_int_equal(info.apic_count, 1);
	assert_int_equal(info.apic_ids[0], 7);
	assert_int_equal(info.apic_usable, 1);
}

/* Entries of the MADT about interrupts, each at the table's end once. */
static void put_madt(const uint8_t *entries, uint32_t bytes)
{
	build(false);
	memcpy(at(MADT_PA) + 44, entries, bytes);
	put_table(MADT_PA, "APIC", 44 + bytes);
}

static void test_interrupts(void **state)
{
	static const uint8_t apics[] = {
		1, 12, 0, 0, 0, 0, 0xc1, 0xfe, 24, 0, 0, 0, /* not the one with input 0, */
		1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0,  0, 0, 0, /* which is this, */
		1, 12, 0, 0, 0, 0, 0xc2, 0xfe, 48, 0, 0, 0, /* nor this */
	};
	static const uint8_t overrides[] = {
		2, 10, 0, 3,  11, 0, 0, 0, 0,    0,    /* the second UART elsewhere */
		2, 10, 0, 16, 5,  0, 0, 0, 0,    0,    /* no ISA interrupt */
		2, 10, 0, 0,  2,  0, 0, 0, 0x0d, 0x00, /* the timer */
		2, 9,  0, 4,  9,  0, 0, 0, 0,          /* too short to be one */
	};
	struct acpi_info info;

	(void)state;
	put_madt(apics, sizeof(apics));
	assert_int_equal(read_tables(RSDP_PA, &info), 0);
	assert_int_equal(info.ioapic_pa, IOAPIC_PA);
	assert_int_equal(info.ioapic_gsi, 0);
	put_madt(overrides, sizeof(overrides));
	assert_int_equal(read_tables(RSDP_PA, &info), 0);
	assert_int_equal(info.isa_gsi[3], 11);
	assert_int_equal(info.isa_gsi[0], 2);
	assert_int_equal(info.isa_gsi[4], 4);
	assert_int_equal(info.ioapic_pa, 0);
}

/* Where events come in and how, as QEMU says it, and as nobody does. */
static void test_sci(void **state)
{
	static const struct {
		uint8_t flags;
		bool is_edge, is_low;
	} cases[] = { { 0x0d, false, false }, { 0x0f, false, true }, { 0x05, true, false },
		      { 0x00, false, true },  { 0x0c, false, true }, { 0xfa, false, true } };
	uint8_t override[] = { 2, 10, 0, 9, 20, 0, 0, 0, 0, 0 };
	struct acpi_info info;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		override[8] = cases[i].flags;
		put_madt(override, sizeof(override));
		assert_int_equal(read_tables(RSDP_PA, &info), 0);
		assert_int_equal(info.sci_gsi, 20);
		assert_int_equal(info.sci_is_edge, cases[i].is_edge);
		assert_int_equal(info.sci_is_low, cases[i].is_low);
	}
	build(false);
	put(FADT_PA + 46, 0x123, 2); /* no interrupt of the 8259s: a global one */
	put_table(FADT_PA, "FACP", 244);
	assert_int_equal(read_tables(RSDP_PA, &info), 0);
	assert_int_equal(info.sci_gsi, 0x123);
}

static void test_gpe(void **state)
{
	static const struct {
		uint32_t port, bytes;
		bool is_good;
	} cases[] = { { 0x620, 16, true },    { 0x620, 2, true },     { 0x620, 0, false },
		      { 0x620, 1, false },    { 0xff00, 255, true },  { 0xff01, 254, true },
		      { 0xff02, 254, false }, { 0x10620, 16, false }, { 0, 16, false } };
	struct acpi_info info;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		build(false);
		put(FADT_PA + 80, cases[i].port, 4);
		put(FADT_PA + 92, cases[i].bytes, 1);
		put_table(FADT_PA, "FACP", 244);
		assert_int_equal(read_tables(RSDP_PA, &info), 0);
		assert_int_equal(info.gpe0_port, cases[i].is_good ? cases[i].port : 0);
	}
	build(false);
	put_table(FADT_PA, "FACP", 92); /* too short for the length */
	assert_int_equal(read_tables(RSDP_PA, &info), 0);
	assert_int_equal(info.gpe0_port, 0);
}

/* A FADT of ACPI 1.0 is shorter, and there may be none; a number that no port has is none. */
static void test_short_fadt(void **state)
{
	struct acpi_info info;

	(void)state;
	build(false);
	put_table(FADT_PA, "FACP", 58);
	assert_int_equal(read_tables(RSDP_PA, &info), 0);
	assert_int_equal(info.sci_gsi, 9);
	assert_int_equal(info.pm1a_event_port, 0);
	assert_int_equal(info.pm1a_control_port, 0);
	build(false);
	put(FADT_PA + 56, 0x10600, 4);
	put(FADT_PA + 64, 0xfed00604, 4);
	put_table(FADT_PA, "FACP", 244);
	assert_int_equal(read_tables(RSDP_PA, &info), 0);
	assert_int_equal(info.pm1a_event_port, 0);
	assert_int_equal(info.pm1a_control_port, 0);
	assert_int_equal(info.pm_timer_port, 0x608);
}

/* _S5_ as the very last bytes of the table, at every distance from its end. */
static void test_s5_at_the_end(void **state)
{
	struct acpi_info info;

	(void)state;
	for (uint32_t bytes = 100; bytes < 120; bytes++) {
		build(false);
		at(DSDT_PA)[106] = 0xc6; /* a package length of four bytes */
		put(DSDT_PA + 4, bytes, 4);
		assert_int_equal(read_tables(RSDP_PA, &info), 0);
	}
}

static void test_damaged(void **state)
{
	static const uint32_t tables[] = { RSDT_PA, XSDT_PA, MADT_PA, FADT_PA, DSDT_PA, MCFG_PA, RSDP_PA };
	struct acpi_info info;

	(void)state;
	srand(3);
	for (unsigned round = 0; round < ROUNDS; round++) {
		build(round % 2);
		for (int n = rand() % 6; n >= 0; n--)
			at(tables[rand() % 7])[rand() % 200] = (uint8_t)rand();
		/* Half of the time the sums are right again, so that the content is looked at. */
		for (unsigned t = 0; t < 6 && rand() % 2; t++) {
			uint32_t bytes;

			memcpy(&bytes, at(tables[t]) + 4, 4);
			if (bytes >= 36 && bytes < 0x1000)
				seal(tables[t], bytes, 9);
		}
		seal(RSDP_PA, 20, 8);
		(void)read_tables(RSDP_PA, &info);
		assert_in_range(info.apic_count, 0, CORES_MAX);
		assert_in_range(info.s5_type, 0, 7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rsdt),          cmocka_unit_test(test_xsdt_wins),
		cmocka_unit_test(test_absent),        cmocka_unit_test(test_bad_table),
		cmocka_unit_test(test_lengths),       cmocka_unit_test(test_madt_entries),
		cmocka_unit_test(test_interrupts),    cmocka_unit_test(test_short_fadt),
		cmocka_unit_test(test_sci),           cmocka_unit_test(test_gpe),
		cmocka_unit_test(test_s5_at_the_end), cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
