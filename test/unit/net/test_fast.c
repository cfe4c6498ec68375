/* SPDX-License-Identifier: MIT */
/*
 * Header prediction leaves a connection exactly as lwIP does: two connections live through the same random
 * traffic, one of them made special so that lwIP does all its work; after each turn all their fields agree.
 * The same where connections begin and end.
 */
#include "kernel/net/core.h"
#include "test/unit/net/world.h"

static uint8_t data[4000];
static uint64_t rng = 88172645463325252ull;

static uint32_t rnd(uint32_t below)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)(rng >> 20) % below;
}

#define SAME(field) assert_int_equal(a->field, b->field)
#define SAME_FROM(field, start) assert_int_equal(a->field - a_##start, b->field - b_##start)

static uint32_t a_snd, b_snd, a_rcv, b_rcv; /* where the sequence numbers began */

static void compare_pcbs(struct tcp_pcb *a, struct tcp_pcb *b)
{
	SAME(state);
	SAME(mss);
	SAME(snd_scale);
	SAME(rcv_scale);
	SAME(flags);
	SAME(rtime);
	SAME(nrtx);
	SAME(dupacks);
	SAME(cwnd);
	SAME(ssthresh);
	SAME(bytes_acked);
	SAME(sa);
	SAME(sv);
	SAME(rto);
	SAME(rttest);
	if (a->rttest)
		SAME_FROM(rtseq, snd);
	SAME(rcv_wnd);
	SAME(rcv_ann_wnd);
	SAME(snd_wnd);
	SAME(snd_wnd_max);
	SAME(snd_buf);
	SAME(snd_queuelen);
	SAME(persist_backoff);
	SAME(tmr);
	SAME(ts_recent);
	SAME_FROM(ts_lastacksent, rcv);
	SAME_FROM(rcv_nxt, rcv);
	SAME_FROM(rcv_ann_right_edge, rcv);
	SAME_FROM(snd_nxt, snd);
	SAME_FROM(lastack, snd);
	SAME_FROM(snd_lbb, snd);
	SAME_FROM(snd_wl1, rcv);
	SAME_FROM(snd_wl2, snd);
	assert_int_equal(!a->unacked, !b->unacked);
	assert_int_equal(!a->unsent, !b->unsent);
	assert_int_equal(conn_of(a)->acked, conn_of(b)->acked);
	assert_int_equal(conn_of(a)->rx_held, conn_of(b)->rx_held);
	assert_int_equal(conn_of(a)->rto_at, conn_of(b)->rto_at);
}

static void compare(ix_handle_t first, ix_handle_t second)
{
	compare_pcbs(pcb_of(conn_find(first)), pcb_of(conn_find(second)));
}

static void send_both(struct peer *p, struct peer *q, unsigned flags, unsigned bytes)
{
	uint32_t ts = p->ts;

	if (p->has_ts && rnd(8) == 0)
		p->ts = q->ts = ts - rnd(100); /* an old one */
	if (p->has_ts && rnd(16) == 0)
		p->ts_echo = q->ts_echo = 0; /* says nothing */
	world_turn();                        /* what the application has done comes before, */
	peer_send(p, flags, data, bytes);
	world.is_padded = true;
	peer_send(q, flags, data, bytes);
	world.is_padded = false;
	world_turn();      /* and after: lwIP would not wait for the end of the batch with an acknowledgement */
	if (p->ts != ts) { /* is dropped: send it again */
		p->seq -= bytes;
		q->seq -= bytes;
	}
	p->ts = q->ts = ts + rnd(3);
}

/* One of the things that a peer or an application may do. */
static void act(struct peer *p, struct peer *q, const ix_handle_t h[2])
{
	struct net_range r = { .data = data, .bytes = 1 + rnd(4000) };
	uint64_t taken[2], lent = conn_find(h[0])->rx_lent;
	uint32_t less;

	switch (rnd(6)) {
	case 0: /* data */
	case 1:
		send_both(p, q, ACK | (rnd(2) ? PSH : 0), 1 + rnd(1460));
		break;
	case 2: /* an acknowledgement of part of what came */
		less = rnd(3) ? 0 : rnd(3000);
		less = MIN(less, p->ack - (pcb_of(conn_find(h[0]))->lastack));
		p->ack -= less;
		q->ack -= less;
		send_both(p, q, ACK, 0);
		p->ack += less;
		q->ack += less;
		break;
	case 3:
		r.bytes = rnd(3) ? 1 + rnd(256) : r.bytes;
		assert_int_equal(net_send(h[0], &r, 0, &taken[0]), IX_OK);
		pcb_of(conn_find(h[1]))->flags |= TF_NAGLEMEMERR; /* so that lwIP does it */
		assert_int_equal(net_send(h[1], &r, 0, &taken[1]), IX_OK);
		pcb_of(conn_find(h[1]))->flags &= (tcpflags_t)~TF_NAGLEMEMERR;
		assert_int_equal(taken[0], taken[1]);
		break;
	case 4:
		if (lent) {
			lent = 1 + rnd((uint32_t)lent);
			assert_int_equal(net_recv_done(h[0], lent), IX_OK);
			assert_int_equal(net_recv_done(h[1], lent), IX_OK);
		}
		break;
	default: /* the peer's window changes */
		p->window = q->window = rnd(4) ? 65535 + rnd(100000) : rnd(3000);
		send_both(p, q, ACK, 0);
		break;
	}
}

