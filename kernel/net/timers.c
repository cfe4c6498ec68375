/* SPDX-License-Identifier: MIT */
/*
 * When lwIP's timers run. Our wheel decides when and how often, lwIP what: a due connection is put alone
 * on lwIP's list and tcp_slowtmr() looks at that list. lwIP sets pcb->rtime to 0 where its timer
 * (re)starts and to -1 where it stops, and only compares it otherwise, so 1 marks a start that we have
 * seen. [RFC 6298 2, 5]
 * Deadlines are lazy: a later one leaves the node where it is, and so does none, since a busy connection
 * soon has another. One that is seldom used takes its node off the wheel: it would be touched once more
 * for nothing, long after it has left the cache.
 */
#include "kernel/net/core.h"
#include "kernel/net/neighbour.h"
#include "kernel/net/tuple.h"
#include "kernel/net/path_mtu.h"
#include "kernel/net/tcp_queue.h"
#include "kernel/net/tcp_recover.h"

#define NEVER UINT64_MAX
#define RTO_SEEN 1
#define RTO_MAX_MS 60000u
#define SYN_RTO_MS 1000u   /* [RFC 6298 2.1] */
#define GIVE_UP_MS 120000u /* data that nobody acknowledges */
#define GIVE_UP_SYN_MS 75000u
#define RETRY_MS 10u      /* lwIP could not send: no memory, or the device has the segment */
#define RETRIES_SHOWN 10u /* lwIP gives up at TCP_MAXRTX retries; we do by time */

static uint64_t ticks_of_ms(uint64_t ms)
{
	return ms * (1000 / 8) / (TIME_TICK_US / 8);
}

static uint64_t due_in(uint32_t ms)
{
	return net_self.now_tick + ticks_of_ms(ms);
}

static uint32_t base_ms(const struct conn *c)
{
	const struct tcp_pcb *pcb = pcb_of((struct conn *)(uintptr_t)c);
	int srtt = (pcb->sa >> 3) + pcb->sv;

	if (pcb->state < ESTABLISHED)
		return SYN_RTO_MS;
	return MAX((uint32_t)MAX(srtt, 0), (uint32_t)c->rto_floor_ms);
}

static uint32_t ladder_ms(const struct conn *c, unsigned retries)
{
	uint64_t ms = (uint64_t)base_ms(c) << MIN(retries, 16u);

	return (uint32_t)MIN(ms, (uint64_t)RTO_MAX_MS);
}

static uint32_t give_up_ms(const struct tcp_pcb *pcb)
{
	return pcb->state < ESTABLISHED ? GIVE_UP_SYN_MS : GIVE_UP_MS;
}

/* The next step of the ladder, or the end of it. */
static uint64_t next_retry(const struct conn *c, const struct tcp_pcb *pcb)
{
	uint32_t silent = net_self.now_ms - c->stalled_ms, limit = give_up_ms(pcb);
	uint32_t left = silent < limit ? limit - silent + 1 : 1;

	return due_in(MIN(ladder_ms(c, pcb->nrtx), left));
}

/* Until pcb->tmr + @limit_ms has passed; never 0. */
static uint64_t idle_deadline(const struct tcp_pcb *pcb, uint32_t limit_ms)
{
	uint32_t idle = tcp_ticks - pcb->tmr;

	return due_in(idle > limit_ms ? 1 : limit_ms - idle + 1);
}

/* Everything but the retransmission timer. */
static uint64_t other_deadline(const struct tcp_pcb *pcb)
{
	uint64_t at = NEVER;

	if (pcb->flags & TF_CLOSEPEND)
		at = due_in(RETRY_MS);
	if (pcb->state == SYN_RCVD)
		at = MIN(at, idle_deadline(pcb, TCP_SYN_RCVD_TIMEOUT));
	if (pcb->state == FIN_WAIT_2 && (pcb->flags & TF_RXCLOSED))
		at = MIN(at, idle_deadline(pcb, TCP_FIN_WAIT_TIMEOUT));
	if (pcb->state == LAST_ACK)
		at = MIN(at, idle_deadline(pcb, 2 * TCP_MSL));
	if (ip_get_option(pcb, SOF_KEEPALIVE) && (pcb->state == ESTABLISHED || pcb->state == CLOSE_WAIT))
		at = MIN(at, idle_deadline(pcb, pcb->keep_idle + pcb->keep_cnt_sent * pcb->keep_intvl));
	if (pcb->ooseq)
		at = MIN(at, idle_deadline(pcb, RTO_MAX_MS));
	return at;
}

static void arm(struct conn *c, uint64_t at)
{
	c->deadline = at;
	if (at == NEVER) {
		if (c->flags & CONN_SELDOM)
			time_cancel(&c->timer);
	} else if (!time_is_armed(&c->timer) || c->timer.tick > at) {
		time_arm(&c->timer, at);
	}
}

