/* SPDX-License-Identifier: MIT */
/*
 * Sending without copying: what ring 3 offers is referenced where it lies, and counts as sent when the
 * peer has acknowledged it and the device holds no frame over it. Frames are counted by parity: after an
 * acknowledgement the parity changes, and when the old one's count reaches zero all frames that could
 * hold the acknowledged bytes are back.
 */
#include "kernel/abi/status.h"
#include "kernel/net/handle.h"
#include "kernel/net/output.h"
#include "kernel/net/tcp_queue.h"
#include "kernel/net/tcp_recover.h"
#include "kernel/net/udp.h"

#define DELACK_MS 10u  /* ring 3 has answered by then, or will not soon */
#define QUICK_MS 1u    /* the same where the peer is beginning: it may wait for an acknowledgement to send more */
#define RETRY_TICKS 4u /* 64 us: the transmit queue was full */
#define DEBT_TICKS 62u /* 1 ms: the device still has memory of ring 3 */

void tcp_out_release(struct conn *c)
{
	owner_check(&c->owner);
	if (unlikely(c->flags & CONN_GONE)) {
		if (c->busy[0] || c->busy[1])
			return;
		if (c->flags & CONN_DEAD)
			conn_mark(c);
		conn_free_if_done(c);
		return;
	}
	if (likely(!c->busy[0] && !c->busy[1])) {
		c->released = c->acked;
		c->flags &= ~CONN_GRACE;
	}
	while (c->released != c->acked || (c->flags & CONN_GRACE)) {
		if (c->flags & CONN_GRACE) {
			if (c->busy[c->epoch ^ 1])
				break;
			c->released = c->grace_mark;
			c->flags &= ~CONN_GRACE;
		}
		if (c->acked == c->released)
			break;
		c->grace_mark = c->acked;
		c->epoch ^= 1;
		c->flags |= CONN_GRACE;
	}
	if (c->released != c->reported && c->handle)
		conn_mark(c);
	if (unlikely(c->flags & CONN_CLOSING))
		conn_check_over(c);
}

uint32_t tcp_out_room(struct conn *c)
{
	const struct tcp_pcb *pcb = pcb_of(c);

	if ((c->flags & (CONN_GONE | CONN_SHUT | CONN_CLOSING)) || !tcp_queue_has_room(pcb))
		return 0;
	return pcb->snd_buf;
}

/* A range in a lent buffer must lie in data that this connection has been told of and not given back. */
static bool is_range_good(const struct conn *c, const struct net_range *r)
{
	const struct rx_buf *x;
	uint64_t first;

	if (!r->lent)
		return true;
	x = rx_of(r->lent);
	first = (uint64_t)(r->data - r->lent->data);
	return x->owner == c && first >= x->start && first + r->bytes <= (uint64_t)x->start + x->told;
}

int tcp_out_status(const struct conn *c)
{
	if (!(c->flags & CONN_ACCEPTED))
		return IX_BAD_CALL;
	if (c->flags & (CONN_CLOSING | CONN_SHUT | CONN_GONE | CONN_DEAD))
		return IX_CLOSED;
	return pcb_of((struct conn *)(uintptr_t)c)->state < ESTABLISHED ? IX_BAD_CALL : IX_OK;
}

/* @taken bytes of @count ranges wait to be sent. */
static WITHIN int after_call(struct conn *c, unsigned count, unsigned flags, uint64_t taken)
{
	conn_touch(c);
	/* Nothing taken and nothing under way: no IX_EV_SENT would call for another try. */
	if (unlikely(!taken && count && c->queued == c->released))
		return IX_NO_MEMORY;
	return (flags & IX_SENDV_DONE) && taken ? tcp_rx_done(c, taken) : IX_OK;
}

int net_send(ix_handle_t handle, const struct net_range *range, unsigned flags, uint64_t *taken)
{
	struct conn *c = conn_find(handle);
	int status = likely(c != NULL) ? tcp_out_status(c) : handle_missing(handle);

	*taken = 0;
	if (unlikely(status != IX_OK))
		return status;
	if (unlikely(!is_range_good(c, range)))
		return IX_BAD_ADDRESS;
	if (likely(tcp_fast_write(c, range->data, range->bytes, flags & IX_SENDV_MORE)))
		*taken = range->bytes;
	else
		*taken = tcp_queue_write(c, range, 1, flags & IX_SENDV_MORE);
	return after_call(c, 1, flags, *taken);
}

