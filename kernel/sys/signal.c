/* SPDX-License-Identifier: MIT */
/* What ring 3 is told that is about no object of its: somebody outside wants it to finish; its core goes, or is back. */
#include "kernel/base/percore.h"
#include "kernel/event/event.h"
#include "kernel/net/net.h"
#include "kernel/sys/sys.h"

#define PENDING_STOP 1u
#define PENDING_LEAVE 2u
#define PENDING_BACK 4u

static PERCORE uint32_t pending;
static PERCORE bool is_leaving; /* as ring 3 knows it, or is about to */

void sys_signal(void)
{
	pending |= PENDING_STOP;
}

void sys_core(bool leaves)
{
	pending = (pending & PENDING_STOP) | (leaves ? PENDING_LEAVE : PENDING_BACK);
	is_leaving = leaves;
}

bool sys_core_is_leaving(void)
{
	return is_leaving;
}

void sys_core_forget(void)
{
	pending &= PENDING_STOP;
	is_leaving = false;
}

bool sys_core_is_told(void)
{
	return !(pending & (PENDING_LEAVE | PENDING_BACK));
}

static void push(enum ix_event_kind kind, uint16_t detail, uint32_t was_pending)
{
	event_push(&(struct ix_event){ .kind = (uint16_t)kind, .detail = detail });
	pending &= ~was_pending;
}

void sys_signal_events(void)
{
	if (likely(!pending) || event_room() < 2)
		return;
	if (pending & PENDING_STOP)
		push(IX_EV_SIGNAL, 1, PENDING_STOP);
	if (pending & PENDING_BACK)
		push(IX_EV_CORE, 0, PENDING_BACK);
	/* It is to be the last: whatever else there is comes before. */
	else if (pending & PENDING_LEAVE && !net_has_events() && !sys_has_events())
		push(IX_EV_CORE, 1, PENDING_LEAVE);
}
