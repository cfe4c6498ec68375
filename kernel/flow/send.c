/* SPDX-License-Identifier: MIT */
/*
 * The way of a frame to a transmit queue. A core that has none of its own copies the description (not
 * the data) into a slot and hands it to the queue's owner; the slot, and with it the token, comes back
 * by another ring when the device is done. A core has fewer slots than a ring has places, so neither
 * ring can be full.
 */
#include "kernel/flow/group.h"

#include "kernel/base/assert.h"
#include "kernel/base/bytes.h"
#include "kernel/mem/mem.h"

_Static_assert(FLOW_SLOTS < RING_SLOTS, "a slot always finds room in its rings");

/* NULL: none is free. */
static struct flow_slot *slot_take(struct flow_core *c)
{
	struct flow_slot *s = c->slots_free;

	if (!s) {
		c->is_starved = true;
		c->stats.tx_drops++;
		return NULL;
	}
	c->slots_free = s->next;
	c->slots_out++;
	return s;
}

/* @s, filled in, to the queue's owner. */
static void slot_push(struct flow_core *c, struct flow_slot *s)
{
	bool is_pushed = ring_push(&flow_state.sends[core_id()], s);

	kassert(is_pushed);
	c->sends_pushed = true;
	c->stats.tx_remote++;
}

static bool send_by_other(const struct nic_tx *tx)
{
	struct flow_core *c = flow_core();
	struct flow_slot *s = slot_take(c);

	if (!s)
		return false;
	memcpy(&s->tx, tx, offsetof(struct nic_tx, segs) + tx->seg_count * sizeof(tx->segs[0]));
	slot_push(c, s);
	return true;
}

static APART bool send_short_by_other(void *token, const uint8_t *frame, uint32_t bytes, uint16_t csum_offset)
{
	struct flow_core *c = flow_core();
	struct flow_slot *s = slot_take(c);

	if (!s)
		return false;
	s->tx.token = token;
	s->tx.flags = NIC_TX_NEEDS_CSUM;
	s->tx.csum_start = NIC_TX_HEADERS;
	s->tx.csum_offset = csum_offset;
	s->tx.seg_count = 1;
	s->tx.segs[0] = (struct nic_seg){ mem_pa(frame), bytes };
	slot_push(c, s);
	return true;
}

bool flow_tx(const struct nic_tx *tx)
{
	if (likely(has_queue(core_id())))
		return nic_tx((uint16_t)core_id(), tx);
	return send_by_other(tx);
}

bool flow_tx_short(void *token, uint8_t *frame, uint32_t bytes, uint16_t csum_offset)
{
	if (likely(has_queue(core_id())))
		return nic_tx_short((uint16_t)core_id(), token, frame, bytes, csum_offset);
	return send_short_by_other(token, frame, bytes, csum_offset);
}

uint32_t flow_tx_room(void)
{
	return has_queue(core_id()) ? nic_tx_room((uint16_t)core_id()) : 0;
}

/* As nic_tx(), but the token that comes back is the slot. */
static bool send_slot(struct flow_slot *s)
{
	void *token = s->tx.token;
	bool is_sent;

	s->tx.token = s;
	is_sent = nic_tx((uint16_t)core_id(), &s->tx);
	s->tx.token = token;
	return is_sent;
}

void send_for_others(struct flow_core *c)
{
	const struct flow_state *f = &flow_state;
	struct flow_inbox *in = &f->inbox[core_id()];

	if (peek(&in->sends))
		c->sends_from |= __atomic_exchange_n(&in->sends, 0, __ATOMIC_ACQ_REL);
	if (c->stalled && !send_slot(c->stalled))
		return;
	c->stalled = NULL;
	c->sends_from &= c->senders; /* a notice may come to who no longer sends for them */
	if (unlikely(c->has_left))
		return;
	while (c->sends_from) {
		uint32_t from = bit_from(c->sends_from, c->sender_at);
		struct flow_slot *s = ring_take(&f->sends[from]);

		if (!s) {
			c->sends_from &= ~(1ull << from);
		} else if (!send_slot(s)) {
			c->stalled = s;
			c->sender_at = bit_behind(from);
			return;
		}
	}
}

void flow_tx_flush(void)
{
	struct flow_core *c = flow_core();

	if (has_queue(core_id())) {
		if (flow_state.slots)
			send_for_others(c);
		nic_tx_flush((uint16_t)core_id());
	}
	if (c->frames_to || c->sends_pushed)
		steer_notify(c);
}

/* Slots among @tokens go back to the cores they came from. Return: tokens of this core that remain. */
static unsigned return_slots(void **tokens, unsigned count)
{
	const struct flow_state *f = &flow_state;
	unsigned kept = 0;

	for (unsigned i = 0; i < count; i++) {
		struct flow_slot *s = tokens[i];
		bool is_pushed;

		if (s < f->slots || s >= f->slots_end) {
			tokens[kept++] = s;
			continue;
		}
		is_pushed = ring_push(core_id() == s->core % f->pairs ? &f->done[s->core] : &f->done_boot[s->core], s);
		kassert(is_pushed);
	}
	return kept;
}

static unsigned take_done(struct flow_core *c, struct ring *done, void **tokens, unsigned max)
{
	struct flow_slot *s;
	unsigned n = 0;

	while (n < max && (s = ring_take(done))) {
		if (s->tx.token)
			tokens[n++] = s->tx.token;
		s->next = c->slots_free;
		c->slots_free = s;
		c->slots_out--;
		c->is_starved = false;
	}
	return n;
}

static unsigned reclaim_by_other(struct flow_core *c, void **tokens, unsigned max)
{
	unsigned n = take_done(c, &flow_state.done[core_id()], tokens, max);

	if (flow_state.done_boot)
		n += take_done(c, &flow_state.done_boot[core_id()], tokens + n, max - n);
	return n;
}

unsigned flow_tx_reclaim(void **tokens, unsigned max)
{
	const struct flow_state *f = &flow_state;
	uint32_t me = core_id();
	unsigned n;

	if (unlikely(!has_queue(me)))
		return reclaim_by_other(flow_core(), tokens, max);
	n = nic_tx_reclaim((uint16_t)me, tokens, max);
	if (f->slots)
		n = return_slots(tokens, n);
	/* Queues beyond the first are polled by this core but not sent on; they only need to be looked at. */
	for (uint32_t q = me + f->cores; q < f->pairs && n < max; q += f->cores)
		n += nic_tx_reclaim((uint16_t)q, tokens + n, max - n);
	return n;
}

unsigned flow_tx_pending(void)
{
	return has_queue(core_id()) ? nic_tx_pending((uint16_t)core_id()) : flow_core()->slots_out;
}
