/* SPDX-License-Identifier: MIT */
/*
 * The way of a received frame from queue to owner. Between two cores lies a ring each way; a bit in the
 * receiver's inbox says which rings to look at, so that looking costs one load however many cores there
 * are. Bits are set and sleepers woken once a burst: {push; set bit; read sleeping; IPI} against
 * {set sleeping; fence; look at the bits}.
 */
#include "kernel/flow/group.h"

#include "kernel/base/bytes.h"
#include "kernel/base/log.h"
#include "kernel/cpu/cpu.h"

void flow_core_init(void)
{
	for (uint64_t left = flow_core()->queues; left; left &= left - 1)
		flow_interrupt((uint16_t)__builtin_ctzll(left));
}

void steer_notify(struct flow_core *c)
{
	const struct flow_state *f = &flow_state;
	uint32_t me = core_id();
	uint64_t to = c->frames_to, mine = 1ull << me;
	uint32_t keeper = CORES_MAX;

	if (c->sends_pushed) {
		fence_full(); /* who sends for us may change: it looks at the ring after it is in the table (come.c) */
		keeper = __atomic_load_n(&f->keeper[me % f->pairs], __ATOMIC_ACQUIRE);
		to |= 1ull << keeper;
	}
	while (to) {
		uint32_t target = (uint32_t)__builtin_ctzll(to);
		struct flow_inbox *in = &f->inbox[target];

		to &= to - 1;
		/* An atomic OR is a full fence: it comes before the look at sleeping. */
		if (c->frames_to >> target & 1)
			__atomic_fetch_or(&in->frames, mine, __ATOMIC_SEQ_CST);
		if (target == keeper)
			__atomic_fetch_or(&in->sends, mine, __ATOMIC_SEQ_CST);
		/* Whoever takes the word away rings: one wake-up a sleep, however long it takes to get up. */
		if (target != me && __atomic_load_n(&in->sleeping, __ATOMIC_SEQ_CST) &&
		    __atomic_exchange_n(&in->sleeping, 0, __ATOMIC_SEQ_CST)) {
			cpu_wake(target);
			c->stats.wakes++;
		}
	}
	c->frames_to = 0;
	c->sends_pushed = false;
}

bool flow_hand(uint32_t core, struct buf *first)
{
	struct flow_core *c = flow_core();

	if (!ring_push(&flow_state.frames[core * flow_state.cores + core_id()], first)) {
		c->stats.hand_drops++;
		return false;
	}
	c->frames_to |= 1ull << core;
	c->stats.handed_over++;
	return true;
}

static unsigned take_handed(struct flow_core *c, struct buf **out, unsigned max)
{
	const struct flow_state *f = &flow_state;
	uint32_t me = core_id();
	unsigned n = 0;

	if (peek(&f->inbox[me].frames))
		c->frames_from |= __atomic_exchange_n(&f->inbox[me].frames, 0, __ATOMIC_ACQ_REL);
	while (c->frames_from && n < max) {
		uint32_t from = bit_from(c->frames_from, c->handed_at);
		struct ring *r = &f->frames[me * f->cores + from];

		for (; n < max; n++) {
			out[n] = ring_take(r);
			if (!out[n])
				break;
			__builtin_prefetch(out[n]);
		}
		if (n == max)
			c->handed_at = bit_behind(from); /* its bit stays: there may be more */
		else
			c->frames_from &= ~(1ull << from);
	}
	return n;
}

/* Frames of other cores' groups go to them. Return: those that stay, at the front of @out. */
static __attribute__((noinline)) unsigned hand_foreign(struct buf **out, unsigned count)
{
	uint32_t me = core_id();
	unsigned mine = 0;

	for (unsigned i = 0; i < count; i++) {
		struct buf *b = out[i];
		uint32_t core = group_core_of(b);

		if (likely(core == me))
			out[mine++] = b;
		else if (!flow_hand(core, b))
			buf_free_frame(b);
	}
	return mine;
}

static inline unsigned poll_queue(uint16_t queue, struct buf **out, unsigned max)
{
	unsigned count = nic_rx_burst(queue, out, max);

	if (!count || flow_state.mode == FLOW_ONE)
		return count;
	if (flow_state.mode == FLOW_HASH)
		return flow_core()->is_alone ? count : hand_foreign(out, count);
	/* Whatever comes here is this core's; what is the boot core's, net sees and hands over. */
	for (unsigned i = 0; i < count; i++)
		out[i]->group = (uint8_t)queue;
	return count;
}

