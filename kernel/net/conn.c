/* SPDX-License-Identifier: MIT */
/*
 * How long a connection's memory lives. lwIP, ring 3 (its handle), a queue of this core and the device
 * may each still need the block; the last one to let go frees it. The handle goes when IX_EV_DEAD has
 * been written, never before.
 */
#include "kernel/abi/status.h"
#include "kernel/base/bytes.h"
#include "kernel/flow/flow.h"
#include "kernel/mem/mem.h"
#include "kernel/net/core.h"
#include "kernel/net/demux.h"
#include "kernel/net/backlog.h"
#include "kernel/net/output.h"
#include "kernel/net/tcp_ecn.h"
#include "kernel/net/tcp_ts.h"

#define OOSEQ_BUDGET 16u /* one in so many receive buffers may wait out of order, all connections of a core together */

#define MSS_LEAST 48u /* whatever a peer says: else it makes us cut what we send into segments of a byte */

#define QUICK_ACKS 16u /* so many segments of data are acknowledged in the batch in which they come */

PERCORE struct net_core net_self;

/* ---- queues ---- */
void conn_mark(struct conn *c)
{
	QUEUE_PUSH(&net_self.dirty, c, dirty_next, CONN_ON_DIRTY);
}

void conn_touch(struct conn *c)
{
	QUEUE_PUSH(&net_self.out, c, out_next, CONN_ON_OUT);
}

static struct conn *queue_take(struct conn_queue *queue, struct conn *next, unsigned flag)
{
	struct conn *c = queue->head;

	queue->head = next;
	if (!next)
		queue->tail = NULL;
	c->flags &= ~flag;
	return c;
}

struct conn *conn_take_dirty(void)
{
	struct conn *c = net_self.dirty.head;

	return c ? queue_take(&net_self.dirty, c->dirty_next, CONN_ON_DIRTY) : NULL;
}

struct conn *conn_take_out(void)
{
	struct conn *c = net_self.out.head;

	return c ? queue_take(&net_self.out, c->out_next, CONN_ON_OUT) : NULL;
}

struct conn *conn_take_delack(struct conn_queue *queue)
{
	return queue->head ? queue_take(queue, queue->head->delack_next, CONN_ON_DELACK) : NULL;
}

void conn_wait_delack(struct conn *c)
{
	struct conn_queue *queue = unlikely(c->quick_acks) ? &net_self.quick : &net_self.delack;

	c->delack_ms = (uint16_t)net_self.now_ms;
	QUEUE_PUSH(queue, c, delack_next, CONN_ON_DELACK);
}

/* ---- life ---- */
static bool is_needed(const struct conn *c)
{
	return c->handle || (c->flags & CONN_ON_ANY) || c->busy[0] || c->busy[1];
}

void conn_free_if_done(struct conn *c)
{
	if (!(c->flags & CONN_GONE) || is_needed(c))
		return;
	conn_drop_rx(c, false);
	mem_free(pcb_of(c));
}

/* ---- between two cores ---- */
void conn_leave(struct conn *c)
{
	time_cancel(&c->timer);
	backlog_pass(c);
	list_remove(&c->link);
	net_self.ooseq_count -= c->ooseq_held;
	net_self.stats.connections--;
}

void conn_join(struct conn *c)
{
	backlog_receive(c);
	if (c->ooseq_held && !(c->flags & CONN_HALF_OPEN))
		list_add_tail(&net_self.ooseq, &c->link);
	net_self.ooseq_count += c->ooseq_held;
	net_self.stats.connections++;
	timers_resume(c);
	if (pcb_of(c)->flags & TF_ACK_DELAY)
		tcp_ack_now(pcb_of(c)); /* its place in the queue of delayed ones is gone */
	conn_touch(c);
	if (c->handle)
		conn_mark(c);
}

/* lwIP frees its part right after this; what it has queued is freed already. */
static void on_destroy(u8_t id, void *data)
{
	struct conn *c = data;

	(void)id;
	if (!c)
		return; /* never got as far as conn_init() */
	demux_remove(c);
	ecn_free(c);
	time_cancel(&c->timer);
	backlog_leave(c);
	limit_give(c);
	net_self.ooseq_count -= c->ooseq_held;
	c->ooseq_held = 0;
	list_remove(&c->link);
	c->flags |= CONN_GONE;
	net_self.stats.connections--;
	if (c->flags & CONN_CLOSING)
		conn_end(c);
	/* lwIP may yet report it [tcp_abandon(), tcp_slowtmr()]: net_output() frees it at the earliest. */
	if (!is_needed(c))
		conn_touch(c);
	net_self.keep = pcb_of(c);
}

void conn_begin_passive(struct tcp_pcb *pcb, const struct binding *b)
{
	struct conn *c = conn_of(pcb);

	conn_init(pcb);
	kcheck(b->port == pcb->local_port); /* the listener's, whatever other cores do to the table */
	c->cookie = b->cookie;
	c->rto_floor_ms = b->rto_floor_ms;
	ts_init(c);
	ecn_accept(c, b->ecn);
	net_self.tx_conn = c; /* lwIP answers now */
	if (!net_shared.has_timestamps)
		tcp_clear_flags(pcb, TF_TIMESTAMP);
	backlog_half_open(c, b);
}

static err_t on_passive_open(u8_t id, struct tcp_pcb_listen *listener, struct tcp_pcb *pcb)
{
	(void)id;
	conn_begin_passive(pcb, listener->callback_arg);
	return ERR_OK;
}

