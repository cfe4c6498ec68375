/* SPDX-License-Identifier: MIT */
/*
 * The call array: how calls are gathered, when they are executed, who is told the results. Nothing that
 * is told a result may issue a call: it only marks connections to be visited.
 */
#include "lib/ix/core.h"
#include "lib/ix/fast.h"

static void pass_on(struct ix_core *core, const struct ix_watch *w)
{
	const struct ix_call *call = &core->calls->calls[w->slot];

	switch ((enum watch_kind)w->kind) {
	case WATCH_ECHO:
		ix_out_result(w->object, call, true);
		break;
	case WATCH_SENDV:
		ix_out_result(w->object, call, false);
		break;
	case WATCH_ACCEPT:
		ix_conn_accepted(w->object, call);
		break;
	case WATCH_CONNECT:
		ix_conn_connected(w->object, call);
		break;
	case WATCH_TIMER:
		if (w->object)
			ix_timer_armed(core, w->object, call);
		break;
	case WATCH_COPY:
		*(struct ix_call *)w->object = *call;
		break;
	}
}

void ix_batch_run(struct ix_core *core, enum ix_entry entry)
{
	core->calls->count = core->call_count;
	ix_entry(entry, 0, 0, 0);
	if (__builtin_expect(core->calls->moved, 0))
		ix_move_gather(core);
	for (const struct ix_watch *w = core->watches, *end = w + core->watch_count; w < end; w++)
		if (w->kind != WATCH_ECHO || !ix_fast_result(w->object, &core->calls->calls[w->slot]))
			pass_on(core, w);
	core->call_count = 0;
	core->watch_count = 0;
	core->arena_fill = 0;
}

void *ix_batch_arena(struct ix_core *core, size_t bytes)
{
	void *at;

	if (core->call_count == IX_CALLS_MAX || bytes > ARENA_BYTES - core->arena_fill)
		ix_batch_run(core, IX_CALL);
	at = core->arena + core->arena_fill;
	core->arena_fill += (uint32_t)(bytes + 15) & ~15u;
	return at;
}

int ix_batch_now(struct ix_core *core, unsigned op, uint64_t arg, uint64_t len, ix_handle_t *handle)
{
	struct ix_call result = { 0 };

	ix_batch_call(core, op, 0, arg, len);
	ix_batch_watch(core, WATCH_COPY, &result);
	ix_batch_run(core, IX_CALL);
	*handle = result.handle;
	return result.status;
}
