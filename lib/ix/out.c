/* SPDX-License-Identifier: MIT */
/*
 * The output of a connection: queued in `out`, offered to ring 0 with one IX_OP_SENDV at a time, taken as a
 * prefix, and what is not receive memory kept in `wait` until it is acknowledged. One at a time, because a
 * second call of the same batch could be taken after the first was cut short, and the stream would have a hole.
 */
#include "lib/ix/core.h"
#include <string.h>

/* ---- queueing ---- */

static size_t room(const struct ix_conn *c)
{
	size_t queued = ix_queued(c);

	return queued < c->high ? c->high - queued : 0;
}

size_t ix_queued(const struct ix_conn *c)
{
	return c->queued_pos - c->sent_pos;
}

void ix_set_marks(struct ix_conn *c, uint32_t low, uint32_t high)
{
	c->low = low;
	c->high = high;
}

static void put_chunk(struct ix_conn *c, struct ix_chunk *chunk)
{
	if (!--chunk->refs)
		ix_slab_give(&c->core->chunks, chunk);
}

/* A chunk with room at its end, which the connection keeps filling. NULL: no memory. */
static struct ix_chunk *get_chunk(struct ix_conn *c)
{
	struct ix_chunk *chunk = c->chunk;

	if (chunk && chunk->fill < IX_CHUNK_BYTES)
		return chunk;
	if (chunk)
		put_chunk(c, chunk);
	chunk = ix_slab_take(&c->core->chunks);
	c->chunk = chunk;
	if (chunk) {
		chunk->refs = 1;
		chunk->fill = 0;
	}
	return chunk;
}

/* A range at the end of the queue that reaches to the end of @chunk's filled part. NULL: no memory. */
static struct ix_span *get_copy_span(struct ix_conn *c, struct ix_chunk *chunk)
{
	struct ix_span *s = c->out.head ? c->out.tail : NULL;

	if (s && s->kind == SPAN_COPY && s->chunk == chunk)
		return s;
	s = ix_slab_take(&c->core->spans);
	if (!s)
		return NULL;
	s->at = chunk->bytes + chunk->fill;
	s->bytes = 0;
	s->kind = SPAN_COPY;
	s->chunk = chunk;
	chunk->refs++;
	ix_list_push(&c->out, s);
	return s;
}

size_t ix_write(struct ix_conn *c, const void *data, size_t bytes)
{
	const uint8_t *from = data;
	size_t want = bytes < room(c) ? bytes : room(c), done = 0;

	if (!ix_out_is_open(c))
		return 0;
	while (done < want) {
		struct ix_chunk *chunk = get_chunk(c);
		struct ix_span *s = chunk ? get_copy_span(c, chunk) : NULL;
		uint32_t n;

		if (!s) {
			ix_conn_starve(c);
			break;
		}
		n = IX_CHUNK_BYTES - chunk->fill;
		if (n > want - done)
			n = (uint32_t)(want - done);
		memcpy(chunk->bytes + chunk->fill, from + done, n);
		chunk->fill += n;
		s->bytes += n;
		c->queued_pos += n;
		s->end = c->queued_pos;
		done += n;
	}
	c->flags |= done < bytes ? CONN_HOLDS | CONN_REFUSED : CONN_HOLDS;
	ix_conn_touch(c);
	return done;
}

/* What ring 0 takes: the partition's own memory, between program and end of heap. */
static bool is_sendable(const void *data, size_t bytes)
{
	const struct ix_info *info = libc_info();
	uint64_t at = (uintptr_t)data, end = info->heap_va + info->heap_bytes;

	return at >= IX_PARTITION_VA && at < end && bytes <= end - at;
}

int ix_send(struct ix_conn *c, const void *data, size_t bytes, void (*done)(void *arg), void *arg)
{
	struct ix_span *s;

	if (!ix_out_is_open(c))
		return IX_CLOSED;
	if (!bytes || bytes > UINT32_MAX || !is_sendable(data, bytes))
		return IX_BAD_ADDRESS;
	if (!room(c)) {
		c->flags |= CONN_REFUSED;
		return 1;
	}
	s = ix_slab_take(&c->core->spans);
	if (!s)
		return IX_NO_MEMORY;
	s->at = data;
	s->bytes = (uint32_t)bytes;
	s->kind = SPAN_APP;
	s->done = done;
	s->arg = arg;
	c->queued_pos += bytes;
	s->end = c->queued_pos;
	ix_list_push(&c->out, s);
	c->flags |= CONN_HOLDS;
	ix_conn_touch(c);
	return 0;
}

/* ---- offering ---- */

#define OFFER_MAX (1ull << 31) /* ring 0 refuses a list of 4 GiB */

