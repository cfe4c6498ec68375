/* SPDX-License-Identifier: MIT */
/*
 * What a connection has received goes back over it from the buffers that it came in: the answer of a program that forwards. It
 * is named by a number of bytes, so no address comes from ring 3, and a buffer that goes whole changes hands at once instead of
 * being looked up, checked, referenced and given back.
 */
#include "kernel/abi/status.h"
#include "kernel/net/handle.h"
#include "kernel/net/tcp_queue.h"

#define RANGES_MAX 16u /* written at a time */

/* The oldest ranges of lent data, @left bytes at most. Return: how many; @bytes: in them. */
static unsigned oldest(const struct conn *c, uint32_t left, struct net_range *ranges, uint32_t *bytes)
{
	struct buf *b = c->rx_head;
	unsigned n = 0;

	*bytes = 0;
	for (; n < RANGES_MAX && *bytes != left; n++) {
		const struct rx_buf *x = rx_of(b);
		uint32_t part = MIN(left - *bytes, (uint32_t)x->told - x->done);

		ranges[n] = (struct net_range){ .data = b->data + x->start + x->done, .bytes = part, .lent = b };
		*bytes += part;
		b = x->next;
	}
	return n;
}

/* Range by range: parts of buffers, short ones, segments no longer than a frame, and all while memory is short. Return: bytes. */
static APART uint32_t send_ranges(struct conn *c, uint32_t bytes, bool has_more)
{
	uint32_t taken = 0, offered, part;

	do {
		struct net_range ranges[RANGES_MAX];
		unsigned n = oldest(c, bytes - taken, ranges, &offered);

		part = tcp_queue_write(c, ranges, n, has_more || taken + offered != bytes);
		if (part)
			(void)tcp_rx_done(c, part); /* no more than is lent */
		taken += part;
	} while (part == offered && taken != bytes);
	return taken;
}

int net_send_back(ix_handle_t handle, uint64_t bytes, unsigned flags, uint64_t *taken)
{
	struct conn *c = conn_find(handle);
	int status = likely(c != NULL) ? tcp_out_status(c) : handle_missing(handle);
	bool has_more = flags & IX_SENDV_MORE;
	uint32_t left = (uint32_t)bytes;

	*taken = 0;
	if (unlikely(status != IX_OK))
		return status;
	if (unlikely(!bytes || bytes > c->rx_lent))
		return IX_BAD_LENGTH;
	if (likely(!net_self.is_low && (pcb_of(c)->state == ESTABLISHED || pcb_of(c)->state == CLOSE_WAIT)))
		left -= tcp_queue_back(c, left, has_more);
	if (left)
		left -= send_ranges(c, left, has_more);
	*taken = bytes - left;
	conn_touch(c);
	/* As net_sendv(). */
	return !*taken && c->queued == c->released ? IX_NO_MEMORY : IX_OK;
}