const struct tcp_ext_arg_callbacks conn_ext_callbacks = { on_destroy, on_passive_open };

void conn_init(struct tcp_pcb *pcb)
{
	struct conn *c = conn_of(pcb);

	memset(c, 0, sizeof(*c));
	list_init(&c->link);
	c->group = FLOW_GROUP_NONE;
	owner_take(&c->owner);
	timers_init(c);
	c->quick_acks = QUICK_ACKS;
	tcp_arg(pcb, c);
	tcp_nagle_disable(pcb);
	tcp_ext_arg_set(pcb, net_self.ext_id, c);
	/* lwIP does not hand them down from the listener. */
	tcp_ext_arg_set_callbacks(pcb, net_self.ext_id, &conn_ext_callbacks);
	net_self.stats.connections++;
}

struct conn *conn_find(ix_handle_t handle)
{
	struct conn *c = net_handle_find(handle, NET_CONNECTION);

	if (!c || (c->flags & (CONN_KNOCK | CONN_MOVING | CONN_MOVED)))
		return NULL; /* not before ring 3 was told of it, nor between two cores */
	owner_check(&c->owner);
	return c;
}

void conn_established(struct conn *c, unsigned event)
{
	if (!net_shared.has_timestamps) /* nor from a peer that was not asked */
		tcp_clear_flags(pcb_of(c), TF_TIMESTAMP);
	pcb_of(c)->mss = MAX(pcb_of(c)->mss, (u16_t)MSS_LEAST);
	c->flags |= event;
	conn_mark(c);
}

/* ---- the end ---- */
void conn_end(struct conn *c)
{
	if ((c->flags & CONN_DEAD) || !c->handle)
		return;
	if (c->flags & CONN_KNOCK) { /* ring 3 has never heard of it */
		c->flags &= ~CONN_KNOCK;
		net_handle_free(c->handle);
		c->handle = 0;
		return;
	}
	c->flags |= CONN_DEAD;
	if (!c->busy[0] && !c->busy[1])
		conn_mark(c); /* else when the device has given back what it has of ring 3 */
}

void conn_told_dead(struct conn *c)
{
	conn_drop_rx(c, true);
	net_handle_free(c->handle);
	c->handle = 0;
	c->flags &= ~CONN_DEAD;
	conn_free_if_done(c);
}

void conn_check_over(struct conn *c)
{
	enum tcp_state state = pcb_of(c)->state;

	if ((state == FIN_WAIT_2 || state == TIME_WAIT) && c->released == c->queued)
		conn_end(c);
}

void conn_abort(struct conn *c, unsigned reason)
{
	owner_check(&c->owner);
	kcheck(!(c->flags & CONN_MOVING));
	if (!c->reason)
		c->reason = (uint8_t)reason;
	if (c->flags & CONN_GONE)
		conn_end(c);
	else
		tcp_abort(pcb_of(c));
}

void conn_drop_rx(struct conn *c, bool grace)
{
	struct buf *b = c->rx_head;

	while (b) {
		struct rx_buf *x = rx_of(b);
		struct buf *next = x->next;

		x->owner = NULL;
		if (grace) {
			x->next = net_self.grace_bufs;
			net_self.grace_bufs = b;
		} else {
			rx_put(b);
		}
		b = next;
	}
	c->rx_head = c->rx_tail = c->rx_tell = NULL;
	c->rx_held = c->rx_untold = c->rx_lent = 0;
}

/* ---- after each segment ---- */
static APART void account_ooseq(struct conn *c)
{
	const struct tcp_seg *seg;
	unsigned held = 0;

	for (seg = pcb_of(c)->ooseq; seg; seg = seg->next)
		held += pbuf_clen(seg->p);
	net_self.ooseq_count += held - c->ooseq_held;
	if (!held)
		list_remove(&c->link);
	else if (!c->ooseq_held)
		list_add_tail(&net_self.ooseq, &c->link);
	c->ooseq_held = (uint16_t)held;
	while (net_self.ooseq_count > buf_total() / OOSEQ_BUDGET) {
		struct conn *oldest = CONTAINER_OF(net_self.ooseq.next, struct conn, link);

		tcp_free_ooseq(pcb_of(oldest));
		net_self.ooseq_count -= oldest->ooseq_held;
		oldest->ooseq_held = 0;
		list_remove(&oldest->link);
	}
}

static void note_delayed_ack(struct conn *c)
{
	if (!(pcb_of(c)->flags & TF_ACK_DELAY))
		return;
	if (unlikely(c->quick_acks))
		c->quick_acks--; /* a beginner's window grows by acknowledgements [RFC 5681 3.1] */
	if (!(c->flags & CONN_ON_DELACK))
		conn_wait_delack(c);
}

void conn_after_plain(struct conn *c)
{
	const struct tcp_pcb *pcb = pcb_of(c);

	if (unlikely(pcb->so_options))
		timers_post(c);
	else if (pcb->rtime == 0)
		timers_restart(c);
	else if (pcb->rtime < 0)
		timers_stop(c);
	note_delayed_ack(c);
	if (unlikely(net_self.is_sending_blocked))
		conn_touch(c);
}

void conn_after(struct conn *c)
{
	const struct tcp_pcb *pcb = pcb_of(c);

	timers_post(c);
	note_delayed_ack(c);
	if (unlikely(pcb->ooseq || c->ooseq_held))
		account_ooseq(c);
	if (unlikely(c->flags & CONN_CLOSING))
		conn_check_over(c);
	if (unlikely(net_self.is_sending_blocked))
		conn_touch(c);
}
