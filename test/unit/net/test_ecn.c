/* SPDX-License-Identifier: MIT */
/* Congestion marks: who agrees to them, what carries them, what they do to the window. [RFC 3168, RFC 8257] */
#include "kernel/abi/manifest.h"
#include "kernel/net/core.h"
#include "test/unit/net/world.h"

#define ECE 0x40u
#define CWR 0x80u
#define ECT0 2u
#define CE 3u
#define MSS 1460u

static uint8_t data[60000];

static ix_handle_t begin(struct peer *p, uint32_t ecn)
{
	ix_handle_t h;

	world_begin(WORLD_OFFLOADS);
	world.is_cutting = true;
	world.conf.ports[0].ecn = ecn;
	world_listen(WORLD_SPECIAL_PORT, 1);
	*p = (struct peer){ .window = 500000, .syn_flags = ECE | CWR };
	h = peer_open(p, WORLD_SPECIAL_PORT, 5);
	while (peer_take(p))
		;
	return h;
}

static void send(ix_handle_t h, uint32_t bytes)
{
	struct net_range r = { .data = data, .bytes = bytes };
	uint64_t taken;

	assert_int_equal(net_send(h, &r, 0, &taken), IX_OK);
	assert_int_equal(taken, bytes);
	world_turn();
}

static unsigned take_all(struct peer *p, unsigned *flags, unsigned *tos)
{
	const struct sent *s;
	unsigned count = 0;

	*flags = *tos = 0;
	for (; (s = peer_take(p)) != NULL; count++) {
		*flags |= seg_flags(s);
		*tos |= seg_tos(s);
	}
	return count;
}

static void test_only_who_asks_and_whom_the_listener_lets(void **state)
{
	struct peer p;
	ix_handle_t h;
	unsigned flags, tos;

	(void)state;
	h = begin(&p, IX_ECN_OFF);
	assert_int_equal(p.syn_answer, SYN | ACK);
	send(h, 100);
	assert_int_equal(take_all(&p, &flags, &tos), 1);
	assert_int_equal(tos, 0);
	world_end();
	h = begin(&p, IX_ECN_CLASSIC);
	assert_int_equal(p.syn_answer, SYN | ACK | ECE);
	send(h, 100);
	assert_int_equal(take_all(&p, &flags, &tos), 1);
	assert_int_equal(tos, ECT0);
	assert_int_equal(flags & (ECE | CWR), 0);
	p = (struct peer){ .window = 500000 };
	h = peer_open(&p, WORLD_SPECIAL_PORT, 6);
	assert_int_equal(p.syn_answer, SYN | ACK); /* it did not ask */
	take_all(&p, &flags, &tos);
	send(h, 100);
	take_all(&p, &flags, &tos);
	assert_int_equal(tos, 0);
	world_end();
}

/* Beyond the half-open limit a cookie remembers what was agreed, and agrees to nothing else. */
static void test_a_cookie_remembers(void **state)
{
	struct peer p, half = { .address = PEER_ADDRESS + 9, .our_port = WORLD_SPECIAL_PORT, .seq = 7, .window = 1000 };
	ix_handle_t h;
	unsigned flags, tos;

	(void)state;
	for (uint32_t ecn = IX_ECN_OFF; ecn < IX_ECN_NR; ecn++) {
		begin(&p, ecn);
		for (unsigned i = 0; i < WORLD_HALF_OPEN; i++) {
			half.port = (uint16_t)(30000 + i);
			peer_send_at(&half, 7, SYN, NULL, 0);
			world_turn();
		}
		p = (struct peer){ .window = 500000, .syn_flags = ECE | CWR };
		h = peer_open(&p, WORLD_SPECIAL_PORT, 6);
		assert_int_equal(p.syn_answer, SYN | ACK | (ecn == IX_ECN_OFF ? 0 : ECE));
		take_all(&p, &flags, &tos);
		send(h, 100);
		assert_int_equal(take_all(&p, &flags, &tos), 1);
		assert_int_equal(tos, ecn == IX_ECN_OFF ? 0 : ECT0);
		world_end();
	}
}