/* Up to IX_IOV_MAX ranges of `out`. */
static void offer_list(struct ix_conn *c)
{
	struct ix_core *core = c->core;
	struct ix_iov *iov = ix_batch_arena(core, IX_IOV_MAX * sizeof(*iov));
	const struct ix_span *s = c->out.head;
	uint64_t offered = 0;
	struct ix_call *call;
	unsigned n = 0;

	for (; s && n < IX_IOV_MAX && offered < OFFER_MAX; s = s->next) {
		iov[n] = (struct ix_iov){ .addr = (uintptr_t)s->at,
					  .len = s->bytes < OFFER_MAX ? s->bytes : OFFER_MAX };
		offered += iov[n++].len;
	}
	c->offered = offered;
	core->arena_fill -= (IX_IOV_MAX - n) * (uint32_t)sizeof(*iov);
	call = ix_batch_call(core, IX_OP_SENDV, c->handle, (uintptr_t)iov, n);
	call->flags = IX_SENDV_LIST | (s ? IX_SENDV_MORE : 0);
	if (s) {
		c->flags |= CONN_MORE;
		core->must_settle = true; /* the rest would wait for an event that is far away */
	}
}

void ix_out_offer(struct ix_conn *c)
{
	struct ix_span *s = c->out.head;
	bool is_echo = !(c->flags & (CONN_HOLDS | CONN_SPENT)); /* all of `out`, and the oldest that is lent */

	if (!s || (c->flags & CONN_BLOCKED))
		return;
	if (c->flags & CONN_OFFERED) {
		c->flags |= CONN_MORE;
		c->core->must_settle = true;
		return;
	}
	if (is_echo) {
		ix_batch_call(c->core, IX_OP_SEND_BACK, c->handle, 0, c->lent_out);
		c->offered = c->lent_out;
	} else if (s->next) {
		offer_list(c);
	} else {
		ix_batch_call(c->core, IX_OP_SENDV, c->handle, (uintptr_t)s->at, s->bytes);
		c->offered = s->bytes;
	}
	c->flags |= CONN_OFFERED;
	ix_batch_watch(c->core, is_echo ? WATCH_ECHO : WATCH_SENDV, c);
}

/* Ring 0 has taken the first @bytes of `out`. */
static void take(struct ix_conn *c, uint64_t bytes)
{
	c->taken_pos += bytes;
	while (bytes) {
		struct ix_span *s = c->out.head;
		uint32_t n = s->bytes < bytes ? s->bytes : (uint32_t)bytes;

		bytes -= n;
		s->at += n;
		s->bytes -= n;
		if (s->kind == SPAN_LENT) {
			c->lent_out -= n;
			c->lent_pos = s->end - s->bytes;
		}
		if (s->bytes)
			break;
		ix_list_pop(&c->out);
		if (s->kind == SPAN_LENT)
			ix_slab_give(&c->core->spans, s);
		else
			ix_list_push(&c->wait, s);
	}
}

void ix_out_result(struct ix_conn *c, const struct ix_call *call, bool is_given_back)
{
	uint64_t taken = call->status == IX_OK ? call->len : 0;

	c->flags &= ~(uint32_t)(CONN_OFFERED | CONN_MORE);
	if (taken > c->offered)
		taken = c->offered;
	take(c, taken);
	if (is_given_back)
		c->done_pos += taken;
	switch (call->status) {
	case IX_OK:
	case IX_NO_MEMORY:
		break;
	case IX_MOVED:
		return; /* offered again where it goes */
	case IX_BAD_HANDLE:
	case IX_CLOSED:
		c->flags |= CONN_BLOCKED; /* its IX_EV_DEAD is on the way */
		return;
	default:
		c->flags |= CONN_ABORT; /* we asked for what cannot be: the stream cannot go on */
		break;
	}
	if (taken < c->offered) {
		c->flags |= CONN_BLOCKED;
		if (c->taken_pos == c->sent_pos)
			ix_conn_starve(c); /* nothing in flight: no IX_EV_SENT will come */
	}
	ix_conn_touch(c); /* what was taken of receive memory is given back, what is left is offered */
}

/* ---- acknowledged ---- */

static void end_span(struct ix_conn *c, struct ix_span *s)
{
	if (s->kind == SPAN_COPY)
		put_chunk(c, s->chunk);
	else if (s->kind == SPAN_APP && s->done)
		s->done(s->arg);
	ix_slab_give(&c->core->spans, s);
}

void ix_out_release(struct ix_conn *c)
{
	while (c->wait.head && c->wait.head->end <= c->sent_pos)
		end_span(c, ix_list_pop(&c->wait));
	if (c->chunk && c->queued_pos == c->sent_pos) {
		put_chunk(c, c->chunk); /* an idle connection holds no memory */
		c->chunk = NULL;
	}
	if (c->queued_pos == c->sent_pos)
		c->flags &= ~(uint32_t)CONN_HOLDS;
}

void ix_out_drop(struct ix_conn *c)
{
	while (c->wait.head)
		end_span(c, ix_list_pop(&c->wait));
	while (c->out.head)
		end_span(c, ix_list_pop(&c->out));
	if (c->chunk)
		put_chunk(c, c->chunk);
	c->chunk = NULL;
}
