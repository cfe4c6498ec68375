/* SPDX-License-Identifier: MIT */
/* How memory that is being sent is kept: by a reference of its receive buffer, or by a block of its own. */
#include "kernel/net/tcp_piece.h"

#include "kernel/base/bytes.h"
#include "kernel/mem/mem.h"

/* One more range over a receive buffer whose own pbuf is in use. */
struct lent_piece {
	struct pbuf_custom custom;
	struct buf *buf;
};

static inline void free_own(struct pbuf *p)
{
	struct buf *b = buf_of_pbuf(p);

	rx_of(b)->is_pbuf_used = 0;
	rx_put(b);
}

void piece_free_own(struct pbuf *p)
{
	free_own(p);
}

static void free_extra(struct pbuf *p)
{
	struct lent_piece *piece = (struct lent_piece *)(void *)p;

	rx_put(piece->buf);
	mem_free(piece);
}

struct pbuf *piece_lent(struct buf *b, const uint8_t *data, uint32_t bytes)
{
	struct rx_buf *x = rx_of(b);
	struct lent_piece *extra;

	if (likely(!x->is_pbuf_used))
		return piece_own(x, data, bytes);
	extra = mem_alloc(sizeof(*extra));
	if (!extra)
		return NULL;
	extra->buf = b;
	piece_set(&extra->custom, data, bytes, bytes);
	extra->custom.pbuf.next = NULL;
	extra->custom.custom_free_function = free_extra;
	x->refs++;
	return &extra->custom.pbuf;
}

struct pbuf *piece_copied(const void *data, uint32_t bytes)
{
	struct pbuf *p = port_malloc(PIECE_COPIES_BYTES);

	if (!p)
		return NULL;
	*p = (struct pbuf){ .payload = (char *)p + PIECE_PBUF_BYTES,
			    .tot_len = (u16_t)bytes,
			    .len = (u16_t)bytes,
			    .type_internal = (u8_t)PBUF_RAM,
			    .ref = 1 };
	memcpy(p->payload, data, bytes);
	return p;
}

struct pbuf *piece_again(struct pbuf *p, uint32_t skip)
{
	const uint8_t *data = (const uint8_t *)p->payload + skip;
	uint32_t bytes = p->len - skip;

	if (p->flags & PBUF_FLAG_IS_CUSTOM) {
		const struct pbuf_custom *custom = (const struct pbuf_custom *)(const void *)p;

		return piece_lent(custom->custom_free_function == piece_free_own
					  ? buf_of_pbuf(p)
					  : ((const struct lent_piece *)(const void *)p)->buf,
				  data, bytes);
	}
	if (p->type_internal == (u8_t)PBUF_RAM)
		return piece_copied(data, bytes);
	return pbuf_alloc_reference((void *)(uintptr_t)data, (u16_t)bytes, PBUF_ROM);
}

unsigned pieces_free(struct pbuf *p)
{
	unsigned n = 0;

	/* A chain has one owner but for its first pbuf, which a frame that the device holds refers to as well. */
	if (p->ref > 1) {
		n = pbuf_clen(p);
		p->ref--;
		return n;
	}
	for (struct pbuf *next; p; p = next, n++) {
		const struct pbuf_custom *custom = (const struct pbuf_custom *)(const void *)p;
		uint32_t kind;

		next = p->next;
		__builtin_memcpy(&kind, &p->type_internal, sizeof(kind));
		if (likely(kind == PIECE_KIND && custom->custom_free_function == piece_free_own)) {
			free_own(p);
		} else {
			p->next = NULL;
			pbuf_free(p);
		}
	}
	return n;
}
