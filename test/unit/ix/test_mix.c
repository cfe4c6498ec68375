/* SPDX-License-Identifier: MIT */
/*
 * Applications that do anything in any order, against a ring 0 that takes and acknowledges anything in any
 * pieces: what the peer gets is what was queued, and all that was lent comes back, once.
 */
#include "test/unit/ix/begin.h"
#include <stdlib.h>

#define CONNS 8
#define STREAM_MAX (400u << 10)
#define ROUNDS 3000

static struct stream {
	struct ix_conn *conn;
	struct fake_conn *peer;
	uint8_t want[STREAM_MAX]; /* what was queued, in order */
	size_t want_bytes;
	unsigned eofs;
	uint32_t next; /* what the peer sends next: a counter */
} streams[CONNS];
static unsigned opened;

static size_t up_to(size_t n)
{
	return n ? (size_t)random() % (n + 1) : 0;
}

static void open_one(struct ix_conn *c)
{
	streams[opened].conn = c;
	ix_set_user(c, &streams[opened++]);
}

static void want(struct stream *s, const void *data, size_t bytes)
{
	assert_true(s->want_bytes + bytes <= STREAM_MAX);
	memcpy(s->want + s->want_bytes, data, bytes);
	s->want_bytes += bytes;
}

/* One thing that an application may do at any time. */
static void act(struct stream *s)
{
	static uint8_t unread[1 << 18];
	static struct ix_iov v[FAKE_LENT_MAX];
	unsigned n = ix_peekv(s->conn, v, FAKE_LENT_MAX);
	size_t have = 0, k;

	for (unsigned i = 0; i < n; i++) {
		memcpy(unread + have, (const void *)v[i].addr, v[i].len);
		have += v[i].len;
	}
	switch (random() % 8) {
	case 0:
		ix_consume(s->conn, up_to(have));
		break;
	case 1:
		ix_pause(s->conn);
		break;
	case 2:
		ix_resume(s->conn);
		break;
	case 3:
		k = ix_write(s->conn, s->want, up_to(s->want_bytes < 5000 ? s->want_bytes : 5000));
		memmove(s->want + s->want_bytes, s->want, k); /* what it said before, again */
		s->want_bytes += k;
		break;
	case 4:
		k = up_to(2000) + 1;
		if (!ix_send(s->conn, s->want + STREAM_MAX - 4096, k, NULL, NULL))
			want(s, s->want + STREAM_MAX - 4096, k);
		break;
	default:
		k = ix_forward(s->conn, random() % 2 ? SIZE_MAX : up_to(have));
		assert_true(k <= have);
		want(s, unread, k);
	}
}

static void act_on_any(struct ix_conn *c)
{
	act(ix_user(c));
	if (random() % 4 == 0)
		act(&streams[random() % CONNS]);
}

static void count_eof(struct ix_conn *c)
{
	struct stream *s = ix_user(c);

	s->eofs++;
}

static const struct ix_handlers any = {
	.on_open = open_one, .on_read = act_on_any, .on_write = act_on_any, .on_eof = count_eof
};

static void peer_acts(struct stream *s)
{
	static uint32_t words[400];
	size_t n = up_to(400);

	if (s->peer->room < 100000)
		s->peer->room += up_to(3000);
	if (s->peer->out_bytes > s->peer->acked && random() % 2) {
		n = 1 + up_to(s->peer->out_bytes - s->peer->acked - 1);
		fake_ack(s->peer, n);
		s->peer->room -= s->peer->room < n ? s->peer->room : n;
	}
	if (s->peer->lent_count > 30 || s->want_bytes > STREAM_MAX / 2)
		return;
	n = up_to(400);
	for (size_t i = 0; i < n; i++)
		words[i] = s->next++;
	fake_data(s->peer, words, n * sizeof(*words), 100 + up_to(1400));
}

/* Nobody holds anything back any more: everything flows out. */
static void settle(struct ix_core *core, struct stream *s)
{
	for (unsigned i = 0; i < 1000 && (s->peer->out_bytes < s->want_bytes || ix_unread(s->conn) ||
					  s->peer->done_bytes < s->peer->lent_bytes);
	     i++) {
		s->peer->room = 100000;
		if (s->peer->out_bytes > s->peer->acked)
			fake_ack(s->peer, s->peer->out_bytes - s->peer->acked);
		ix_consume(s->conn, ix_unread(s->conn));
		ix_round(core);
	}
	assert_int_equal(s->peer->out_bytes, s->want_bytes);
	assert_memory_equal(s->peer->out, s->want, s->want_bytes);
	assert_int_equal(s->peer->done_bytes, s->peer->lent_bytes);
	assert_int_equal(s->eofs, 1);
}

static void any_order_any_pieces(void **state)
{
	struct ix_core *core = begin(&no_service);

	(void)state;
	srandom(4);
	for (unsigned i = 0; i < CONNS; i++) {
		streams[i].peer = accepted(core, &any);
		streams[i].peer->room = 5000;
		memset(streams[i].want + STREAM_MAX - 4096, 'x', 4096);
	}
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < CONNS; i++)
			peer_acts(&streams[i]);
		if (random() % 3 == 0)
			act(&streams[random() % CONNS]); /* as a timer would */
		ix_round(core);
	}
	for (unsigned i = 0; i < CONNS; i++) {
		ix_resume(streams[i].conn);
		fake_eof(streams[i].peer);
	}
	ix_round(core);
	for (unsigned i = 0; i < CONNS; i++)
		settle(core, &streams[i]);
	assert_int_equal(fake.bad, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_order_any_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