static inline unsigned poll_own(struct flow_core *c, struct buf **out, unsigned max)
{
	uint64_t left = c->queues;
	unsigned n = 0;

	while (left && n < max) {
		uint32_t queue = bit_from(left, c->queue_at);

		n += poll_queue((uint16_t)queue, out + n, max - n);
		left &= ~(1ull << queue);
		if (n == max)
			c->queue_at = bit_behind(queue);
	}
	return n;
}

static inline bool has_handed(const struct flow_core *c)
{
	return c->frames_from | peek(&flow_state.inbox[core_id()].frames);
}

unsigned flow_rx(struct buf **out, unsigned max)
{
	struct flow_core *c = flow_core();
	unsigned n = 0;

	/* In turns, so that neither source can starve the other. */
	c->is_own_first = !c->is_own_first;
	if (unlikely(has_handed(c)) && !c->is_own_first)
		n = take_handed(c, out, max);
	n += poll_own(c, out + n, max - n);
	if (unlikely(has_handed(c)) && c->is_own_first)
		n += take_handed(c, out + n, max - n);
	if (c->frames_to)
		steer_notify(c);
	return n;
}

unsigned flow_rx_waiting(void)
{
	const struct flow_core *c = flow_core();
	unsigned n = 0;

	for (uint64_t left = c->queues; left; left &= left - 1)
		n += nic_rx_waiting((uint16_t)__builtin_ctzll(left));
	for (uint64_t left = c->frames_from; left; left &= left - 1)
		n += ring_count(&flow_state.frames[core_id() * flow_state.cores + (uint32_t)__builtin_ctzll(left)]);
	return n;
}

/* What can be seen without asking the device. */
static bool has_work(const struct flow_core *c)
{
	const struct flow_state *f = &flow_state;
	uint32_t me = core_id();

	if (peek(&f->inbox[me].frames) | peek(&f->inbox[me].sends) | c->frames_from | c->sends_from)
		return true;
	if (__atomic_load_n(&f->inbox[me].messages, __ATOMIC_RELAXED))
		return true;
	if (has_queue(me))
		return c->stalled || nic_tx_starved((uint16_t)me);
	if (f->done_boot && !ring_is_empty(&f->done_boot[me]))
		return true;
	return !ring_is_empty(&f->done[me]) || (c->is_starved && c->slots_out);
}

bool flow_sleep_begin(void)
{
	const struct flow_state *f = &flow_state;
	struct flow_core *c = flow_core();
	bool is_busy;

	/* Slots come back only when the queue's owner looks for them. */
	if (!has_queue(core_id()) && c->is_starved)
		c->sends_pushed = true;
	steer_notify(c);
	__atomic_store_n(&f->inbox[core_id()].sleeping, 1, __ATOMIC_RELAXED);
	fence_full();
	is_busy = has_work(c);
	for (uint64_t left = c->queues; left && !is_busy; left &= left - 1)
		is_busy = nic_irq_arm((uint16_t)__builtin_ctzll(left));
	return is_busy;
}

void flow_sleep_end(void)
{
	const struct flow_state *f = &flow_state;

	__atomic_store_n(&f->inbox[core_id()].sleeping, 0, __ATOMIC_RELAXED);
	for (uint64_t left = flow_core()->queues; left; left &= left - 1)
		nic_irq_disarm((uint16_t)__builtin_ctzll(left));
}

void flow_core_stats(struct flow_stats *out)
{
	*out = flow_core()->stats;
}

void flow_stats(struct flow_stats *out)
{
	memset(out, 0, sizeof(*out));
	for (uint32_t i = 0; i < flow_state.cores; i++) {
		const struct flow_stats *s = &flow_state.core[i].stats;

		out->handed_over += READ_ONCE(s->handed_over);
		out->hand_drops += READ_ONCE(s->hand_drops);
		out->wakes += READ_ONCE(s->wakes);
		out->tx_remote += READ_ONCE(s->tx_remote);
		out->tx_drops += READ_ONCE(s->tx_drops);
	}
}