static void run(bool has_ts)
{
	struct peer p = { .window = 65535, .has_ts = has_ts, .ts = 0xfffffff0u }, q = p;
	ix_handle_t h[2];

	world.cuts_nothing = true; /* one segment each, as lwIP has them */
	world_begin(WORLD_OFFLOADS);
	world_listen(7, 1);
	h[0] = peer_open(&p, 7, 0);
	h[1] = peer_open(&q, 7, 1);
	a_snd = p.ack;
	b_snd = q.ack;
	a_rcv = p.seq;
	b_rcv = q.seq;
	send_both(&p, &q, ACK, 1); /* the handshakes were a turn apart: one round trip makes them alike */
	pcb_of(conn_find(h[1]))->sa = pcb_of(conn_find(h[0]))->sa;
	pcb_of(conn_find(h[1]))->sv = pcb_of(conn_find(h[0]))->sv;
	pcb_of(conn_find(h[1]))->rto = pcb_of(conn_find(h[0]))->rto;
	world_pass(20);
	for (unsigned step = 0; step < 20000; step++) {
		for (unsigned n = 1 + rnd(3); n; n--)
			act(&p, &q, h);
		conn_find(h[1])->l2_version = 0; /* lwIP's own output for the second one */
		world_turn();
		world_pass(1 + rnd(3));
		while (peer_take(&p))
			;
		world.taken = 0;
		while (peer_take(&q))
			;
		world.sent_count = world.taken = 0;
		compare(h[0], h[1]);
	}
	world_end();
}

static void test_prediction_agrees_with_lwip(void **state)
{
	(void)state;
	run(false);
}

static void test_prediction_of_timestamps_agrees_with_lwip(void **state)
{
	(void)state;
	run(true);
}

/* ---- the beginning and the end ---- */
/* All that a segment says, but for its ports, numbers, sum and clock. */
static void compare_headers(const struct sent *a, const struct sent *b)
{
	const uint8_t *x = a->data + world_l4_at(a->data), *y = b->data + world_l4_at(b->data);
	unsigned bytes = (x[12] >> 4) * 4u;
	uint32_t ts = 0;

	assert_memory_equal(x + 12, y + 12, 4); /* length, flags, window */
	assert_memory_equal(x + 18, y + 18, 2);
	for (unsigned at = 20; at < bytes; at += 4) {
		if (ts != 0x0101080a)
			assert_memory_equal(x + at, y + at, 4);
		ts = (uint32_t)x[at] << 24 | (uint32_t)x[at + 1] << 16 | (uint32_t)x[at + 2] << 8 | x[at + 3];
	}
	assert_int_equal(seg_bytes(a), seg_bytes(b));
	assert_int_equal(seg_tos(a), seg_tos(b));
}

/* What both get next; each follows its own. Return: the flags, which are the same; 0: nothing. */
static unsigned take_both(struct peer *p, struct peer *q)
{
	const struct sent *a, *b;
	unsigned from = world.taken, flags;

	a = peer_take(p);
	flags = a ? seg_flags(a) : 0;
	world.taken = from;
	b = peer_take(q);
	assert_int_equal(flags, b ? seg_flags(b) : 0);
	if (a && b)
		compare_headers(a, b);
	return flags;
}

/* The same segment from both: as predicted, and not quite. */
static void say_both(struct peer *p, struct peer *q, unsigned flags)
{
	peer_send(p, flags, NULL, 0);
	world.is_padded = true;
	peer_send(q, flags, NULL, 0);
	world.is_padded = false;
	world_turn();
}

/* Half-open, so that no handle names it yet. */
static struct tcp_pcb *pcb_at(const struct peer *p)
{
	struct list *node;

	for (node = net_self.half_open.next; node != &net_self.half_open; node = node->next) {
		struct tcp_pcb *pcb = pcb_of(CONTAINER_OF(node, struct conn, link));

		if (pcb->remote_port == p->port)
			return pcb;
	}
	return NULL;
}

