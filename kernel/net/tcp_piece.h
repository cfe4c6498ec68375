/* SPDX-License-Identifier: MIT */
/*
 * What a queued segment refers to behind its headers: a chain of pbufs, each over memory of the partition, over copies, or over
 * a receive buffer, which is not posted again until lwIP and the device have let go of it. Private to kernel/net.
 */
#pragma once
#include "kernel/net/rx_buf.h"

#define PIECE_PBUF_BYTES LWIP_MEM_ALIGN_SIZE(sizeof(struct pbuf))
#define PIECE_COPIES_BYTES 512u /* a block that short ranges are gathered in, its pbuf included */

/** piece_lent() - over @bytes at @data in @b. piece_copied() - over a copy, with room behind it for what is copied next. NULL: no memory. */
struct pbuf *piece_lent(struct buf *b, const uint8_t *data, uint32_t bytes);
struct pbuf *piece_copied(const void *data, uint32_t bytes);

/** piece_again() - a pbuf over the bytes behind @skip of a queued one, which keeps its memory. NULL: no memory. */
struct pbuf *piece_again(struct pbuf *p, uint32_t skip);

/** pieces_free() - as pbuf_free() of the chain. Return: pbufs in it. */
unsigned pieces_free(struct pbuf *p);

/** piece_free_own() - what the pbuf that lies with a receive buffer calls when it is free. */
void piece_free_own(struct pbuf *p);

_Static_assert(offsetof(struct pbuf, len) == offsetof(struct pbuf, tot_len) + 2 &&
		       offsetof(struct pbuf, type_internal) == offsetof(struct pbuf, tot_len) + 4 &&
		       offsetof(struct pbuf, if_idx) == offsetof(struct pbuf, tot_len) + 7 &&
		       offsetof(struct pbuf, tot_len) % 8 == 0,
	       "what piece_set() writes as one word");

/* Type, flags, one reference and no interface, as they lie behind the lengths. */
#define PIECE_KIND ((uint32_t)PBUF_REF | (uint32_t)PBUF_FLAG_IS_CUSTOM << 8 | 1u << 16)

/* All but `next`. @total: bytes from here to the end of the chain. */
static inline void piece_set(struct pbuf_custom *custom, const uint8_t *data, uint32_t bytes, uint32_t total)
{
	uint64_t rest = (uint16_t)total | bytes << 16 | (uint64_t)PIECE_KIND << 32;

	custom->pbuf.payload = (void *)(uintptr_t)data;
	__builtin_memcpy(&custom->pbuf.tot_len, &rest, sizeof(rest));
}

/* Whether a queued pbuf lies with the receive buffer that it is over. */
static inline bool piece_is_own(const struct pbuf *p)
{
	const struct pbuf_custom *custom = (const struct pbuf_custom *)(const void *)p;

	return (p->flags & PBUF_FLAG_IS_CUSTOM) && custom->custom_free_function == piece_free_own;
}

/* With the pbuf that lies with the buffer and is not in use. */
static inline struct pbuf *piece_own(struct rx_buf *x, const uint8_t *data, uint32_t bytes)
{
	piece_set(&x->pbuf, data, bytes, bytes);
	x->pbuf.pbuf.next = NULL;
	x->pbuf.custom_free_function = piece_free_own;
	x->is_pbuf_used = 1;
	x->refs++;
	return &x->pbuf.pbuf;
}
