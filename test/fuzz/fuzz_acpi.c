/* SPDX-License-Identifier: MIT */
/*
 * ACPI tables: the input is the firmware's memory, from the RSDP on. Bit 0 of its first byte: the sums are made right, so that
 * what is in the tables is looked at. Every answer of the map function is a copy exactly as long as asked for.
 */
#include <stdlib.h>
#include "kernel/acpi/acpi.h"
#include "test/fuzz/fuzz.h"

#define LOW_PA 0xe0000u
#define LOW_BYTES 0x2000u
#define COPIES_MAX 4096u
#define RSDP_BYTES 20u
#define RSDP_SUM 8u
#define TABLE_HEADER_BYTES 36u
#define TABLE_SUM 9u
#define TABLE_LENGTH 4u

static uint8_t low[LOW_BYTES];
static void *copies[COPIES_MAX];
static unsigned copy_count;

static void seal(size_t at, size_t bytes, size_t where)
{
	uint8_t sum = 0;

	low[at + where] = 0;
	for (size_t i = 0; i < bytes; i++)
		sum = (uint8_t)(sum + low[at + i]);
	low[at + where] = (uint8_t)-sum;
}

/* A table is what has one of these signatures. */
static void seal_tables(void)
{
	static const char names[][5] = { "RSDT", "XSDT", "APIC", "FACP", "DSDT", "MCFG" };

	for (size_t at = 0; at + TABLE_HEADER_BYTES <= LOW_BYTES; at++) {
		for (size_t i = 0; low[at] && i < sizeof(names) / sizeof(names[0]); i++) {
			uint32_t bytes;

			if (memcmp(low + at, names[i], 4) != 0)
				continue;
			memcpy(&bytes, low + at + TABLE_LENGTH, sizeof(bytes));
			if (bytes >= TABLE_HEADER_BYTES && bytes <= LOW_BYTES - at)
				seal(at, bytes, TABLE_SUM);
		}
	}
	seal(0, RSDP_BYTES, RSDP_SUM);
}

static const void *map(pa_t pa, size_t bytes)
{
	void *copy;

	if (pa < LOW_PA || pa - LOW_PA > LOW_BYTES || bytes > LOW_BYTES - (pa - LOW_PA))
		return NULL;
	copy = malloc(bytes ? bytes : 1);
	FUZZ_CHECK(copy && copy_count < COPIES_MAX);
	memcpy(copy, low + (pa - LOW_PA), bytes);
	copies[copy_count++] = copy;
	return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct feed f = { data, data + bytes };
	struct acpi_info info;
	uint8_t options = feed_u8(&f);

	feed_take(&f, low, sizeof(low));
	if (options & 1)
		seal_tables();
	(void)acpi_read(options & 2 ? LOW_PA : 0, map, &info);
	FUZZ_CHECK(info.apic_count <= CORES_MAX && info.s5_type <= 7);
	FUZZ_CHECK(info.apic_count == CORES_MAX || !(info.apic_usable >> info.apic_count));
	FUZZ_CHECK(!info.gpe0_port || (info.gpe0_bytes && info.gpe0_port + 2u * info.gpe0_bytes <= 1u << 16));
	while (copy_count)
		free(copies[--copy_count]);
	return 0;
}