int net_sendv(ix_handle_t handle, const struct net_range *ranges, unsigned count, unsigned flags, uint64_t *taken)
{
	struct conn *c = conn_find(handle);
	int status = likely(c != NULL) ? tcp_out_status(c) : handle_missing(handle);

	*taken = 0;
	if (unlikely(status != IX_OK))
		return status;
	for (unsigned i = 0; i < count; i++)
		if (unlikely(!is_range_good(c, &ranges[i])))
			return IX_BAD_ADDRESS;
	*taken = tcp_queue_write(c, ranges, count, flags & IX_SENDV_MORE);
	return after_call(c, count, flags, *taken);
}

/* ---- end of a batch ---- */
static void send_conn(struct conn *c)
{
	struct tcp_pcb *pcb = pcb_of(c);

	owner_check(&c->owner);
	if (c->recved) {
		tcp_fast_recved(c, c->recved);
		c->recved = 0;
	}
	if (!tcp_fast_output(c)) {
		net_self.tx_conn = c;
		if (unlikely(c->flags & CONN_RECOVER))
			recover_more(c);
		else if (pcb->unsent)
			recover_idle(c);
		tcp_train_fit(c);
		tcp_output(pcb);
		conn_after(c);
		net_self.tx_conn = NULL;
	}
}

static void send_touched(void)
{
	struct conn *last = net_self.out.tail, *c;

	/* Those that could not send come again behind `last`, for the next turn; the device's queue is full for all. */
	while ((c = conn_take_out()) != NULL) {
		if (c->flags & CONN_GONE)
			conn_free_if_done(c);
		else
			send_conn(c);
		if (c == last || net_self.is_sending_blocked)
			break;
	}
}

/* It may stand in the queue for a segment that has been acknowledged meanwhile; what it owes now came later. */
static bool is_due(const struct conn *c, uint32_t delay_ms)
{
	return net_self.now_ms - c->heard_ms >= delay_ms;
}

static void send_delayed_acks(struct conn_queue *queue, uint32_t delay_ms)
{
	while (queue->head && (uint16_t)(net_self.now_ms - queue->head->delack_ms) >= delay_ms) {
		struct conn *c = conn_take_delack(queue);

		if (c->flags & CONN_GONE) {
			conn_free_if_done(c);
			continue;
		}
		if (!(pcb_of(c)->flags & TF_ACK_DELAY))
			continue;
		if (!is_due(c, delay_ms)) {
			conn_wait_delack(c);
			continue;
		}
		net_self.tx_conn = c;
		tcp_ack_now(pcb_of(c));
		tcp_output(pcb_of(c));
		net_self.tx_conn = NULL;
		conn_after(c);
	}
}

/* When the first of the queue is due, in ticks. */
static uint64_t ack_due(const struct conn_queue *queue, uint32_t delay_ms)
{
	uint32_t waited;

	if (!queue->head)
		return UINT64_MAX;
	waited = (uint16_t)(net_self.now_ms - queue->head->delack_ms);
	return net_self.now_tick + (delay_ms - MIN(waited, delay_ms) + 1) * 1000 / TIME_TICK_US;
}

/* The core must not sleep through what is owed. */
static void arm_tick(void)
{
	uint64_t at = MIN(ack_due(&net_self.delack, DELACK_MS), ack_due(&net_self.quick, QUICK_MS));

	if (net_self.tx_refs)
		at = MIN(at, net_self.now_tick + DEBT_TICKS);
	if (net_self.out.head || net_self.is_sending_blocked)
		at = MIN(at, net_self.now_tick + RETRY_TICKS);
	if (at != UINT64_MAX && (!time_is_armed(&net_self.tick) || net_self.tick.tick > at))
		time_arm(&net_self.tick, at);
}

void net_output(void)
{
	bool is_udp_first = udp_goes_first();

	if (is_udp_first)
		udp_output();
	send_touched();
	if (unlikely(!is_udp_first))
		udp_output();
	if (unlikely(net_self.quick.head))
		send_delayed_acks(&net_self.quick, QUICK_MS);
	if (net_self.delack.head)
		send_delayed_acks(&net_self.delack, DELACK_MS);
	if (net_self.delack.head || net_self.quick.head || net_self.tx_refs || net_self.out.head ||
	    net_self.is_sending_blocked)
		arm_tick();
}
