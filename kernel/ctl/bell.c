/* SPDX-License-Identifier: MIT */
/*
 * What ends HLT from outside beside the network: a byte on the second UART [16550D data sheet 8] and the power button
 * [ACPI 6.5 4.8.3.1]. Both come as edges; what they mean is looked up after the core is awake. Boot core.
 */
#include "kernel/acpi/acpi.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/start.h"
#include "kernel/ctl/page.h"
#include "kernel/sys/sys.h"

#define COM2 0x2f8u
#define COM2_IRQ 3u
#define UART_IER 1u
#define UART_FCR 2u
#define UART_LCR 3u
#define UART_MCR 4u
#define UART_LSR 5u
#define UART_SCRATCH 7u
#define IER_RECEIVED 0x01u
#define FCR_ON_AND_EMPTY 0x07u
#define LCR_8N1 0x03u
#define MCR_DTR_RTS_OUT2 0x0bu /* OUT2 lets the interrupt through */
#define LSR_DATA_READY 0x01u
#define BYTES_A_LOOK 64u
#define PM1_POWER_BUTTON (1u << 8)
#define PM1_ENABLE_OFFSET 2u /* half of PM1_EVT_LEN, which is 4 in QEMU */
#define ENABLE_SPINS 100000u
#define PM1_SCI_ENABLED 1u

static uint16_t pm1a_event; /* 0: no power button */
static bool has_uart;

/* Without a page nobody rings, and what comes is not for us: tests give a checked kernel orders there (kernel/order/serial.c). */
static void uart_begin(const struct acpi_info *acpi)
{
	if (!ctl_page)
		return;
	cpu_out8(COM2 + UART_SCRATCH, 0x5a);
	if (cpu_in8(COM2 + UART_SCRATCH) != 0x5a)
		return; /* the machine has no second UART */
	if (ioapic_route(acpi->isa_gsi[COM2_IRQ], CPU_VECTOR_UART, cpu_apic_id(0)))
		return;
	cpu_out8(COM2 + UART_LCR, LCR_8N1);
	cpu_out8(COM2 + UART_FCR, FCR_ON_AND_EMPTY);
	cpu_out8(COM2 + UART_MCR, MCR_DTR_RTS_OUT2);
	cpu_out8(COM2 + UART_IER, IER_RECEIVED);
	has_uart = true;
}

/* Firmware leaves events to SMIs until it is asked to give them to us. */
static void button_begin(const struct acpi_info *acpi)
{
	if (!acpi->pm1a_event_port || !acpi->pm1a_control_port)
		return;
	if (!(cpu_in16(acpi->pm1a_control_port) & PM1_SCI_ENABLED) && acpi->smi_command_port) {
		cpu_out8(acpi->smi_command_port, acpi->acpi_enable);
		for (unsigned i = 0; i < ENABLE_SPINS && !(cpu_in16(acpi->pm1a_control_port) & PM1_SCI_ENABLED); i++)
			cpu_pause();
	}
	if (ioapic_route(acpi->sci_gsi, CPU_VECTOR_SCI, cpu_apic_id(0)))
		return;
	pm1a_event = acpi->pm1a_event_port;
	cpu_out16(pm1a_event, PM1_POWER_BUTTON); /* written 1: cleared */
	cpu_out16((uint16_t)(pm1a_event + PM1_ENABLE_OFFSET), PM1_POWER_BUTTON);
}

void bell_init(const struct acpi_info *acpi)
{
	if (ioapic_init(acpi->ioapic_pa, acpi->ioapic_gsi))
		return; /* nothing but the network and the clock will wake us */
	uart_begin(acpi);
	button_begin(acpi);
}

void bell_take(void)
{
	for (unsigned n = 0; has_uart && n < BYTES_A_LOOK && (cpu_in8(COM2 + UART_LSR) & LSR_DATA_READY); n++)
		(void)cpu_in8(COM2);
	if (pm1a_event && (cpu_in16(pm1a_event) & PM1_POWER_BUTTON)) {
		cpu_out16(pm1a_event, PM1_POWER_BUTTON);
		guest_note_stop();
		sys_signal();
	}
	ctl_has_news = true;
	if (ctl_core.block)
		ctl_core.publish_at = 0; /* the next turn looks at the page */
}