void timers_stop(struct conn *c)
{
	c->rto_at = NEVER;
	c->deadline = NEVER;
	if (unlikely(c->flags & CONN_SELDOM))
		time_cancel(&c->timer);
}

/* The timer begins again. If it does so before the last one would have expired, it may stay on the wheel from now on. */
static inline void note_use(struct conn *c)
{
	if (unlikely(c->flags & CONN_SELDOM) && pcb_of(c)->state == ESTABLISHED &&
	    net_self.now_ms - c->stalled_ms < c->rto_floor_ms)
		c->flags &= ~CONN_SELDOM;
	c->stalled_ms = net_self.now_ms;
}

/* Something beside plain data: probes, closing, out-of-order data, keepalive. */
static void post_special(struct conn *c)
{
	struct tcp_pcb *pcb = pcb_of(c);

	if (pcb->persist_backoff && c->rto_at == NEVER) {
		c->stalled_ms = net_self.now_ms;
		c->rto_at = due_in(ladder_ms(c, pcb->persist_backoff - 1u));
	}
	arm(c, MIN(c->rto_at, other_deadline(pcb)));
}

/* Retransmission, or before that a look whether the end of what was sent has arrived. */
static void post_retransmission(struct conn *c)
{
	const struct tcp_pcb *pcb = pcb_of(c);
	uint32_t ms = base_ms(c), probe = pcb->nrtx == 0 ? recover_probe_ms(c) : 0;

	c->flags &= ~(unsigned)CONN_PROBE;
	if (probe && probe < ms) {
		c->flags |= CONN_PROBE;
		ms = probe;
	}
	c->rto_at = pcb->nrtx == 0 ? due_in(ms) : next_retry(c, pcb);
}

void timers_post(struct conn *c)
{
	struct tcp_pcb *pcb = pcb_of(c);

	if (pcb->rtime == 0) {
		pcb->rtime = RTO_SEEN;
		if (pcb->nrtx == 0)
			note_use(c);
		post_retransmission(c);
	} else if (pcb->rtime < 0 && !pcb->persist_backoff) {
		c->rto_at = NEVER;
	}
	if (unlikely(pcb->state != ESTABLISHED || pcb->persist_backoff || pcb->ooseq || (pcb->flags & TF_CLOSEPEND) ||
		     pcb->so_options))
		post_special(c);
	else
		arm(c, c->rto_at);
}

void timers_restart(struct conn *c)
{
	struct tcp_pcb *pcb = pcb_of(c);
	int srtt = (pcb->sa >> 3) + pcb->sv;

	if (unlikely(pcb->nrtx || (pcb->unacked && recover_is_probed(pcb)) ||
		     (c->flags & (CONN_PROBE | CONN_PROBED)))) {
		c->flags &= ~CONN_PROBED;
		timers_post(c);
		return;
	}
	pcb->rtime = RTO_SEEN;
	note_use(c);
	c->rto_at = due_in((uint32_t)MAX(srtt, (int)c->rto_floor_ms));
	arm(c, c->rto_at);
}

/* Cause enough to stop [RFC 9293 3.8.3]: by time, and never a peer that answers our probes. */
static bool is_hopeless(const struct conn *c, const struct tcp_pcb *pcb)
{
	uint32_t silent = net_self.now_ms - c->stalled_ms;

	if (pcb->persist_backoff)
		silent = MIN(silent, net_self.now_ms - c->heard_ms);
	return silent > give_up_ms(pcb);
}

/* lwIP's timer code, over this one connection. Return: false if it is gone. */
static bool run_lwip(struct conn *c, void (*timer)(void))
{
	struct tcp_pcb *pcb = pcb_of(c);
	uint8_t reason = c->reason;

	if (!reason)
		c->reason = IX_DEAD_TIMEOUT; /* if lwIP finds that it has waited long enough */
	/* It skips a pcb that already bears its private counter, which only we move. */
	net_self.timer_shadow++;
	pcb->last_timer = (u8_t)(net_self.timer_shadow - 1);
	pcb->next = NULL;
	tcp_active_pcbs = pcb;
	net_self.tx_conn = c;
	timer();
	net_self.tx_conn = NULL;
	tcp_ticks = net_self.now_ms;
	if (!tcp_active_pcbs)
		return false;
	tcp_active_pcbs = NULL;
	c->reason = reason;
	return true;
}

static bool is_peer_dead(const struct tcp_pcb *pcb)
{
	struct ip6 to = tuple_remote(pcb);

	return neighbour_is_dead(&to);
}

/*
 * lwIP probes with as much as the window takes. It would cut that off without the time that the rest was sent at, which
 * tcp_sack.c believes. Return: false if it cannot be cut now.
 */
static bool cut_probe(struct tcp_pcb *pcb)
{
	struct tcp_seg *seg = pcb->unsent;

	if (!pcb->persist_backoff || !pcb->snd_wnd || !seg || seg->len <= pcb->snd_wnd)
		return true;
	return tcp_train_cut(pcb, seg, pcb->snd_wnd);
}

