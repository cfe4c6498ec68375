/* SPDX-License-Identifier: MIT */
/*
 * One TCP segment into lwIP: the connection that the demultiplexer found is the only one on lwIP's list
 * for as long as tcp_input() runs. Its callbacks only queue data and mark events; nothing of lwIP is
 * called from inside them.
 */
#include "kernel/abi/status.h"
#include "kernel/base/bytes.h"
#include "kernel/cpu/cpu.h"
#include "kernel/flow/flow.h"
#include "kernel/net/binding.h"
#include "kernel/net/checksum.h"
#include "kernel/net/handle.h"
#include "kernel/net/input.h"
#include "kernel/net/output.h"

#define DOWN_DROP_MS 3000u    /* so long a restarting partition's ports look slow instead of closed */
#define RTT_MAX_MS 3000u      /* lwIP keeps eight times the estimate in 16 bits */
#define RESETS_PER_S 1000u    /* segments of nobody that are answered */
#define CHALLENGES_PER_S 100u /* [RFC 5961 7] */
#define WALKS_PER_S 65536u    /* segments passed on because their connection is not here */

#define FLAG_FIN 1u
#define FLAG_SYN 2u
#define FLAG_RST 4u
#define FLAG_ACK 16u

static uint32_t word_at(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32(v);
}

static bool take_token(uint32_t *tokens)
{
	if (net_self.now_ms - net_self.token_ms >= 1000) {
		net_self.token_ms = net_self.now_ms;
		net_self.rst_tokens = RESETS_PER_S;
		net_self.ack_tokens = CHALLENGES_PER_S;
		net_self.walk_tokens = WALKS_PER_S;
	}
	if (!*tokens)
		return false;
	--*tokens;
	return true;
}

/* ---- before lwIP ---- */
static bool is_checksum_good(const struct frame *f, const struct pbuf *p)
{
	uint64_t sum = tuple_checksum(&f->tuple, IP_PROTOCOL_TCP, f->l4_bytes);
	unsigned at = 0;

	for (; p; p = p->next) {
		uint16_t part = port_chksum(p->payload, p->len);

		sum += at & 1 ? __builtin_bswap16(part) : part;
		at += p->len;
	}
	return checksum_fold(sum) == 0xffff;
}

/* [RFC 5961 5.2]: an acknowledgement from far outside the window is not a peer's. */
static bool is_ack_acceptable(const struct tcp_pcb *pcb, const uint8_t *tcp)
{
	uint32_t ack = word_at(tcp + 8);

	if (!(tcp[13] & FLAG_ACK) || pcb->state < ESTABLISHED)
		return true;
	return (int32_t)(ack - pcb->snd_nxt) <= 0 && (int32_t)(ack - (pcb->lastack - pcb->snd_wnd_max)) >= 0;
}

/* Memory is short: data waits for a retransmission, but never what ends a connection or frees memory. */
static bool is_refused_for_memory(const struct frame *f, const uint8_t *tcp)
{
	unsigned header = (tcp[12] >> 4) * 4u;

	return net_self.is_low && f->l4_bytes > header && !(tcp[13] & (FLAG_FIN | FLAG_RST | FLAG_SYN));
}

/* A flood of requests must not keep others out: the oldest one that is not complete makes room [RFC 4987 3.4]. */
static bool is_accepting(void)
{
	if (!handle_has_room() || !limit_has_room())
		return false;
	if (net_self.half_open_count >= net_shared.half_open)
		tcp_abandon(pcb_of(CONTAINER_OF(net_self.half_open.next, struct conn, link)), 0);
	return true;
}