static void open_both(struct peer *p, struct peer *q, ix_handle_t h[2])
{
	p->address = q->address = PEER_ADDRESS;
	p->our_port = q->our_port = 7;
	p->port = (uint16_t)(30000 + rnd(10000));
	q->port = (uint16_t)(p->port + 1);
	p->seq = rnd(1u << 31) * 2u;
	q->seq = rnd(1u << 31) * 2u;
	p->window = q->window = 500 + rnd(60000);
	world.mss = (uint16_t)(rnd(2) ? 0 : 300 + rnd(1300));
	p->has_no_sack = q->has_no_sack = rnd(2);
	say_both(p, q, SYN);
	if (!world.sent_count || take_both(p, q) != (SYN | ACK)) {
		world_turn(); /* ARP came first */
		assert_int_equal(take_both(p, q), SYN | ACK);
	}
	a_snd = p->ack;
	b_snd = q->ack;
	a_rcv = p->seq;
	b_rcv = q->seq;
	compare_pcbs(pcb_at(p), pcb_at(q));
	world_pass(rnd(3));
	p->window = q->window = 1000 + rnd(60000);
	say_both(p, q, ACK);
	assert_int_equal(world_event_count(IX_EV_KNOCK), 2);
	for (unsigned i = 0; i < 2; i++) {
		h[i] = world_event(IX_EV_KNOCK, i)->handle;
		assert_int_equal(net_accept(h[i], i), IX_OK);
	}
	world_turn();
	world.sent_count = world.taken = 0;
	compare(h[0], h[1]);
}

static void close_both(struct peer *p, struct peer *q, const ix_handle_t h[2], bool is_slow)
{
	struct net_range r = { .data = data, .bytes = 1 + rnd(200) };
	struct net_stats stats;
	uint64_t taken;

	if (rnd(2)) { /* the FIN acknowledges data */
		for (unsigned i = 0; i < 2; i++)
			assert_int_equal(net_send(h[i], &r, 0, &taken), IX_OK);
		world_turn();
		assert_int_equal(take_both(p, q), ACK | PSH);
	}
	say_both(p, q, ACK | FIN);
	assert_int_equal(world_event_count(IX_EV_EOF), 2);
	world.sent_count = world.taken = 0;
	if (is_slow) { /* by now both have acknowledged it */
		world_pass(20);
		world.sent_count = world.taken = 0;
		compare(h[0], h[1]);
	}
	tcp_set_flags(pcb_of(conn_find(h[1])), TF_NAGLEMEMERR); /* so that lwIP does it */
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(net_close(h[i]), IX_OK);
	assert_non_null(pcb_of(conn_find(h[0]))->unsent);
	assert_null(pcb_of(conn_find(h[1]))->unsent);
	world_turn();
	assert_int_equal(take_both(p, q), ACK | FIN);
	compare(h[0], h[1]);
	say_both(p, q, ACK);
	assert_int_equal(world_event_count(IX_EV_DEAD), 2);
	assert_int_equal(world_event(IX_EV_DEAD, 0)->detail, world_event(IX_EV_DEAD, 1)->detail);
	net_stats(&stats);
	assert_int_equal(stats.connections, 0);
	world.sent_count = world.taken = 0;
}

static void test_beginning_and_end_agree_with_lwip(void **state)
{
	(void)state;
	world.cuts_nothing = true; /* one segment each, as lwIP has them */
	world_begin(WORLD_OFFLOADS);
	world_listen(7, 1);
	for (unsigned round = 0; round < 400; round++) {
		struct peer p = { .has_ts = round & 1, .ts = 0xfffffff0u }, q = p;
		ix_handle_t h[2];

		open_both(&p, &q, h);
		close_both(&p, &q, h, round & 2);
		world_pass(1);
		world.sent_count = world.taken = 0;
	}
	world_end();
}

/* Ring 3 closes at once: one segment answers the peer's FIN. It does not: that is acknowledged by itself, a little later. */
static void test_fin_is_acknowledged_by_ours(void **state)
{
	struct peer p = { 0 }, q = { 0 };
	const struct sent *s;
	ix_handle_t h;
	unsigned ms = 0;

	(void)state;
	world.cuts_nothing = true; /* one segment each, as lwIP has them */
	world_begin(WORLD_OFFLOADS);
	world_listen(7, 1);
	h = peer_open(&p, 7, 0);
	peer_send(&p, ACK | FIN, NULL, 0);
	world_turn();
	assert_null(peer_take(&p));
	assert_int_equal(net_close(h), IX_OK);
	world_turn();
	s = peer_take(&p);
	assert_non_null(s);
	assert_int_equal(seg_flags(s), ACK | FIN);
	assert_int_equal(seg_ack(s), p.seq);
	assert_null(peer_take(&p));
	peer_open(&q, 7, 0);
	peer_send(&q, ACK | FIN, NULL, 0);
	world_turn();
	while (!(s = peer_take(&q)) && ms++ < 100)
		world_pass(1);
	assert_in_range(ms, 0, 14);
	assert_int_equal(seg_flags(s), ACK);
	assert_int_equal(seg_ack(s), q.seq);
	world_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_prediction_agrees_with_lwip),
					    cmocka_unit_test(test_prediction_of_timestamps_agrees_with_lwip),
					    cmocka_unit_test(test_beginning_and_end_agree_with_lwip),
					    cmocka_unit_test(test_fin_is_acknowledged_by_ours) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
