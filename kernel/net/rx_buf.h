/* SPDX-License-Identifier: MIT */
/* A receive buffer that holds data for ring 3, or that a pbuf lies over. Private to kernel/net. */
#pragma once
#include "kernel/buf/buf.h"
#include "kernel/net/lwip.h"

/* What kernel/net keeps with a receive buffer, in struct buf.net. */
struct rx_buf {
	struct pbuf_custom pbuf;
	void *owner;           /* struct conn or struct udp_socket it is queued for or lent to, else NULL */
	struct buf *next;      /* in the owner's queue */
	uint16_t start;        /* first payload byte in the buffer */
	uint16_t len;          /* payload bytes */
	uint16_t told;         /* of them, announced to ring 3 */
	uint16_t done;         /* of them, given back by ring 3 */
	uint16_t refs;         /* the queue, and each range of it that is being sent */
	uint16_t is_pbuf_used; /* a range of it is being sent with the pbuf above */
	uint8_t is_packed;     /* filled by copying: more may be appended while it is the last of its queue */
	uint8_t is_seen;       /* by pressure.c, as the first of its queue */
	uint16_t sum;          /* of the payload, as port_chksum(); 0: not known */
};
_Static_assert(offsetof(struct rx_buf, len) == offsetof(struct rx_buf, start) + 2 &&
		       offsetof(struct rx_buf, told) == offsetof(struct rx_buf, start) + 4 &&
		       offsetof(struct rx_buf, done) == offsetof(struct rx_buf, start) + 6 &&
		       offsetof(struct rx_buf, is_pbuf_used) == offsetof(struct rx_buf, refs) + 2,
	       "what is read and written together");
_Static_assert(sizeof(struct rx_buf) <= BUF_NET_WORDS * sizeof(uint64_t), "fits in struct buf");

static inline struct rx_buf *rx_of(struct buf *b)
{
	return (struct rx_buf *)(void *)b->net;
}
static inline struct buf *buf_of_pbuf(struct pbuf *p)
{
	return CONTAINER_OF(p, struct buf, net);
}

/* Whether ring 3 was told of all of it and gave none back, and only the queue refers to it. */
static inline bool rx_is_whole(const struct rx_buf *x)
{
	uint32_t told_done, refs_used;

	__builtin_memcpy(&told_done, &x->told, sizeof(told_done));
	__builtin_memcpy(&refs_used, &x->refs, sizeof(refs_used));
	return told_done == x->len && refs_used == 1;
}

/** rx_put() - drop a reference of a lent buffer. */
void rx_put(struct buf *b);
/** rx_free_pbuf() - what a custom pbuf over a receive buffer calls when it is free. */
void rx_free_pbuf(struct pbuf *p);
