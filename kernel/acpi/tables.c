/* SPDX-License-Identifier: MIT */
/* The few ACPI tables that this kernel reads [ACPI 6.5 5.2], and \_S5 found by its bytes instead of an interpreter. */
#include "kernel/acpi/acpi.h"
#include "kernel/base/bytes.h"
#include "kernel/base/err.h"

#define TABLE_BYTES_MAX 0x100000u
#define TABLES_MAX 64u
#define SCAN_FROM 0xe0000u
#define SCAN_TO 0x100000u
#define MADT_LAPIC 0u
#define MADT_IOAPIC 1u
#define MADT_OVERRIDE 2u
#define MADT_X2APIC 9u
#define MADT_ENABLED 1u
#define INTI_POLARITY 0x3u /* [ACPI 5.2.12.5] */
#define INTI_HIGH 0x1u
#define INTI_TRIGGER 0xcu
#define INTI_EDGE 0x4u

struct rsdp {
	char signature[8];
	uint8_t checksum;
	char oem[6];
	uint8_t revision;
	le32_t rsdt_pa;
	le32_t bytes;
	le64_t xsdt_pa;
	uint8_t extended_checksum;
	uint8_t reserved[3];
} __attribute__((packed));
_Static_assert(sizeof(struct rsdp) == 36, "ACPI 5.2.5.3");

struct table {
	char signature[4];
	le32_t bytes;
	uint8_t revision;
	uint8_t checksum;
	char oem[26];
} __attribute__((packed));
_Static_assert(sizeof(struct table) == 36, "ACPI 5.2.6");

typedef const void *map_fn(pa_t pa, size_t bytes);

static bool sums_to_zero(const void *data, size_t bytes)
{
	const uint8_t *p = data;
	uint8_t sum = 0;

	while (bytes--)
		sum = (uint8_t)(sum + *p++);
	return sum == 0;
}

static uint64_t le_at(const struct table *t, size_t off, size_t bytes)
{
	uint64_t v = 0;

	if (off + bytes <= t->bytes)
		memcpy(&v, (const uint8_t *)t + off, bytes);
	return v;
}

static const struct table *table_at(pa_t pa, map_fn *map, bool check)
{
	const struct table *t = map(pa, sizeof(*t));

	if (!t || t->bytes < sizeof(*t) || t->bytes > TABLE_BYTES_MAX)
		return NULL;
	t = map(pa, t->bytes);
	return t && (!check || sums_to_zero(t, t->bytes)) ? t : NULL;
}

static const struct rsdp *rsdp_at(pa_t pa, map_fn *map)
{
	const struct rsdp *r = map(pa, sizeof(*r));

	return r && memcmp(r->signature, "RSD PTR ", 8) == 0 && sums_to_zero(r, 20) ? r : NULL;
}

static const struct rsdp *rsdp_find(pa_t hint, map_fn *map)
{
	const struct rsdp *r = hint ? rsdp_at(hint, map) : NULL;

	for (pa_t pa = SCAN_FROM; !r && pa < SCAN_TO; pa += 16)
		r = rsdp_at(pa, map);
	return r;
}

static void add_processor(struct acpi_info *out, uint32_t id, uint32_t flags, uint32_t broadcast)
{
	uint32_t i = 0;

	if (id == broadcast)
		return;
	/* A processor named twice, as LAPIC and as x2APIC, would be reset by its second start. */
	while (i < out->apic_count && out->apic_ids[i] != id)
		i++;
	if (i == CORES_MAX)
		return;
	out->apic_ids[i] = id;
	out->apic_count = MAX(out->apic_count, i + 1);
	if (flags & MADT_ENABLED)
		out->apic_usable |= 1ull << i;
}

/* The first one serves the ISA interrupts [ACPI 5.2.12.3]. */
static void add_ioapic(struct acpi_info *out, pa_t pa, uint32_t first_gsi)
{
	if (out->ioapic_pa && first_gsi >= out->ioapic_gsi)
		return;
	out->ioapic_pa = pa;
	out->ioapic_gsi = first_gsi;
}

/* An ISA interrupt that comes in elsewhere, or otherwise [ACPI 5.2.12.5]. */
static void take_override(const struct table *t, size_t off, struct acpi_info *out)
{
	uint64_t irq = le_at(t, off + 3, 1);

	if (irq >= ACPI_ISA_IRQS)
		return;
	out->isa_gsi[irq] = (uint32_t)le_at(t, off + 4, 4);
	out->isa_flags[irq] = (uint8_t)le_at(t, off + 8, 1);
}

