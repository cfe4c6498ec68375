/* SPDX-License-Identifier: MIT */
/*
 * Events of the machine itself [ACPI 6.5 4.8.3, 4.8.4]: the power button and general-purpose ones, which share one
 * interrupt (SCI). Who waits for one says so; nothing else is enabled. The interrupt only says "look": the boot core looks
 * at the status bits, and once a second without one, so that none is ever missed for good. Nor can it be held up: after a few
 * rounds with something new in each, or a few interrupts without anything, the line stays masked until that second is over.
 */
#include "kernel/acpi/acpi.h"
#include "kernel/base/err.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/start.h"

#define PM1_POWER_BUTTON (1u << 8)
#define PM1_ENABLE_OFFSET 2u /* half of PM1_EVT_LEN, which is 4 in QEMU */
#define PM1_SCI_ENABLED 1u
#define ENABLE_SPINS 100000u
#define ROUNDS_A_LOOK 8u
#define EMPTY_MAX 8u
#define LOOK_US 1000000u
#define GPES_MAX 2u

static struct {
	uint16_t pm1a; /* 0: none */
	uint16_t gpe0; /* 0: none */
	uint8_t gpe0_bytes;
	unsigned empty; /* interrupts in this second that told of nothing */
	void (*on_button)(void);
	unsigned gpes;
	struct {
		uint16_t port; /* of its status byte */
		uint8_t mask;
		void (*fn)(bool is_told);
	} gpe[GPES_MAX];
	tsc_t look_at; /* without having been told to */
} events;

/* Firmware leaves events to SMIs until it is asked to give them to us. */
static void take_over(const struct acpi_info *acpi)
{
	if ((cpu_in16(acpi->pm1a_control_port) & PM1_SCI_ENABLED) || !acpi->smi_command_port)
		return;
	cpu_out8(acpi->smi_command_port, acpi->acpi_enable);
	for (unsigned i = 0; i < ENABLE_SPINS && !(cpu_in16(acpi->pm1a_control_port) & PM1_SCI_ENABLED); i++)
		cpu_pause();
}

/* Return: whether there is a block: nothing enabled, and read as that. */
static bool clear_enabled(uint16_t gpe0, uint8_t bytes)
{
	uint8_t left = 0;

	for (unsigned i = 0; i < bytes; i++) {
		cpu_out8((uint16_t)(gpe0 + bytes + i), 0);
		left |= cpu_in8((uint16_t)(gpe0 + bytes + i));
	}
	return !left;
}

void acpi_events_init(const struct acpi_info *acpi)
{
	unsigned signal = (acpi->sci_is_edge ? 0 : IOAPIC_LEVEL) | (acpi->sci_is_low ? IOAPIC_LOW : 0);

	events.look_at = 0;
	events.on_button = NULL;
	events.gpes = 0;
	events.empty = 0;
	events.pm1a = 0;
	events.gpe0 = 0;
	if (!acpi->pm1a_event_port || !acpi->pm1a_control_port)
		return;
	take_over(acpi);
	events.pm1a = acpi->pm1a_event_port;
	cpu_out16((uint16_t)(events.pm1a + PM1_ENABLE_OFFSET), 0);
	if (acpi->gpe0_port && clear_enabled(acpi->gpe0_port, acpi->gpe0_bytes)) {
		events.gpe0 = acpi->gpe0_port;
		events.gpe0_bytes = acpi->gpe0_bytes;
	}
	/* Where nothing can interrupt, there is still the look. */
	(void)ioapic_route(acpi->sci_gsi, CPU_VECTOR_SCI, cpu_apic_id(0), signal);
}

void acpi_on_button(void (*fn)(void))
{
	events.on_button = fn;
	if (!events.pm1a)
		return;
	cpu_out16(events.pm1a, PM1_POWER_BUTTON); /* written 1: cleared */
	cpu_out16((uint16_t)(events.pm1a + PM1_ENABLE_OFFSET), PM1_POWER_BUTTON);
}

int acpi_on_gpe(unsigned number, void (*fn)(bool is_told))
{
	uint16_t port = (uint16_t)(events.gpe0 + number / 8);
	uint8_t mask = (uint8_t)(1u << number % 8);

	if (!events.gpe0 || number >= 8u * events.gpe0_bytes || events.gpes == GPES_MAX)
		return KERR_NOT_FOUND;
	cpu_out8(port, mask); /* written 1: cleared */
	port = (uint16_t)(port + events.gpe0_bytes);
	cpu_out8(port, cpu_in8(port) | mask);
	events.gpe[events.gpes].port = (uint16_t)(port - events.gpe0_bytes);
	events.gpe[events.gpes].mask = mask;
	events.gpe[events.gpes++].fn = fn;
	return 0;
}

/* Each is cleared before it is told of: what comes meanwhile sets it again. Return: whether there was one. */
static bool take_round(void)
{
	bool any = false;

	if (events.on_button && events.pm1a && (cpu_in16(events.pm1a) & PM1_POWER_BUTTON)) {
		cpu_out16(events.pm1a, PM1_POWER_BUTTON);
		events.on_button();
		any = true;
	}
	for (unsigned i = 0; i < events.gpes; i++) {
		if (!(cpu_in8(events.gpe[i].port) & events.gpe[i].mask))
			continue;
		cpu_out8(events.gpe[i].port, events.gpe[i].mask);
		events.gpe[i].fn(true);
		any = true;
	}
	return any;
}

bool acpi_events_take(tsc_t now, bool is_rung)
{
	bool is_due = now >= events.look_at;
	unsigned rounds = 0;

	if (!is_rung && !is_due)
		return false;
	if (is_due)
		events.look_at = now + cpu_us_to_tsc(LOOK_US);
	while (rounds < ROUNDS_A_LOOK && take_round())
		rounds++;
	for (unsigned i = 0; is_due && i < events.gpes; i++)
		events.gpe[i].fn(false);
	if (ioapic_is_held() && !rounds)
		events.empty++;
	if (is_due)
		events.empty = 0;
	if (rounds < ROUNDS_A_LOOK && events.empty < EMPTY_MAX)
		ioapic_release();
	return rounds;
}
