/* SPDX-License-Identifier: MIT */
/* The three ways a guest ends: exit device [QEMU hw/misc/debugexit.c], pvpanic [QEMU docs/specs/pvpanic], ACPI S5. */
#include "kernel/abi/exit.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/start.h"

#define PVPANIC_PORT 0x505
#define PVPANIC_PANICKED 1u
#define PM1_CNT_SLP_EN (1u << 13) /* [ACPI 6.5 4.8.3.2] */

static uint16_t pm1a_control;
static uint8_t s5_type;
static void (*on_exit)(unsigned how);
static volatile uint8_t *pvpanic; /* the register of the PCI device, NULL: none known */

void power_init(uint16_t pm1a_control_port, uint8_t type)
{
	pm1a_control = pm1a_control_port;
	s5_type = type;
}

void power_on_exit(void (*fn)(unsigned how))
{
	on_exit = fn;
}

void power_pvpanic(volatile uint8_t *device)
{
	pvpanic = device;
}

/* No exit device: tell the host by what plain libvirt understands. A device that is not there reads as all ones. */
static void say_panic(void)
{
	if (pvpanic)
		*pvpanic = PVPANIC_PANICKED;
	else if (cpu_in8(PVPANIC_PORT) != 0xff)
		cpu_out8(PVPANIC_PORT, PVPANIC_PANICKED);
}

void power_exit(unsigned how)
{
	if (on_exit)
		on_exit(how);
	cpu_out32(IX_EXIT_PORT, how);
	if (how == IX_EXIT_PANIC)
		say_panic();
	if (pm1a_control)
		cpu_out16(pm1a_control, (uint16_t)(PM1_CNT_SLP_EN | s5_type << 10));
	/* Nobody listened: at least nothing goes on behind the report. */
	apic_stop_others();
	for (;;)
		__asm__ volatile("cli; hlt");
}
