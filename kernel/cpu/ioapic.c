/* SPDX-License-Identifier: MIT */
/* The I/O APIC: from lines of old devices to vectors of a core [82093AA data sheet 3]. Boot core, at start. */
#include "kernel/base/err.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/start.h"
#include "kernel/mem/map.h"

#define IOREGSEL 0x00u
#define IOWIN 0x10u
#define REGISTERS_BYTES 0x20u
#define IOAPICVER 0x01u
#define IOREDTBL(input) (0x10u + 2 * (input)) /* low half; the high one follows */
#define INPUTS_MAX 240u
#define REDIRECTION_LOW (1u << 13)
#define REDIRECTION_LEVEL (1u << 15)
#define REDIRECTION_MASKED (1u << 16)
#define DESTINATION_SHIFT 24u

static volatile uint8_t *ioapic; /* NULL: none */
static uint32_t ioapic_first;    /* global interrupt of input 0 */
static uint32_t ioapic_inputs;
static uint32_t level_register, level_entry; /* of the one input that is a level; 0: none */
static bool is_held;

static void write_register(uint32_t reg, uint32_t v)
{
	*(volatile uint32_t *)(ioapic + IOREGSEL) = reg;
	*(volatile uint32_t *)(ioapic + IOWIN) = v;
}

static uint32_t read_register(uint32_t reg)
{
	*(volatile uint32_t *)(ioapic + IOREGSEL) = reg;
	return *(volatile uint32_t *)(ioapic + IOWIN);
}

int ioapic_init(pa_t pa, uint32_t first_gsi)
{
	level_entry = 0;
	is_held = false;
	ioapic = pa ? map_device(pa, REGISTERS_BYTES) : NULL;
	if (!ioapic)
		return KERR_NOT_FOUND;
	ioapic_first = first_gsi;
	ioapic_inputs = (read_register(IOAPICVER) >> 16 & 0xff) + 1;
	if (ioapic_inputs > INPUTS_MAX) { /* nothing answers there: all ones */
		ioapic = NULL;
		return KERR_NOT_FOUND;
	}
	for (uint32_t i = 0; i < ioapic_inputs; i++)
		write_register(IOREDTBL(i), REDIRECTION_MASKED);
	return 0;
}

int ioapic_route(uint32_t gsi, uint8_t vector, uint32_t apic_id, unsigned signal)
{
	uint32_t input = gsi - ioapic_first;
	uint32_t entry = vector | (signal & IOAPIC_LOW ? REDIRECTION_LOW : 0) |
			 (signal & IOAPIC_LEVEL ? REDIRECTION_LEVEL : 0); /* fixed, physical */

	if (!ioapic || gsi < ioapic_first || input >= ioapic_inputs || apic_id > UINT8_MAX)
		return KERR_NOT_FOUND;
	if (signal & IOAPIC_LEVEL) {
		level_register = IOREDTBL(input);
		level_entry = entry;
	}
	write_register(IOREDTBL(input) + 1, apic_id << DESTINATION_SHIFT);
	write_register(IOREDTBL(input), entry);
	return 0;
}

void ioapic_hold(void)
{
	if (!level_entry)
		return;
	write_register(level_register, level_entry | REDIRECTION_MASKED);
	is_held = true;
}

bool ioapic_is_held(void)
{
	return is_held;
}

void ioapic_release(void)
{
	if (!is_held)
		return;
	is_held = false;
	write_register(level_register, level_entry);
}
