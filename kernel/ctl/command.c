/* SPDX-License-Identifier: MIT */
/* What the control plane wants, one command at a time. It is the host, which rules over us anyway; its mistakes are refused. */
#include "kernel/abi/crc32c.h"
#include "kernel/abi/status.h"
#include "kernel/base/bytes.h"
#include "kernel/base/err.h"
#include "kernel/cpu/cpu.h"
#include "kernel/ctl/page.h"
#include "kernel/net/net.h"
#include "kernel/order/order.h"
#include "kernel/sys/sys.h"

static struct {
	uint32_t sequence; /* of the last command that was taken */
	bool is_moving;    /* its answer comes with the end of a move */
	bool is_setting;   /* its answer comes when so many cores run */
	struct order moving;
} last;

static void answer3(int32_t status, uint64_t value0, uint64_t value1, uint64_t value2)
{
	struct ix_page_answer *a = page_at(IX_PAGE_AT_ANSWER);

	a->status = status;
	a->value[0] = value0;
	a->value[1] = value1;
	a->value[2] = value2;
	a->value[3] = 0;
	store_release(&a->sequence, last.sequence);
}

static void answer(int32_t status, uint64_t value0, uint64_t value1)
{
	answer3(status, value0, value1, 0);
}

static void on_order(const struct order_answer *a)
{
	if (!last.is_moving || a->order.group != last.moving.group || a->order.to != last.moving.to)
		return; /* of a command that nobody waits for any more */
	last.is_moving = false;
	answer(a->status ? IX_NO_MEMORY : IX_OK, a->connections, a->forced);
}

static void move(const struct ix_page_command *c)
{
	struct order o = { .op = ORDER_MOVE, .group = (uint32_t)c->arg[0], .to = (uint32_t)c->arg[1] };
	int err = c->arg[0] > UINT32_MAX || c->arg[1] > UINT32_MAX ? KERR_INVALID : order_submit(&o);

	if (err) {
		answer(err == KERR_IN_USE ? IX_IN_USE : IX_BAD_CALL, 0, 0);
		return;
	}
	last.is_moving = true;
	last.moving = o;
}

static void on_cores(const struct order_answer *a)
{
	if (!last.is_setting)
		return; /* as above */
	last.is_setting = false;
	answer3(a->status ? IX_IN_USE : IX_OK, a->cores, a->connections, a->forced);
}

static void set_cores(const struct ix_page_command *c)
{
	struct order o = { .op = ORDER_CORES, .to = (uint32_t)c->arg[0], .done = on_cores };

	if (c->arg[0] > UINT32_MAX || order_submit(&o)) {
		answer(IX_BAD_CALL, 0, 0);
		return;
	}
	last.is_setting = true;
}

/* What is open, each core says itself. */
static void drain(const struct ix_page_command *c)
{
	if (c->arg[0] > 1) {
		answer(IX_BAD_CALL, 0, 0);
		return;
	}
	net_drain(c->arg[0]);
	page_ask();
	answer(IX_OK, 0, cpu_tsc_to_us(cpu_tsc()));
}

static void obey(const struct ix_page_command *c)
{
	switch (c->op) {
	case IX_PAGE_PING:
		answer(IX_OK, cpu_count(cpu_running()), 0);
		break;
	case IX_PAGE_STOP:
		guest_note_stop();
		sys_signal();
		answer(IX_OK, 0, 0);
		break;
	case IX_PAGE_DRAIN:
		drain(c);
		break;
	case IX_PAGE_MOVE_GROUP:
		move(c);
		break;
	case IX_PAGE_SET_CORES:
		set_cores(c);
		break;
	case IX_PAGE_CRASH_SEEN:
		answer(crash_seen(c->arg[0]) ? IX_BAD_CALL : IX_OK, 0, 0);
		break;
	default:
		answer(IX_UNSUPPORTED, 0, 0);
	}
}

void command_init(void)
{
	const struct ix_page_command *c = page_at(IX_PAGE_AT_COMMAND);

	last.sequence = READ_ONCE(c->sequence); /* what was said to an earlier start is not for us */
	order_on_answer(on_order);
}

void command_poll(void)
{
	struct ix_page_command *shared = page_at(IX_PAGE_AT_COMMAND), c;
	uint32_t sequence = load_acquire(&shared->sequence);

	if (likely(sequence == last.sequence))
		return;
	memcpy(&c, shared, sizeof(c));
	if (c.sequence != sequence)
		return; /* another one already: look again in a moment */
	last.sequence = sequence;
	last.is_moving = false;
	last.is_setting = false;
	ctl_has_news = true;
	if (c.crc != ix_crc32c(&c, offsetof(struct ix_page_command, crc)))
		answer(IX_BAD_CALL, 0, 0);
	else
		obey(&c);
}