static void test_acknowledgements_and_repetitions_are_not_marked_capable(void **state)
{
	struct peer p;
	ix_handle_t h = begin(&p, IX_ECN_CLASSIC);
	unsigned flags, tos;

	(void)state;
	peer_send(&p, ACK | PSH, data, 10);
	world_pass(20);
	assert_int_equal(take_all(&p, &flags, &tos), 1);
	assert_int_equal(tos, 0);
	send(h, 100);
	assert_int_equal(take_all(&p, &flags, &tos), 1);
	assert_int_equal(tos, ECT0);
	world_pass(3000);
	assert_true(take_all(&p, &flags, &tos) > 0); /* again */
	assert_int_equal(tos, 0);
	world_end();
}

static unsigned answer_to(struct peer *p, unsigned tos, unsigned flags)
{
	unsigned got, sent_tos;

	p->tos = (uint8_t)tos;
	peer_send(p, ACK | PSH | flags, data, 10);
	world_pass(20);
	p->tos = 0;
	assert_true(take_all(p, &got, &sent_tos) > 0);
	return got & ECE;
}

static void test_classic_echoes_until_it_is_heard(void **state)
{
	struct peer p;

	(void)state;
	begin(&p, IX_ECN_CLASSIC);
	assert_int_equal(answer_to(&p, ECT0, 0), 0);
	assert_int_equal(answer_to(&p, CE, 0), ECE);
	assert_int_equal(answer_to(&p, ECT0, 0), ECE);
	assert_int_equal(answer_to(&p, ECT0, CWR), 0);
	assert_int_equal(answer_to(&p, ECT0, 0), 0);
	assert_int_equal(answer_to(&p, CE, CWR), ECE);
	world_end();
}

static void test_dctcp_echoes_exactly(void **state)
{
	struct peer p;
	const struct sent *s;

	(void)state;
	begin(&p, IX_ECN_DCTCP);
	assert_int_equal(answer_to(&p, CE, 0), ECE);
	assert_int_equal(answer_to(&p, ECT0, 0), 0);
	/* A change within a batch: what came before is acknowledged by itself. */
	p.tos = ECT0;
	peer_send(&p, ACK | PSH, data, 10);
	p.tos = CE;
	peer_send(&p, ACK | PSH, data, 10);
	world_pass(20);
	s = peer_take(&p);
	assert_non_null(s);
	assert_int_equal(seg_ack(s), p.seq - 10);
	assert_int_equal(seg_flags(s) & ECE, 0);
	s = peer_take(&p);
	assert_non_null(s);
	assert_int_equal(seg_ack(s), p.seq);
	assert_int_equal(seg_flags(s) & ECE, ECE);
	world_end();
}

/* One round trip: as much as the window lets go, acknowledged with or without the echo. */
static uint32_t round_trip(struct peer *p, ix_handle_t h, unsigned echo, unsigned *flags)
{
	unsigned tos;

	send(h, 20 * MSS);
	take_all(p, flags, &tos);
	peer_send(p, ACK | echo, NULL, 0);
	world_turn();
	peer_send(p, ACK | echo, NULL, 0); /* the rest */
	world_pass(5);
	while (pcb_of(conn_find(h))->unacked) {
		unsigned more;

		take_all(p, &more, &tos);
		*flags |= more;
		peer_send(p, ACK | echo, NULL, 0);
		world_pass(2);
	}
	return pcb_of(conn_find(h))->cwnd;
}