/* A segment of a connection in TIME_WAIT. Return: true if it begins a new connection. [RFC 9293 3.10.7.4] */
static bool timewait_input(struct timewait *w, const struct frame *f, const uint8_t *tcp)
{
	if (tcp[13] & FLAG_RST)
		return false; /* [RFC 1337] */
	if ((tcp[13] & (FLAG_SYN | FLAG_ACK)) == FLAG_SYN && (int32_t)(word_at(tcp + 4) - w->rcv_nxt) > 0) {
		timewait_remove(w);
		return true;
	}
	if ((f->l4_bytes > (tcp[12] >> 4) * 4u || (tcp[13] & (FLAG_FIN | FLAG_SYN))) &&
	    take_token(&net_self.ack_tokens))
		output_ack(&f->tuple, w->snd_nxt, w->rcv_nxt);
	return false;
}

/* A segment of no connection. Return: whether lwIP shall see it, to answer or to begin one. */
static bool is_for_lwip(const struct frame *f, const uint8_t *tcp)
{
	struct timewait *w = timewait_find(f->hash, &f->tuple);
	bool is_syn = (tcp[13] & (FLAG_SYN | FLAG_ACK | FLAG_RST)) == FLAG_SYN;

	if (w && !timewait_input(w, f, tcp))
		return false;
	if (tcp[13] & FLAG_RST)
		return false;
	if (is_syn && binding_find(BINDING_TCP, be16(f->tuple.local_port))) {
		if (is_accepting())
			return true;
		net_self.stats.dropped_no_memory++;
		return false;
	}
	/* Also after the restart: the program has not asked for its ports again yet. */
	if (net_self.has_ended && net_self.now_ms - net_self.down_ms < DOWN_DROP_MS)
		return false;
	if (!take_token(&net_self.rst_tokens))
		return false;
	net_self.stats.resets_sent++;
	return true;
}

/*
 * A back end may change a flow's queue at any time: a segment of no connection here goes from core to core
 * until one knows it, and only the last may answer it. Beyond the limit it is dropped, never reset.
 * Return: true if @f was taken.
 */
static bool walk_on(const struct frame *f)
{
	const uint8_t *tcp = f->b->data + f->b->off + ETH_BYTES + f->ip_bytes;
	uint32_t next = (core_id() + 1) % cpu_core_count();

	if (next == core_id() || (tcp[13] & (FLAG_SYN | FLAG_ACK)) == FLAG_SYN || timewait_find(f->hash, &f->tuple))
		return false;
	if (!(f->b->flags & BUF_MISPLACED)) {
		f->b->flags |= BUF_MISPLACED;
		f->b->core = (uint8_t)core_id();
	}
	if (next == f->b->core)
		return false;
	if (take_token(&net_self.walk_tokens) && flow_hand(next, f->b)) {
		net_self.stats.misplaced++;
	} else {
		net_self.stats.misplaced_dropped++;
		buf_free_frame(f->b);
	}
	return true;
}

/* ---- after lwIP ---- */
/* lwIP leaves fast recovery with the first new acknowledgement; NewReno stays in it [RFC 6582 3.2]. */
static void recover(struct conn *c, uint32_t lastack)
{
	struct tcp_pcb *pcb = pcb_of(c);

	if (!(c->flags & CONN_RECOVER)) {
		c->flags |= CONN_RECOVER;
		c->recover = pcb->snd_nxt;
	} else if (TCP_SEQ_GT(pcb->lastack, lastack)) {
		if (TCP_SEQ_LT(pcb->lastack, c->recover)) {
			if (tcp_rexmit(pcb) == ERR_OK) {
				tcp_set_flags(pcb, TF_INFR);
				tcp_output(pcb);
			}
		} else {
			c->flags &= ~CONN_RECOVER;
		}
	}
}

/* lwIP's list holds what it made of the segment: the same connection, a new one, one in TIME_WAIT, none. */
static void collect(struct tcp_pcb *known, uint32_t lastack)
{
	struct tcp_pcb *pcb = tcp_active_pcbs;

	if (likely(pcb)) {
		tcp_active_pcbs = NULL;
		if (unlikely(pcb != known) && !demux_insert(pcb)) {
			net_self.stats.dropped_no_memory++;
			conn_abort(conn_of(pcb), IX_DEAD_NO_MEMORY);
			return;
		}
		if (unlikely((pcb->flags & TF_INFR) || (conn_of(pcb)->flags & CONN_RECOVER)))
			recover(conn_of(pcb), lastack);
		conn_after(conn_of(pcb));
		return;
	}
	pcb = tcp_tw_pcbs;
	if (pcb) {
		tcp_tw_pcbs = NULL;
		timewait_add(pcb, conn_of(pcb)->hash);
		tcp_abort(pcb); /* frees it without a word */
	}
}

