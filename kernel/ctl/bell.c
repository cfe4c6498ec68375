/* SPDX-License-Identifier: MIT */
/*
 * What ends HLT from outside beside the network: a byte on the second UART [16550D data sheet 8] and events of the machine
 * (kernel/acpi/events.c), the power button among them. What they mean is looked up after the core is awake. Boot core.
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

static bool has_uart;

/* Without a page nobody rings, and what comes is not for us: tests give a checked kernel orders there (kernel/order/serial.c). */
static void uart_begin(const struct acpi_info *acpi)
{
	if (!ctl_page)
		return;
	cpu_out8(COM2 + UART_SCRATCH, 0x5a);
	if (cpu_in8(COM2 + UART_SCRATCH) != 0x5a)
		return; /* the machine has no second UART */
	if (ioapic_route(acpi->isa_gsi[COM2_IRQ], CPU_VECTOR_UART, cpu_apic_id(0), 0))
		return;
	cpu_out8(COM2 + UART_LCR, LCR_8N1);
	cpu_out8(COM2 + UART_FCR, FCR_ON_AND_EMPTY);
	cpu_out8(COM2 + UART_MCR, MCR_DTR_RTS_OUT2);
	cpu_out8(COM2 + UART_IER, IER_RECEIVED);
	has_uart = true;
}

static void on_button(void)
{
	guest_note_stop();
	sys_signal();
}

void bell_init(const struct acpi_info *acpi)
{
	uart_begin(acpi);
	acpi_on_button(on_button);
}

void bell_take(void)
{
	for (unsigned n = 0; has_uart && n < BYTES_A_LOOK && (cpu_in8(COM2 + UART_LSR) & LSR_DATA_READY); n++)
		(void)cpu_in8(COM2);
	ctl_has_news = true;
	if (ctl_core.block)
		ctl_core.publish_at = 0; /* the next turn looks at the page */
}
