/* SPDX-License-Identifier: MIT */
/* Peers and ring 3, each by its own rules only. */
#include "test/unit/net/streams.h"

#include <stdlib.h>

#define PERIOD 65521u /* a prime: no two places of a stream look alike */
#define WRITE_MAX 20000u
#define STALL_US 600000u

struct streams streams;

static uint8_t pattern[PERIOD + WRITE_MAX];

/* What byte @at of stream @i is, one way or the other. */
static const uint8_t *bytes_at(unsigned i, uint32_t at, bool is_ours)
{
	return &pattern[(at + i * 1009u + (is_ours ? 31013u : 0)) % PERIOD];
}

static bool one_in(unsigned n)
{
	return n && rand() % (int)n == 0;
}

/* ---- peers ---- */
static void open_stream(unsigned i)
{
	static uint16_t port = 20000;
	struct stream *s = &streams.all[i];

	memset(s, 0, sizeof(*s));
	s->iss = (uint32_t)rand();
	s->peer = (struct peer){
		.address = PEER_ADDRESS, .port = ++port, .our_port = STREAMS_PORT, .seq = s->iss, .window = 60000
	};
	if (port == 60000)
		port = 20000;
	s->finish_at = (uint32_t)(rand() % 200000);
	s->state = PEER_SYN_SENT;
	s->heard_us = world.now_us;
	peer_send_at(&s->peer, s->iss, SYN, NULL, 0);
	streams.opened++;
}

static void take_data(unsigned i, const struct sent *f)
{
	struct stream *s = &streams.all[i];
	unsigned bytes = seg_bytes(f);

	s->owes_ack = true;
	if (seg_seq(f) != s->peer.ack)
		return; /* again, or too early */
	assert_true(bytes <= WRITE_MAX);
	assert_true(f->full_bytes <= sizeof(f->data));
	assert_memory_equal(seg_data(f), bytes_at(i, s->got, false), bytes);
	s->got += bytes;
	s->peer.ack += bytes;
	assert_true(s->got <= s->queued);
	if (seg_flags(f) & FIN) {
		s->peer.ack++;
		s->has_fin = true;
	}
}

static void take_segment(unsigned i, const struct sent *f)
{
	struct stream *s = &streams.all[i];
	uint32_t acked;

	if (seg_flags(f) & RST) {
		if (s->has_fin && s->una == s->finish_at + 1)
			return; /* an acknowledgement that came twice met nobody any more */
		assert_true(streams.may_reset);
		s->state = PEER_NONE;
		return;
	}
	if (seg_flags(f) & SYN) {
		s->heard_us = world.now_us;
		if (s->state == PEER_SYN_SENT)
			s->peer.ack = seg_seq(f) + 1;
		assert_int_equal(s->peer.ack, seg_seq(f) + 1); /* nobody answers twice */
		s->state = s->state == PEER_SYN_SENT ? PEER_OPEN : s->state;
		s->window = MIN(seg_window(f), 60000u);
		s->owes_ack = true;
		return;
	}
	acked = seg_ack(f) - s->iss - 1;
	assert_true(acked <= s->finish_at + 1);
	if ((int32_t)(acked - s->una) >= 0)
		s->window = MIN(seg_window(f) << 3, 60000u);
	if (acked > s->una || s->una == s->high)
		s->heard_us = world.now_us;
	s->una = MAX(s->una, acked);
	s->nxt = MAX(s->nxt, s->una);
	if (seg_bytes(f) || (seg_flags(f) & FIN))
		take_data(i, f);
}

static void read_wire(void)
{
	for (; world.taken < world.sent_count; world.taken++) {
		const struct sent *f = &world.sent[world.taken];
		unsigned at = world_l4_at(f->data);
		uint16_t port = (uint16_t)(f->data[at + 2] << 8 | f->data[at + 3]);

		if (f->data[at == 54 ? 20 : 23] != 6)
			continue;
		for (unsigned i = 0; i < STREAMS; i++)
			if (streams.all[i].state != PEER_NONE && streams.all[i].peer.port == port)
				take_segment(i, f);
	}
	world.taken = world.sent_count = 0;
}

