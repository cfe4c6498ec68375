/* SPDX-License-Identifier: MIT */
/* The one signal that there is: somebody outside wants the application to finish. Boot core. */
#include "kernel/base/percore.h"
#include "kernel/event/event.h"
#include "kernel/sys/sys.h"

static PERCORE bool is_pending;

void sys_signal(void)
{
	is_pending = true;
}

void sys_signal_events(void)
{
	if (likely(!is_pending) || !event_room())
		return;
	event_push(&(struct ix_event){ .kind = IX_EV_SIGNAL, .detail = 1 });
	is_pending = false;
}
