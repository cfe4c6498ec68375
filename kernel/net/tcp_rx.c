/* SPDX-License-Identifier: MIT */
/*
 * The received data of a connection: a queue of buffers, first those that ring 3 was told of and has not
 * given back, then those to tell. Short payloads are packed together once a few buffers are held, so that
 * what a peer can make us hold is bounded by bytes and not by segments.
 */
#include "kernel/abi/status.h"
#include "kernel/base/bytes.h"
#include "kernel/net/handle.h"
#include "kernel/net/input.h"
#include "kernel/net/tcp_queue.h"

void rx_put(struct buf *b)
{
	if (--rx_of(b)->refs == 0)
		buf_free(b);
}

/* All but `next`. */
static inline void rx_begin(struct rx_buf *x, struct conn *c, size_t start, size_t len, uint16_t sum)
{
	uint64_t place;

	x->owner = c;
	place = (uint16_t)start | (uint64_t)(uint16_t)len << 16; /* told and done: 0 */
	memcpy(&x->start, &place, sizeof(place));
	x->refs = 1;
	x->is_packed = 0;
	x->is_pbuf_used = 0;
	x->is_seen = 0;
	x->sum = sum;
}

static void rx_append(struct conn *c, struct buf *b)
{
	rx_of(b)->next = NULL;
	if (c->rx_tail)
		rx_of(c->rx_tail)->next = b;
	else
		c->rx_head = b;
	c->rx_tail = b;
	c->rx_held++;
}

/* Copies into the last buffer of the queue, or a new one. Return: false if there is no memory. */
static bool rx_pack(struct conn *c, const uint8_t *data, unsigned bytes)
{
	while (bytes) {
		struct buf *b = c->rx_tail;
		struct rx_buf *x = b ? rx_of(b) : NULL;
		unsigned take;

		if (!b || !x->is_packed || x->start + x->len == BUF_BYTES) {
			b = buf_alloc();
			if (!b)
				return false;
			x = rx_of(b);
			rx_begin(x, c, 0, 0, 0);
			x->is_packed = 1;
			rx_append(c, b);
		}
		take = MIN(bytes, BUF_BYTES - x->start - x->len);
		memcpy(b->data + x->start + x->len, data, take);
		x->len = (uint16_t)(x->len + take);
		c->rx_untold += take;
		if (!c->rx_tell)
			c->rx_tell = b;
		data += take;
		bytes -= take;
	}
	return true;
}

static inline bool take_buf(struct conn *c, struct buf *b, const uint8_t *data, unsigned bytes)
{
	rx_begin(rx_of(b), c, (size_t)(data - b->data), bytes, 0);
	rx_append(c, b);
	c->rx_untold += bytes;
	if (!c->rx_tell)
		c->rx_tell = b;
	return true;
}

/* The connection has many buffers: copy. */
static APART bool take_packed(struct conn *c, struct buf *b, const uint8_t *data, unsigned bytes)
{
	uint32_t before = c->rx_untold;

	if (rx_pack(c, data, bytes))
		return false;
	data += c->rx_untold - before; /* the rest stays where it is: it is acknowledged already */
	bytes -= c->rx_untold - before;
	return take_buf(c, b, data, bytes);
}

bool tcp_rx_take(struct conn *c, struct buf *b, const uint8_t *data, unsigned bytes)
{
	if (unlikely(c->rx_held >= CONN_HELD_MAX || (bytes < BUF_BYTES / 4 && c->rx_held > CONN_HELD_FREE)))
		return take_packed(c, b, data, bytes);
	return take_buf(c, b, data, bytes);
}

__attribute__((noinline)) void tcp_rx_take_frame(struct conn *c, struct buf *b, const uint8_t *data, uint32_t bytes)
{
	struct buf *tail = c->rx_tail, *first = b, **link = tail ? &rx_of(tail)->next : &c->rx_head;
	uint32_t taken = 0, held = c->rx_held;
	bool is_summed = b->flags & BUF_SUMMED;

	/* Full buffers, but for the last. */
	while (bytes - taken >= BUF_BYTES / 4 && held < CONN_HELD_MAX) {
		uint32_t part = MIN(bytes - taken, (uint32_t)(b->data + b->off + b->len - data));
		struct buf *next = b->next;

		if (unlikely(part < BUF_BYTES / 4))
			break;
		rx_begin(rx_of(b), c, (size_t)(data - b->data), part, is_summed ? rx_of(b)->sum : 0);
		*link = b;
		link = &rx_of(b)->next;
		tail = b;
		taken += part;
		held++;
		b = next;
		if (!b)
			break;
		data = b->data + b->off;
	}
	*link = NULL;
	if (taken && !c->rx_tell)
		c->rx_tell = first;
	c->rx_tail = tail;
	c->rx_held = held;
	c->rx_untold += taken;
	while (b && taken < bytes) {
		uint32_t part = MIN(bytes - taken, (uint32_t)(b->data + b->off + b->len - data));
		struct buf *next = b->next;

		if (!part || !tcp_rx_take(c, b, data, part))
			buf_free(b);
		taken += part;
		b = next;
		if (b)
			data = b->data + b->off;
	}
	buf_free_frame(b);
}

/* ---- giving back ---- */
int tcp_rx_done(struct conn *c, uint64_t bytes)
{
	if (bytes == 0 || bytes > c->rx_lent)
		return IX_BAD_LENGTH;
	c->rx_lent -= (uint32_t)bytes;
	if (!(c->flags & (CONN_GONE | CONN_CLOSING))) {
		c->recved += (uint32_t)bytes;
		conn_touch(c);
	}
	while (bytes) {
		struct buf *b = c->rx_head;
		struct rx_buf *x = rx_of(b);
		uint32_t part = MIN((uint32_t)bytes, (uint32_t)x->told - x->done);

		x->done = (uint16_t)(x->done + part);
		bytes -= part;
		if (x->done < x->len)
			break;
		c->rx_head = x->next;
		if (!c->rx_head)
			c->rx_tail = NULL;
		c->rx_held--;
		x->owner = NULL;
		rx_put(b);
	}
	return IX_OK;
}

void tcp_rx_take_off(struct conn *c, struct buf *next, unsigned count, uint32_t bytes)
{
	c->rx_head = next;
	if (!next)
		c->rx_tail = NULL;
	c->rx_held = (uint16_t)(c->rx_held - count);
	c->rx_lent -= bytes;
	c->recved += bytes;
}

int net_recv_done(ix_handle_t handle, uint64_t bytes)
{
	struct conn *c = conn_find(handle);

	return c ? tcp_rx_done(c, bytes) : handle_missing(handle);
}
