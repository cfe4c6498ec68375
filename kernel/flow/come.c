/* SPDX-License-Identifier: MIT */
/*
 * A core that goes leaves its queue to the boot core, and with it those that send through it because they have none; when it comes
 * back it takes both again. What goes from one to the other is written by who gives it away, before the message by which the other
 * hears of it. A core without a queue looks up who sends for it after it has pushed; who begins to send for it looks at the ring
 * after it is in that table: one of both sees the other.
 */
#include "kernel/cpu/cpu.h"
#include "kernel/flow/group.h"

/* Those that are this core's while it runs. */
static uint64_t queues_of(uint32_t core)
{
	const struct flow_state *f = &flow_state;
	uint64_t queues = 0;

	for (uint32_t q = core; q < f->pairs && !flow_is_queue(); q += f->cores)
		queues |= 1ull << q;
	return queues;
}

static void poll_too(uint64_t queues)
{
	flow_core()->queues |= queues;
	for (uint64_t left = queues; left; left &= left - 1)
		flow_interrupt((uint16_t)__builtin_ctzll(left));
}

/* From now on, and for what they have pushed before. */
static void send_for(uint32_t core)
{
	struct flow_core *c = flow_core();

	if (!has_queue(core))
		return;
	c->senders |= senders_through(core);
	c->sends_from |= senders_through(core);
}

bool flow_leave(void)
{
	struct flow_core *c = flow_core();

	c->has_left = true;
	if (c->stalled || c->slots_out || flow_tx_pending())
		return false;
	c->senders = 0;
	c->queues = 0;
	return true;
}

bool flow_is_quiet(void)
{
	const struct flow_core *c = flow_core();

	return !c->frames_from && !peek(&flow_state.inbox[core_id()].frames);
}

void flow_inherit(uint32_t core)
{
	struct flow_state *f = &flow_state;

	if (has_queue(core)) {
		__atomic_store_n(&f->keeper[core], 0, __ATOMIC_SEQ_CST);
		fence_full();
	}
	send_for(core);
	poll_too(queues_of(core));
}

void flow_return(uint32_t core)
{
	struct flow_state *f = &flow_state;
	struct flow_core *c = flow_core();

	c->queues &= ~queues_of(core);
	if (!has_queue(core))
		return;
	c->senders &= ~senders_through(core);
	__atomic_store_n(&f->keeper[core], (uint8_t)core, __ATOMIC_SEQ_CST);
}

void flow_come(void)
{
	flow_core()->has_left = false;
	fence_full();
	send_for(core_id());
	poll_too(queues_of(core_id()));
}

void flow_alone(bool is_alone)
{
	flow_core()->is_alone = is_alone;
}