static void send_at(unsigned i, uint32_t at, unsigned bytes)
{
	struct stream *s = &streams.all[i];
	unsigned flags = ACK | PSH | (at + bytes == s->finish_at ? FIN : 0);

	s->owes_ack = false;
	if (!one_in(streams.loss))
		peer_send_at(&s->peer, s->iss + 1 + at, flags, bytes_at(i, at, true), bytes);
}

static void send_data(unsigned i)
{
	struct stream *s = &streams.all[i];
	unsigned burst = (unsigned)rand() % 3;

	while (burst-- && s->nxt <= s->finish_at && s->nxt - s->una < s->window) {
		uint32_t room = MIN(s->window - (s->nxt - s->una), 1460u), left = s->finish_at - s->nxt;
		uint32_t bytes = (uint32_t)rand() % 1460 + 1;

		bytes = MIN(MIN(bytes, room), left);
		send_at(i, s->nxt, bytes);
		s->nxt += bytes + (s->nxt + bytes == s->finish_at);
		s->high = MAX(s->high, s->nxt);
	}
}

static void peer_turn(unsigned i)
{
	struct stream *s = &streams.all[i];

	if (s->state == PEER_NONE) {
		if (!streams.is_closing && s->app == APP_NONE && one_in(8))
			open_stream(i);
		return;
	}
	if (world.now_us - s->heard_us > STALL_US) { /* go back */
		s->heard_us = world.now_us;
		if (s->state == PEER_SYN_SENT)
			peer_send_at(&s->peer, s->iss, SYN, NULL, 0);
		else
			s->nxt = s->una;
		s->owes_ack = s->state != PEER_SYN_SENT;
	}
	if (s->state == PEER_SYN_SENT)
		return;
	if (streams.is_closing)
		s->finish_at = MIN(s->finish_at, s->high);
	if (s->una <= s->finish_at)
		send_data(i);
	if (s->owes_ack && !one_in(streams.loss))
		peer_send_at(&s->peer, s->iss + 1 + MIN(s->nxt, s->finish_at + 1), ACK, NULL, 0);
	s->owes_ack = false;
	if (s->has_fin && s->una == s->finish_at + 1 && s->app == APP_NONE)
		s->state = PEER_NONE;
}

void streams_peers(void)
{
	cores_switch(0); /* whose buffers the device fills */
	read_wire();
	for (unsigned i = 0; i < STREAMS; i++)
		peer_turn(i);
}

/* ---- ring 3 ---- */
static void on_knock(uint32_t core, const struct ix_event *e)
{
	uint16_t port = cores.events[core].peers[e->addr].remote.port;

	for (unsigned i = 0; i < STREAMS; i++) {
		struct stream *s = &streams.all[i];

		if (s->state == PEER_NONE || s->peer.port != port)
			continue;
		assert_int_equal(s->app, APP_NONE);
		s->handle = e->handle;
		s->core = core;
		s->app = APP_OPEN;
		assert_int_equal(net_accept(e->handle, i + 1), IX_OK);
		return;
	}
	fail_msg("a knock of nobody");
}

static void on_moving(struct stream *s, const struct ix_event *e)
{
	assert_int_equal(s->app == APP_OPEN || s->app == APP_CLOSED, 1);
	assert_int_equal(s->is_told, 0);
	s->to = e->detail;
	assert_true(s->to < CORES_IN_TEST && s->to != s->core);
	s->is_told = 1;
	s->told_us = world.now_us;
	s->release_in = one_in(streams.slow) ? 1000000 : (unsigned)rand() % 3;
	/* Whatever is asked for now is not done. */
	assert_int_equal(net_recv_done(s->handle, 1), IX_MOVED);
	assert_int_equal(net_close(s->handle), IX_MOVED);
	if (s->release_in)
		return;
	assert_int_equal(net_release(s->handle), IX_OK);
	assert_int_equal(net_release(s->handle), IX_BAD_CALL);
}

