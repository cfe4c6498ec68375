/* SPDX-License-Identifier: MIT */
/*
 * The call array of the calling core: in which order calls are executed, and where their status and
 * result go. A call that is refused changes nothing and the next one runs.
 */
#include "kernel/base/assert.h"
#include "kernel/net/net.h"
#include "kernel/sys/batch.h"
#include "kernel/sys/decode.h"
#include "kernel/sys/do.h"
#include "kernel/sys/sys.h"

static PERCORE struct ix_call_array *call_array;

void sys_core_init(struct ix_call_array *array)
{
	call_array = array;
	do_timer_core_init();
}

/* Every value of @c comes from ring 3; handles are checked by who keeps them. 0 is written where a call failed. */
static inline int execute(const struct decoded *c, struct ix_call *slot)
{
	uint64_t result = 0;
	int status = IX_BAD_CALL;

	switch ((enum ix_op)c->op) {
	case IX_OP_NONE:
		return IX_OK;
	case IX_OP_UNLISTEN:
		return net_unlisten(c->handle);
	case IX_OP_ACCEPT:
		return net_accept(c->handle, c->arg);
	case IX_OP_REJECT:
		return net_reject(c->handle);
	case IX_OP_RECV_DONE:
		return net_recv_done(c->handle, c->len);
	case IX_OP_SHUTDOWN:
		return net_shutdown(c->handle);
	case IX_OP_CLOSE:
		return net_close(c->handle);
	case IX_OP_ABORT:
		return net_abort(c->handle);
	case IX_OP_SET:
		return net_set(c->handle, c->arg, c->len);
	case IX_OP_RELEASE:
		return net_release(c->handle);
	case IX_OP_UDP_UNBIND:
		return net_udp_unbind(c->handle);
	case IX_OP_UDP_RECV_DONE:
		return net_udp_recv_done(c->handle, c->len);
	case IX_OP_TIMER_CANCEL:
		return do_timer_cancel(c);
	case IX_OP_SENDV:
		status = do_sendv(c, &result);
		WRITE_ONCE(slot->len, result);
		return status;
	case IX_OP_SEND_BACK:
		status = net_send_back(c->handle, c->len, c->flags, &result);
		WRITE_ONCE(slot->len, result);
		return status;
	case IX_OP_UDP_SENDV:
		status = do_udp_sendv(c, &result);
		WRITE_ONCE(slot->len, result);
		return status;
	case IX_OP_LISTEN:
		status = do_listen(c, &result);
		break;
	case IX_OP_CONNECT:
		status = do_connect(c, &result);
		break;
	case IX_OP_UDP_BIND:
		status = do_udp_bind(c, &result);
		break;
	case IX_OP_TIMER_ARM:
		status = do_timer_arm(c, &result);
		break;
	case IX_OP_NR:
	default:
		return IX_BAD_CALL; /* decode() has refused it */
	}
	WRITE_ONCE(slot->handle, result);
	return status;
}

/* Not inlined: most turns of the loop find an empty array and should not save registers for it. */
static __attribute__((noinline)) unsigned run_batch(struct ix_call_array *array, uint32_t count)
{
	struct ix_call *slot = array->calls;

	for (const struct ix_call *end = slot + count; slot != end; slot++) {
		struct decoded c;
		int status = decode(slot, &c);

		if (likely(status == IX_OK))
			status = execute(&c, slot);
		kcheck(status <= 0 && status > -IX_STATUS_NR);
		WRITE_ONCE(slot->status, status);
	}
	WRITE_ONCE(array->executed, count);
	WRITE_ONCE(array->moved, net_take_moved());
	WRITE_ONCE(array->count, 0);
	return count;
}

unsigned sys_batch(void)
{
	struct ix_call_array *array = call_array;
	uint32_t count = READ_ONCE(array->count);

	if (likely(!count))
		return 0;
	return run_batch(array, MIN(count, IX_CALLS_MAX));
}

void batch_clear(void)
{
	WRITE_ONCE(call_array->count, 0);
	WRITE_ONCE(call_array->executed, 0);
}
