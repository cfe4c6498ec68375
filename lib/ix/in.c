/* SPDX-License-Identifier: MIT */
/*
 * Received data: ranges of receive memory in the order of the stream, lent by ring 0 until the position
 * they end at is given back. fast.h puts them in, conn.c gives back, once a round; this file only moves read_pos.
 */
#include "lib/ix/core.h"
#include <string.h>

void ix_in_drop(struct ix_conn *c)
{
	while (c->in.head)
		ix_slab_give(&c->core->spans, ix_list_pop(&c->in));
	c->read_pos = c->recv_pos;
}

size_t ix_unread(const struct ix_conn *c)
{
	return c->recv_pos - c->read_pos;
}

const void *ix_peek(const struct ix_conn *c, size_t *bytes)
{
	const struct ix_span *s = c->in.head;

	*bytes = s ? s->bytes : 0;
	return s ? s->at : NULL;
}

unsigned ix_peekv(const struct ix_conn *c, struct ix_iov *out, unsigned max)
{
	unsigned n = 0;

	for (const struct ix_span *s = c->in.head; s && n < max; s = s->next)
		out[n++] = (struct ix_iov){ .addr = (uintptr_t)s->at, .len = s->bytes };
	return n;
}

void ix_consume(struct ix_conn *c, size_t bytes)
{
	if (bytes > ix_unread(c))
		bytes = ix_unread(c);
	c->read_pos += bytes;
	for (struct ix_span *s; bytes && (s = c->in.head);) {
		if (bytes < s->bytes) {
			s->at += bytes;
			s->bytes -= (uint32_t)bytes;
			break;
		}
		bytes -= s->bytes;
		ix_slab_give(&c->core->spans, ix_list_pop(&c->in));
	}
	ix_conn_touch_with(c, CONN_SPENT);
}

size_t ix_read(struct ix_conn *c, void *to, size_t bytes)
{
	uint8_t *out = to;
	size_t have = 0;

	for (const struct ix_span *s = c->in.head; s && have < bytes; s = s->next) {
		size_t n = s->bytes < bytes - have ? s->bytes : bytes - have;

		memcpy(out + have, s->at, n);
		have += n;
	}
	ix_consume(c, have);
	return have;
}

void ix_pause(struct ix_conn *c)
{
	c->flags |= CONN_PAUSED;
}

void ix_resume(struct ix_conn *c)
{
	c->flags &= ~(uint32_t)CONN_PAUSED;
	if (ix_unread(c)) {
		c->flags |= CONN_DATA;
		ix_conn_touch(c);
	}
}

/* The first @bytes of @s, which is longer, as a range of their own. NULL: no memory. */
static struct ix_span *split(struct ix_conn *c, struct ix_span *s, uint32_t bytes)
{
	struct ix_span *front = ix_slab_take(&c->core->spans);

	if (!front)
		return NULL;
	*front = *s;
	front->bytes = bytes;
	front->end = s->end - (s->bytes - bytes);
	s->at += bytes;
	s->bytes -= bytes;
	return front;
}

static __attribute__((noinline)) size_t forward_part(struct ix_conn *c, size_t bytes)
{
	size_t left = bytes;

	for (; left; left -= c->out.tail->bytes) {
		struct ix_span *s = c->in.head;

		s = left < s->bytes ? split(c, s, (uint32_t)left) : ix_list_pop(&c->in);
		if (!s)
			break;
		ix_list_push(&c->out, s);
	}
	return bytes - left;
}

size_t ix_forward(struct ix_conn *c, size_t bytes)
{
	size_t unread = ix_unread(c);

	ix_conn_touch(c);
	if (!unread || !ix_out_is_open(c))
		return 0;
	if (!c->lent_out)
		c->lent_pos = c->read_pos;
	if (__builtin_expect(bytes < unread, 0)) {
		bytes = forward_part(c, bytes);
	} else {
		ix_list_append(&c->out, &c->in);
		bytes = unread;
	}
	c->lent_out += bytes;
	c->read_pos += bytes;
	c->queued_pos += bytes;
	return bytes;
}