/*
 * Whether an acknowledgement may lie in the receive queue that came before the timer was due: a core that did not run for a
 * while, or had much to do, is late for both, and what would be sent again has long arrived.
 */
static bool is_answer_unseen(const struct conn *c)
{
	return c->rto_at > net_self.seen_tick;
}

/* The retransmission timer or the probe timer is due. Return: false if the connection is gone. */
static bool fire_rto(struct conn *c)
{
	struct tcp_pcb *pcb = pcb_of(c);
	unsigned backoff = pcb->persist_backoff;
	uint32_t ssthresh = pcb->ssthresh;

	if (c->flags & CONN_PROBE) {
		c->flags &= ~CONN_PROBE;
		tcp_ticks = net_self.now_ms;
		c->rto_at = due_in(base_ms(c));
		recover_probe(c);
		return true;
	}

	if (is_hopeless(c, pcb)) {
		conn_abort(c, c->flags & CONN_UNREACHABLE ? IX_DEAD_UNREACHABLE : IX_DEAD_TIMEOUT);
		return false;
	}
	if (pcb->nrtx == 0)
		c->flags &= ~(unsigned)CONN_UNREACHABLE; /* said of an earlier silence */
	if (pcb->state == SYN_SENT && is_peer_dead(pcb)) {
		conn_abort(c, IX_DEAD_UNREACHABLE);
		return false;
	}
	if (path_mtu_on_timeout(c))
		return true;
	pcb->nrtx = (u8_t)MIN((unsigned)pcb->nrtx, RETRIES_SHOWN);
	pcb->persist_probe = (u8_t)MIN((unsigned)pcb->persist_probe, RETRIES_SHOWN);
	pcb->persist_cnt = 0xff;
	pcb->rto = (s16_t)MIN(base_ms(c), (uint32_t)INT16_MAX);
	if (pcb->rtime >= 0)
		pcb->rtime = (s16_t)(pcb->rto - 1);
	tcp_train_dissolve(c);
	recover_gather(pcb);
	if (!cut_probe(pcb)) {
		c->rto_at = due_in(RETRY_MS);
		return true;
	}
	net_self.stats.retransmits++;
	net_self.stats.timeouts++;
	if (!run_lwip(c, tcp_slowtmr))
		return false;
	recover_from_timeout(c, ssthresh);
	if (pcb->persist_backoff) {
		c->rto_at = due_in(backoff == pcb->persist_backoff && backoff < 7
					   ? RETRY_MS
					   : ladder_ms(c, pcb->persist_backoff - 1u));
	} else if (pcb->rtime > RTO_SEEN) { /* not sent: try again soon */
		pcb->rtime = RTO_SEEN;
		c->rto_at = due_in(RETRY_MS);
	}
	return true;
}

static void on_fire(struct time_node *node)
{
	struct conn *c = CONTAINER_OF(node, struct conn, timer);
	struct tcp_pcb *pcb = pcb_of(c);

	owner_check(&c->owner);
	if (c->deadline > net_self.now_tick) {
		if (c->deadline == NEVER)
			c->flags |= CONN_SELDOM;
		arm(c, c->deadline);
		return;
	}
	if (c->rto_at <= net_self.now_tick && is_answer_unseen(c)) {
		time_arm(&c->timer, net_self.now_tick + 1);
		return;
	}
	tcp_ticks = net_self.now_ms - 1; /* tcp_slowtmr() counts it up */
	if (c->rto_at <= net_self.now_tick) {
		if (!fire_rto(c))
			return;
	} else {
		if (pcb->rtime > 0)
			pcb->rtime = RTO_SEEN;
		pcb->rto = (s16_t)MAX(pcb->rto, 2 * RTO_SEEN + 1);
		pcb->persist_cnt = 0;
		if (!run_lwip(c, tcp_slowtmr))
			return;
		if (pcb->rtime > 0)
			pcb->rtime = RTO_SEEN;
		if ((pcb->flags & TF_CLOSEPEND) && tcp_queue_ends_stream(pcb) && !run_lwip(c, tcp_fasttmr))
			return;
	}
	tcp_ticks = net_self.now_ms;
	conn_after(c);
}

void timers_resume(struct conn *c)
{
	if (c->deadline != NEVER)
		time_arm(&c->timer, c->deadline);
}

void timers_init(struct conn *c)
{
	time_node_init(&c->timer, on_fire);
	c->flags |= CONN_SELDOM;
	c->deadline = NEVER;
	c->rto_at = NEVER;
	c->rto_floor_ms = net_shared.rto_floor_ms;
	c->stalled_ms = net_self.now_ms;
	c->heard_ms = net_self.now_ms;
	c->challenge_ms = (uint16_t)(net_self.now_ms - 0x8000u);
	c->empty_64ms = (uint8_t)(net_self.now_ms / 64 - 0x80u);
}
