/* SPDX-License-Identifier: MIT */
/* The serial console: a 16550 at COM1, polled [PC16550D datasheet 8.0]. Each line goes out in one piece. */
#include "kernel/base/lock.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/start.h"

#define COM1 0x3f8
#define UART_THR 0
#define UART_IER 1
#define UART_FCR 2
#define UART_LCR 3
#define UART_MCR 4
#define UART_LSR 5
#define UART_LSR_THRE 0x20
#define UART_FIFO_BYTES 16u
#define UART_SPINS 100000u
#define LOCK_SPINS 10000000u

static struct lock uart_lock;

void uart_init(void)
{
	cpu_out8(COM1 + UART_IER, 0);
	cpu_out8(COM1 + UART_LCR, 0x80); /* divisor latch */
	cpu_out8(COM1 + 0, 1);           /* 115,200 baud */
	cpu_out8(COM1 + 1, 0);
	cpu_out8(COM1 + UART_LCR, 0x03); /* 8N1 */
	cpu_out8(COM1 + UART_FCR, 0x07); /* FIFOs on and empty */
	cpu_out8(COM1 + UART_MCR, 0x03);
}

/* A core that died while it wrote holds the lock for good: the report of its death goes out all the same. */
static void take_console(void)
{
	for (unsigned spins = 0; spins < LOCK_SPINS && !lock_try(&uart_lock); spins++)
		cpu_pause();
}

void uart_write(const char *text, size_t bytes)
{
	take_console();
	for (size_t i = 0; i < bytes;) {
		unsigned spins = 0;

		/* A console that nobody drains must not stop the dataplane: give up on this text. */
		while (!(cpu_in8(COM1 + UART_LSR) & UART_LSR_THRE) && ++spins < UART_SPINS)
			cpu_pause();
		if (spins == UART_SPINS)
			break;
		for (unsigned n = 0; n < UART_FIFO_BYTES && i < bytes; n++)
			cpu_out8(COM1 + UART_THR, (uint8_t)text[i++]);
	}
	lock_give(&uart_lock);
}
