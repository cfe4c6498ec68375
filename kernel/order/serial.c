/* SPDX-License-Identifier: MIT */
/*
 * Orders as lines of text on the second UART, for tests; in the checked build only (CMakeLists.txt). The
 * line is looked at every millisecond; each one is answered by one that begins with the same words.
 *
 *   move GROUP CORE    -> move GROUP CORE ok CONNECTIONS FORCED | move GROUP CORE failed ERROR
 *   owners             -> owners CORE CORE ...    of each group
 *   cores N            -> cores N ok RUNNING CONNECTIONS FORCED | cores N failed ERROR
 *   running            -> running CORE CORE ...
 *   reset              -> reset N                 the device is to be reset; so often it was before
 *
 * [16550D data sheet 8]
 */
#include "kernel/base/bytes.h"
#include "kernel/base/fmt.h"
#include "kernel/cpu/cpu.h"
#include "kernel/flow/flow.h"
#include "kernel/nic/nic.h"
#include "kernel/order/order.h"
#include "kernel/order/source.h"
#include "kernel/time/time.h"

#define PORT 0x2f8u
#define LINE_STATUS 5u
#define SCRATCH 7u
#define DATA_READY 0x01u
#define TRANSMITTER_EMPTY 0x20u
#define LINE_BYTES 64u
#define TEXT_BYTES 512u
#define PERIOD_TICKS (1000u / TIME_TICK_US)
#define BYTES_A_LOOK 512u

/* Boot core. */
static struct order_serial {
	struct time_node timer;
	char line[LINE_BYTES];
	uint32_t fill;
	bool is_too_long;
} order_serial;

static void say(const char *text, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		while (!(cpu_in8(PORT + LINE_STATUS) & TRANSMITTER_EMPTY))
			cpu_pause();
		cpu_out8(PORT, (uint8_t)text[i]);
	}
}

static void say_answer(const struct order_answer *a)
{
	char text[LINE_BYTES];
	size_t n = a->order.op == ORDER_CORES
			   ? fmt_text(text, sizeof(text), "cores %u ", a->order.to)
			   : fmt_text(text, sizeof(text), "move %u %u ", a->order.group, a->order.to);

	if (a->status)
		n += fmt_text(text + n, sizeof(text) - n, "failed %d\n", a->status);
	else if (a->order.op == ORDER_CORES)
		n += fmt_text(text + n, sizeof(text) - n, "ok %u %u %u\n", a->cores, a->connections, a->forced);
	else
		n += fmt_text(text + n, sizeof(text) - n, "ok %u %u\n", a->connections, a->forced);
	say(text, n);
}

static void say_owners(void)
{
	char text[TEXT_BYTES];
	size_t n = fmt_text(text, sizeof(text), "owners");

	for (unsigned g = 0; g < flow_groups(); g++)
		n += fmt_text(text + n, sizeof(text) - n, " %u", flow_owner((uint8_t)g));
	say(text, n);
	say("\n", 1);
}

static void say_running(void)
{
	char text[TEXT_BYTES];
	size_t n = fmt_text(text, sizeof(text), "running");

	for (uint64_t left = cpu_running(); left; left &= left - 1)
		n += fmt_text(text + n, sizeof(text) - n, " %u", (uint32_t)__builtin_ctzll(left));
	say(text, n);
	say("\n", 1);
}

static void reset(void)
{
	char text[LINE_BYTES];
	struct nic_stats stats;

	nic_stats(&stats);
	nic_want_reset();
	say(text, fmt_text(text, sizeof(text), "reset %lu\n", stats.resets));
}

/* The number at *@at, which moves behind it. Return: false if there is none. */
static bool number(const char **at, uint32_t *value)
{
	const char *p = *at;

	*value = 0;
	while (*p == ' ')
		p++;
	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9' && *value < 100000; p++)
		*value = *value * 10 + (uint32_t)(*p - '0');
	*at = p;
	return true;
}

/* Return: false if @line is no order. */
static bool read_order(const char *line, struct order *o)
{
	const char *at = line;

	if (!strncmp(line, "move", 4)) {
		at += 4;
		o->op = ORDER_MOVE;
		return number(&at, &o->group) && number(&at, &o->to) && !*at;
	}
	if (!strncmp(line, "cores", 5)) {
		at += 5;
		o->op = ORDER_CORES;
		return number(&at, &o->to) && !*at;
	}
	return false;
}

static void obey(const char *line)
{
	struct order o = { 0 };
	int err;

	if (!strcmp(line, "owners")) {
		say_owners();
	} else if (!strcmp(line, "running")) {
		say_running();
	} else if (!strcmp(line, "reset")) {
		reset();
	} else if (read_order(line, &o)) {
		err = order_submit(&o);
		if (err)
			say_answer(&(struct order_answer){ .order = o, .status = err });
	} else {
		say("what?\n", 6);
	}
}

static void take(char c)
{
	struct order_serial *s = &order_serial;

	if (c == '\n') {
		s->line[s->fill] = '\0';
		obey(s->is_too_long ? "" : s->line);
		s->fill = 0;
		s->is_too_long = false;
	} else if (s->fill + 1 < LINE_BYTES) {
		s->line[s->fill++] = c;
	} else {
		s->is_too_long = true;
	}
}

static void look(struct time_node *node)
{
	for (unsigned n = 0; n < BYTES_A_LOOK && (cpu_in8(PORT + LINE_STATUS) & DATA_READY); n++)
		take((char)cpu_in8(PORT));
	time_arm(node, time_now() + PERIOD_TICKS);
}

void order_source_start(void)
{
	cpu_out8(PORT + SCRATCH, 0x5a);
	if (cpu_in8(PORT + SCRATCH) != 0x5a)
		return; /* the machine has no second UART */
	order_on_answer(say_answer);
	time_node_init(&order_serial.timer, look);
	time_arm(&order_serial.timer, time_now() + PERIOD_TICKS);
}