static void on_event(uint32_t core, const struct ix_event *e)
{
	unsigned i = (unsigned)e->cookie - 1;
	struct stream *s;

	streams.events++;
	if (e->kind == IX_EV_KNOCK) {
		on_knock(core, e);
		return;
	}
	assert_true(i < STREAMS);
	s = &streams.all[i];
	assert_int_equal(e->handle, s->handle);
	if (e->kind == IX_EV_MOVED) {
		assert_int_equal(s->is_told, 1);
		assert_int_equal(core, s->to);
		s->core = core;
		s->is_told = 0;
		streams.moved++;
		return;
	}
	assert_int_equal(core, s->core);
	assert_int_equal(s->is_told, 0);
	switch (e->kind) {
	case IX_EV_MOVING:
		on_moving(s, e);
		break;
	case IX_EV_RECV:
		assert_int_equal(s->app, APP_OPEN);
		assert_int_equal(s->is_eof, 0);
		for (uint32_t at = 0, off; at < e->len; at++)
			assert_int_equal(buf_of_user(e->addr + at, 1, &off)->data[off],
					 *bytes_at(i, s->received + at, true));
		s->received += e->len;
		s->lent += e->len;
		break;
	case IX_EV_SENT:
		s->sent += e->len;
		assert_true(s->sent <= s->queued);
		break;
	case IX_EV_EOF:
		assert_int_equal(s->received, s->finish_at);
		s->is_eof++;
		assert_int_equal(s->is_eof, 1);
		break;
	case IX_EV_DEAD:
		assert_int_equal(e->detail, IX_DEAD_CLOSED);
		assert_int_equal(s->app, APP_CLOSED);
		assert_int_equal(s->got, s->queued);
		s->app = APP_NONE;
		s->handle = 0;
		streams.closed++;
		break;
	default:
		fail_msg("event %u", e->kind);
	}
}

static void act(unsigned i)
{
	struct stream *s = &streams.all[i];
	uint32_t part;
	uint64_t taken;
	int status;

	if (s->lent && one_in(2)) {
		part = (uint32_t)rand() % s->lent + 1;
		status = net_recv_done(s->handle, part);
		assert_true(status == IX_OK || status == IX_MOVED);
		s->lent -= status == IX_OK ? part : 0;
	}
	if (!s->is_eof && !streams.is_closing && one_in(3)) {
		struct net_range r = { .bytes = one_in(2) ? (uint32_t)rand() % 200 + 1
							  : (uint32_t)rand() % WRITE_MAX + 1 };

		r.data = bytes_at(i, s->queued, false);
		status = net_send(s->handle, &r, 0, &taken);
		assert_true(status == IX_OK || status == IX_MOVED || status == IX_NO_MEMORY);
		assert_true(status == IX_OK || !taken);
		s->queued += (uint32_t)taken;
	}
	if (s->is_eof && !s->lent) {
		status = net_close(s->handle);
		assert_true(status == IX_OK || status == IX_MOVED);
		s->app = status == IX_OK ? APP_CLOSED : s->app;
	}
}

/* The ten milliseconds are ring 0's own business: it may take it away without us. */
static void release(struct stream *s)
{
	if (!s->release_in || --s->release_in)
		return;
	(void)net_release(s->handle);
}

void streams_ring3(uint32_t core)
{
	const struct ix_event_array *a = &cores.events[core];

	for (unsigned i = 0; i < a->count; i++)
		on_event(core, &a->events[i]);
	for (unsigned i = 0; i < STREAMS; i++) {
		struct stream *s = &streams.all[i];

		if (s->core != core)
			continue;
		if (s->is_told)
			release(s);
		else if (s->app == APP_OPEN)
			act(i);
	}
}

void streams_forget(void)
{
	for (unsigned i = 0; i < STREAMS; i++) {
		streams.all[i].app = APP_NONE;
		streams.all[i].state = PEER_NONE;
	}
}

void streams_begin(void)
{
	struct ix_endpoint any = { .port = STREAMS_PORT };
	ix_handle_t handle;

	for (unsigned i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i % PERIOD * 2654435761u >> 13);
	memset(&streams, 0, sizeof(streams));
	cores_switch(0);
	assert_int_equal(net_listen(&any, 0, &handle), IX_OK);
	cores_all(2);
}
