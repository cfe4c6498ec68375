/* SPDX-License-Identifier: MIT */
/* The wire and the receiver at its end. */
#include "test/unit/net/wire.h"

#include "kernel/base/assert.h"
#include "kernel/net/core.h"

#define FLYING_MAX 1024u
#define WRITE_MAX 16384u

/* A segment or an acknowledgement under way. */
struct flying {
	uint32_t due_ms;
	uint32_t seq, bytes; /* of data */
	uint32_t ts;
	uint8_t data[1460];
	uint32_t sacks[3][2];
	struct peer ack; /* of an acknowledgement: as the peer was */
};

static struct flying out[FLYING_MAX], back[FLYING_MAX];
static unsigned out_count, back_count;
static uint8_t stream[WIRE_STREAM_MAX];
static bool got[WIRE_STREAM_MAX];
static uint32_t now_ms, base, highest, unacked_segments;

static uint32_t rnd(struct wire *w, uint32_t below)
{
	w->seed ^= w->seed << 13;
	w->seed ^= w->seed >> 7;
	w->seed ^= w->seed << 17;
	return (uint32_t)(w->seed >> 20) % below;
}

/* ---- from us ---- */
static void carry(struct wire *w, const struct sent *s)
{
	struct flying *f = &out[out_count];
	uint32_t at = seg_seq(s) - base;

	if (!seg_bytes(s))
		return;
	w->segments++;
	if (w->is_lost ? w->is_lost(w->segments, at) : rnd(w, 1000) < w->data_loss) {
		w->lost++;
		return;
	}
	assert_true(out_count < FLYING_MAX && seg_bytes(s) <= sizeof(f->data));
	f->due_ms = now_ms + w->delay_ms + (w->jitter_ms && rnd(w, 20) == 0 ? w->jitter_ms : 0);
	f->seq = at;
	f->bytes = seg_bytes(s);
	f->ts = seg_ts(s);
	memcpy(f->data, seg_data(s), f->bytes);
	out_count++;
}

/* ---- the receiver ---- */
static void block_around(uint32_t at, uint32_t block[2])
{
	block[0] = block[1] = at;
	while (block[0] && got[block[0] - 1])
		block[0]--;
	while (block[1] < highest && got[block[1]])
		block[1]++;
}

/* The block with what came last first, then others from below [RFC 2018 4]. */
static unsigned put_sacks(const struct wire *w, uint32_t last, uint32_t sacks[3][2])
{
	uint32_t block[2];
	unsigned count = 0;

	if (highest <= w->received)
		return 0;
	if (last >= w->received && got[last]) {
		block_around(last, sacks[0]);
		count = 1;
	}
	for (uint32_t at = w->received; at < highest && count < 3; at++) {
		if (!got[at])
			continue;
		block_around(at, block);
		if (!count || block[0] != sacks[0][0])
			memcpy(sacks[count++], block, sizeof(block));
		at = block[1];
	}
	for (unsigned i = 0; i < count; i++) {
		sacks[i][0] += base;
		sacks[i][1] += base;
	}
	return count;
}

static void answer(struct wire *w, struct peer *p, uint32_t last)
{
	struct flying *f = &back[back_count];

	unacked_segments = 0;
	if (rnd(w, 1000) < w->ack_loss)
		return;
	p->ack = base + w->received;
	assert_true(back_count < FLYING_MAX);
	p->sack_count = p->has_no_sack ? 0 : (uint8_t)put_sacks(w, last, f->sacks);
	f->due_ms = now_ms + w->delay_ms;
	f->ack = *p;
	back_count++;
}

static void renege(struct wire *w)
{
	memset(got + w->received, 0, highest - w->received);
	highest = w->received;
}

static void arrive(struct wire *w, struct peer *p, const struct flying *f)
{
	bool is_early = f->seq > w->received, was_hole = highest > w->received;

	assert_true(f->seq + f->bytes <= WIRE_STREAM_MAX);
	assert_memory_equal(f->data, stream + f->seq, f->bytes);
	if (f->seq <= w->received && f->ts)
		p->ts_echo = f->ts;
	memset(got + f->seq, 1, f->bytes);
	highest = MAX(highest, f->seq + f->bytes);
	while (w->received < highest && got[w->received])
		w->received++;
	if (w->is_reneging && is_early && rnd(w, 10) == 0)
		renege(w);
	if (is_early || was_hole || ++unacked_segments >= 2)
		answer(w, p, f->seq);
}

/* Delivers what is due, in order of time. */
static void deliver(struct wire *w, struct peer *p)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < out_count; i++) {
		if ((int32_t)(out[i].due_ms - now_ms) <= 0)
			arrive(w, p, &out[i]);
		else
			out[kept++] = out[i];
	}
	out_count = kept;
	if (unacked_segments && now_ms % 40 == 0)
		answer(w, p, 0); /* a delayed acknowledgement */
	kept = 0;
	for (unsigned i = 0; i < back_count; i++) {
		if ((int32_t)(back[i].due_ms - now_ms) <= 0) {
			back[i].ack.ts = p->ts;
			back[i].ack.sacks = (const uint32_t(*)[2])back[i].sacks;
			peer_send(&back[i].ack, ACK, NULL, 0);
		} else {
			back[kept++] = back[i];
		}
	}
	back_count = kept;
}

static uint32_t offer(ix_handle_t h, uint32_t from, uint32_t bytes)
{
	struct net_range r = { .data = stream + from, .bytes = MIN(bytes - from, WRITE_MAX) };
	uint64_t taken = 0;

	if (from < bytes)
		assert_int_equal(net_send(h, &r, 0, &taken), IX_OK);
	return (uint32_t)taken;
}

void wire_run(struct wire *w, struct peer *p, uint32_t bytes, uint32_t limit_ms)
{
	uint32_t offered = 0, start;
	const struct sent *s;
	ix_handle_t h;

	for (uint32_t i = 0; i < bytes; i++)
		stream[i] = (uint8_t)((i * 2654435761u) >> 24);
	memset(got, 0, sizeof(got));
	out_count = back_count = highest = unacked_segments = 0;
	w->seed |= 1;
	h = peer_open(p, 7, 5);
	base = p->ack;
	pcb_of(conn_find(h))->sa = (s16_t)(8 * 2 * w->delay_ms); /* the handshake was not on the wire */
	start = now_ms = (uint32_t)(world.now_us / 1000);
	while (w->received < bytes) {
		uint32_t taken, echo = p->ts_echo;

		while ((taken = offer(h, offered, bytes)) != 0)
			offered += taken;
		world.is_full = rnd(w, 1000) < w->full;
		world_pass(1);
		now_ms++;
		p->ts++;
		while ((s = peer_take(p)) != NULL)
			carry(w, s);
		p->ts_echo = echo; /* of what has arrived, not of what is under way */
		world.sent_count = world.taken = 0;
		deliver(w, p);
		assert_true(now_ms - start <= limit_ms);
	}
	world.is_full = false;
	w->ms = now_ms - start;
	p->sack_count = 0;
	peer_send(p, RST | ACK, NULL, 0);
	world_pass(2 * w->delay_ms + 2);
}