static void test_classic_halves_once_and_says_so(void **state)
{
	struct peer p;
	ix_handle_t h = begin(&p, IX_ECN_CLASSIC);
	unsigned flags, tos;
	uint32_t flight;

	(void)state;
	pcb_of(conn_find(h))->cwnd = pcb_of(conn_find(h))->ssthresh = 20 * MSS;
	send(h, 20 * MSS);
	assert_true(take_all(&p, &flags, &tos) > 0);
	assert_int_equal(flags & CWR, 0);
	flight = pcb_of(conn_find(h))->snd_nxt - pcb_of(conn_find(h))->lastack;
	for (unsigned i = 4; i-- > 0;) { /* one reduction for all of them */
		p.ack -= i * 2 * MSS;
		peer_send(&p, ACK | ECE, NULL, 0);
		world_turn();
		p.ack += i * 2 * MSS;
	}
	assert_in_range(pcb_of(conn_find(h))->cwnd, flight / 2, flight / 2 + MSS);
	world_pass(300);
	take_all(&p, &flags, &tos);
	send(h, 100);
	take_all(&p, &flags, &tos);
	assert_int_equal(flags & CWR, CWR);
	send(h, 100);
	take_all(&p, &flags, &tos);
	assert_int_equal(flags & CWR, 0);
	world_end();
}

/* The share of marked bytes goes down with every round trip without any: so does what a mark costs. */
static void test_dctcp_goes_by_the_share(void **state)
{
	struct peer p;
	ix_handle_t h = begin(&p, IX_ECN_DCTCP);
	unsigned flags;
	uint32_t before;

	(void)state;
	pcb_of(conn_find(h))->cwnd = pcb_of(conn_find(h))->ssthresh = 20 * MSS;
	for (unsigned i = 0; i < 60; i++)
		round_trip(&p, h, 0, &flags);
	pcb_of(conn_find(h))->cwnd = pcb_of(conn_find(h))->ssthresh = 20 * MSS;
	before = pcb_of(conn_find(h))->cwnd;
	assert_in_range(round_trip(&p, h, ECE, &flags), before - before / 8, before + MSS);
	for (unsigned i = 0; i < 60; i++) /* all marked: as bad as loss */
		before = round_trip(&p, h, ECE, &flags);
	assert_true(before <= 5 * MSS);
	world_end();
}

/* Before anything is known of the share, a mark costs half, as a classic one does [RFC 8257 3.3, 4.2]; beside a recovery, nothing. */
static void test_dctcp_begins_as_classic(void **state)
{
	struct peer p;
	ix_handle_t h = begin(&p, IX_ECN_DCTCP);
	struct conn *c = conn_find(h);
	uint64_t reductions = net_self.stats.ecn_reductions;
	uint32_t flight;
	unsigned flags, tos;

	(void)state;
	pcb_of(c)->cwnd = pcb_of(c)->ssthresh = 20 * MSS;
	send(h, 20 * MSS);
	assert_true(take_all(&p, &flags, &tos) > 0);
	flight = pcb_of(c)->snd_nxt - pcb_of(c)->lastack;
	p.ack -= 8 * MSS;
	c->flags |= CONN_RECOVER;
	c->recover = pcb_of(c)->snd_nxt;
	peer_send(&p, ACK | ECE, NULL, 0);
	world_turn();
	assert_int_equal(net_self.stats.ecn_reductions, reductions);
	c->flags &= ~(unsigned)CONN_RECOVER;
	pcb_of(c)->cwnd = 20 * MSS;
	flight = pcb_of(c)->snd_nxt - pcb_of(c)->lastack;
	p.ack += 2 * MSS;
	peer_send(&p, ACK | ECE, NULL, 0);
	world_turn();
	assert_int_equal(net_self.stats.ecn_reductions, reductions + 1);
	assert_in_range(pcb_of(c)->cwnd, flight / 2, flight / 2 + MSS);
	p.ack += 6 * MSS;
	peer_send(&p, ACK, NULL, 0);
	world_pass(300);
	world_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_who_asks_and_whom_the_listener_lets),
		cmocka_unit_test(test_a_cookie_remembers),
		cmocka_unit_test(test_acknowledgements_and_repetitions_are_not_marked_capable),
		cmocka_unit_test(test_classic_echoes_until_it_is_heard),
		cmocka_unit_test(test_dctcp_echoes_exactly),
		cmocka_unit_test(test_classic_halves_once_and_says_so),
		cmocka_unit_test(test_dctcp_begins_as_classic),
		cmocka_unit_test(test_dctcp_goes_by_the_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