static void read_madt(const struct table *t, struct acpi_info *out)
{
	size_t off = 44; /* [ACPI 5.2.12] */

	while (off + 2 <= t->bytes) {
		uint8_t type = (uint8_t)le_at(t, off, 1), bytes = (uint8_t)le_at(t, off + 1, 1);

		if (bytes < 2 || off + bytes > t->bytes)
			return;
		if (type == MADT_LAPIC && bytes >= 8)
			add_processor(out, (uint32_t)le_at(t, off + 3, 1), (uint32_t)le_at(t, off + 4, 4), UINT8_MAX);
		if (type == MADT_X2APIC && bytes >= 16)
			add_processor(out, (uint32_t)le_at(t, off + 4, 4), (uint32_t)le_at(t, off + 8, 4), UINT32_MAX);
		if (type == MADT_IOAPIC && bytes >= 12)
			add_ioapic(out, le_at(t, off + 4, 4), (uint32_t)le_at(t, off + 8, 4));
		if (type == MADT_OVERRIDE && bytes >= 10)
			take_override(t, off, out);
		off += bytes;
	}
}

/* Name(_S5_, Package() { SLP_TYPa, ... }): NameOp "_S5_" PackageOp length count first element [ACPI 20.2]. */
static void read_dsdt(const struct table *t, struct acpi_info *out)
{
	const uint8_t *p = (const uint8_t *)t;

	for (size_t i = sizeof(*t); i + 10 < t->bytes; i++) {
		size_t at = i + 5;

		if (memcmp(p + i, "_S5_", 4) != 0 || p[i + 4] != 0x12)
			continue;
		at += 1u + (p[at] >> 6) + 1; /* package length bytes, element count */
		if (at + 1 >= t->bytes)
			return;
		out->s5_type = (p[at] == 0x0a ? p[at + 1] : p[at] == 0x01) & 7;
		return;
	}
}

/* A port of the FADT; a number that is none is none. */
static uint16_t port_at(const struct table *t, size_t off)
{
	uint64_t v = le_at(t, off, 4);

	return v <= UINT16_MAX ? (uint16_t)v : 0;
}

static void read_fadt(const struct table *t, map_fn *map, struct acpi_info *out)
{
	const struct table *dsdt = table_at(le_at(t, 40, 4), map, false);

	out->sci_gsi = (uint32_t)le_at(t, 46, 2);
	out->smi_command_port = port_at(t, 48);
	out->acpi_enable = (uint8_t)le_at(t, 52, 1);
	out->pm1a_event_port = port_at(t, 56);
	out->pm1a_control_port = port_at(t, 64);
	out->pm_timer_port = port_at(t, 76);
	out->gpe0_port = port_at(t, 80);
	out->gpe0_bytes = (uint8_t)(le_at(t, 92, 1) / 2);
	if (!out->gpe0_bytes || out->gpe0_port > UINT16_MAX - 2u * out->gpe0_bytes)
		out->gpe0_port = 0;
	if (dsdt)
		read_dsdt(dsdt, out);
}

static void read_mcfg(const struct table *t, struct acpi_info *out)
{
	for (size_t off = 44; off + 16 <= t->bytes; off += 16) {
		if (le_at(t, off + 8, 2) != 0 || le_at(t, off + 10, 1) != 0)
			continue; /* another segment, or not from bus 0 */
		out->ecam_pa = le_at(t, off, 8);
		out->ecam_last_bus = (uint8_t)le_at(t, off + 11, 1);
		return;
	}
}

/* The FADT names the interrupt of events as the 8259s know it, where there are some [ACPI 5.2.9]. */
static void place_sci(struct acpi_info *out)
{
	uint8_t flags = out->sci_gsi < ACPI_ISA_IRQS ? out->isa_flags[out->sci_gsi] : 0;

	/* Unless an override says otherwise it is a level, active low. */
	out->sci_is_edge = (flags & INTI_TRIGGER) == INTI_EDGE;
	out->sci_is_low = (flags & INTI_POLARITY) != INTI_HIGH;
	if (out->sci_gsi < ACPI_ISA_IRQS)
		out->sci_gsi = out->isa_gsi[out->sci_gsi];
}

int acpi_read(pa_t rsdp_pa, map_fn *map, struct acpi_info *out)
{
	const struct rsdp *r = rsdp_find(rsdp_pa, map);
	const struct table *root = NULL;
	size_t width = 4;

	memset(out, 0, sizeof(*out));
	for (uint32_t irq = 0; irq < ACPI_ISA_IRQS; irq++)
		out->isa_gsi[irq] = irq; /* unless the MADT says otherwise */
	if (!r)
		return KERR_NOT_FOUND;
	if (r->revision >= 2 && r->xsdt_pa) {
		root = table_at(r->xsdt_pa, map, true);
		width = 8;
	}
	if (!root) {
		root = table_at(r->rsdt_pa, map, true);
		width = 4;
	}
	if (!root)
		return KERR_NOT_FOUND;
	for (size_t i = 0; i < TABLES_MAX && sizeof(*root) + (i + 1) * width <= root->bytes; i++) {
		const struct table *t = table_at(le_at(root, sizeof(*root) + i * width, width), map, true);

		if (!t)
			continue;
		if (memcmp(t->signature, "APIC", 4) == 0)
			read_madt(t, out);
		else if (memcmp(t->signature, "FACP", 4) == 0)
			read_fadt(t, map, out);
		else if (memcmp(t->signature, "MCFG", 4) == 0)
			read_mcfg(t, out);
	}
	place_sci(out);
	return 0;
}
