/* SPDX-License-Identifier: MIT */
/*
 * Listeners: asked for once, ring 0 repeats them on every core; the table is only written here.
 */
#include "lib/ix/core.h"

static struct ix_listener listeners[IX_LISTENERS_MAX];
static uint32_t listener_count;

int ix_listen(uint16_t port, const struct ix_handlers *on, void *user)
{
	struct ix_core *core = ix_this_core();
	uint32_t index = __atomic_fetch_add(&listener_count, 1, __ATOMIC_RELAXED);
	struct ix_listener *l = &listeners[index % IX_LISTENERS_MAX];
	struct ix_endpoint *local;

	if (index >= IX_LISTENERS_MAX)
		return IX_NO_MEMORY;
	l->on = on;
	l->user = user;
	local = ix_batch_arena(core, sizeof(*local));
	*local = (struct ix_endpoint){ .port = port };
	return ix_batch_now(core, IX_OP_LISTEN, (uintptr_t)local, (uintptr_t)l | COOKIE_LISTENER, &l->handle);
}