/* Several segments came as one frame: the second one of them would not have been kept waiting [RFC 9293 3.8.6.3]. */
static void acknowledge_merged(struct conn *c)
{
	if ((c->flags & CONN_GONE) || !(pcb_of(c)->flags & TF_ACK_DELAY))
		return;
	tcp_ack_now(pcb_of(c));
	conn_touch(c);
}

static struct tcp_pcb *find_pcb(const struct frame *f)
{
	if (f->likely_pcb && demux_is_marked() && tuple_is_of(&f->tuple, f->likely_pcb))
		return f->likely_pcb;
	return demux_find(f->hash, &f->tuple);
}

/* A segment that was not as predicted, to lwIP. @pcb: its connection, NULL: none. */
static void to_lwip(const struct frame *f, struct tcp_pcb *pcb, struct pbuf *p)
{
	uint32_t lastack = pcb ? pcb->lastack : 0;
	struct conn *c = pcb ? conn_of(pcb) : NULL;

	if (pcb) {
		pcb->next = NULL;
		tcp_active_pcbs = pcb;
	}
	ip_data.current_netif = &net_self.netif;
	ip_data.current_input_netif = &net_self.netif;
	tuple_put(&f->tuple, &ip_data.current_iphdr_dest, &ip_data.current_iphdr_src);
	net_self.tx_conn = c;
	tcp_input(p, &net_self.netif);
	collect(pcb, lastack);
	net_self.tx_conn = NULL;
}

/* Whether lwIP shall see a segment that was not as predicted. */
static bool is_wanted(const struct frame *f, struct tcp_pcb *pcb, const uint8_t *tcp)
{
	if (is_refused_for_memory(f, tcp)) {
		net_self.stats.dropped_no_buffer++;
		return false;
	}
	if (!pcb)
		return is_for_lwip(f, tcp);
	if (is_ack_acceptable(pcb, tcp))
		return true;
	if (take_token(&net_self.ack_tokens))
		output_ack(&f->tuple, pcb->snd_nxt, pcb->rcv_nxt);
	return false;
}

void tcp_in_frame(const struct frame *f)
{
	struct tcp_pcb *pcb = find_pcb(f);
	const uint8_t *tcp = f->b->data + f->b->off + ETH_BYTES + f->ip_bytes;
	uint32_t segments = f->b->segments;
	struct pbuf *p;

	if (unlikely(!pcb) && walk_on(f))
		return;
	net_self.stats.segments_in += segments;
	if (likely(pcb)) {
		conn_of(pcb)->heard_ms = net_self.now_ms;
		if (unlikely(pcb->rttest && tcp_ticks - pcb->rttest > RTT_MAX_MS))
			pcb->rttest = tcp_ticks - RTT_MAX_MS;
		if (likely((f->b->flags & BUF_CSUM_GOOD) && !f->b->next && !net_self.is_low) &&
		    likely(tcp_fast_input(conn_of(pcb), f->b, tcp, f->l4_bytes)))
			goto out;
	}
	p = input_pbufs(f->b, ETH_BYTES + f->ip_bytes, f->l4_bytes);
	if (unlikely(!(f->b->flags & BUF_CSUM_GOOD) && !is_checksum_good(f, p))) {
		net_self.stats.bad_csum++;
		pbuf_free(p);
		return;
	}
	if (unlikely(!is_wanted(f, pcb, tcp))) {
		pbuf_free(p);
		return;
	}
	to_lwip(f, pcb, p);
out:
	if (unlikely(segments > 1) && pcb)
		acknowledge_merged(conn_of(pcb));
}
