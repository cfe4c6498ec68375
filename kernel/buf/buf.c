/* SPDX-License-Identifier: MIT */
/*
 * Where free receive buffers are: each core has a loaded and a spare magazine, the depot has the rest.
 * A core meets the depot's lock once per magazine of operations. Magazines are smaller in a small pool,
 * so that what idle cores hold is never a large part of it.
 */
#include "kernel/buf/buf.h"

#include "kernel/base/assert.h"
#include "kernel/base/err.h"
#include "kernel/base/lock.h"
#include "kernel/base/percore.h"
#include "kernel/mem/map.h"
#include "kernel/mem/mem.h"

#define GRAIN 1024u /* buffers in 2 MiB */
#define MAGAZINE_MIN 16u
#define MAGAZINE_MAX 128u

struct magazine {
	uint32_t count; /* bufs[0..count) are free */
	struct magazine *next;
	struct buf *bufs[MAGAZINE_MAX];
} ALIGNED(64);

/* Both `none` until the core's first operation, which a capacity of 0 brings to the slow path; then both are its own. */
struct buf_core {
	struct magazine *loaded;
	struct magazine *spare; /* full or empty */
	uint32_t capacity;
};

static struct {
	struct lock lock;
	uint32_t full_count;  /* magazines in full; read by all without the lock */
	uint32_t loose_count; /* buffers in loose; the same */
	struct magazine *full;
	struct magazine *empty;
	struct magazine *loose; /* what cores that sleep left and is less than a magazine; NULL: nothing */
} depot ALIGNED(64);

static struct magazine none; /* never written */
static PERCORE struct buf_core mine = { &none, &none, 0 };
static struct buf *bufs;
static uint32_t total;
static uint32_t magazine_bufs;

static int create(uint32_t count)
{
	uint32_t magazines = count / magazine_bufs + 2 * CORES_MAX;
	struct magazine *m = mem_boot_alloc(magazines * sizeof(*m), CACHE_LINE);
	uint8_t *data = mem_boot_alloc_raw((size_t)count * BUF_BYTES, HUGE_BYTES);

	bufs = mem_boot_alloc(count * sizeof(*bufs), CACHE_LINE);
	if (!m || !data || !bufs)
		return KERR_NO_MEMORY;
	for (uint32_t i = 0; i < count; i++) {
		bufs[i].data = data + (size_t)i * BUF_BYTES;
		bufs[i].pa = mem_pa(bufs[i].data);
		bufs[i].index = i;
	}
	depot.full_count = count / magazine_bufs;
	for (uint32_t i = 0; i < magazines; i++, m++) {
		struct magazine **list = i < depot.full_count ? &depot.full : &depot.empty;

		for (; i < depot.full_count && m->count < magazine_bufs; m->count++)
			m->bufs[m->count] = &bufs[i * magazine_bufs + m->count];
		m->next = *list;
		*list = m;
	}
	return map_range(IX_RX_VA, mem_pa(data), (uint64_t)count * BUF_BYTES, MAP_USER);
}

int buf_init(uint32_t count)
{
	if (count == 0 || count % GRAIN)
		return KERR_INVALID;
	magazine_bufs = MAGAZINE_MAX;
	while (magazine_bufs > MAGAZINE_MIN && magazine_bufs > count / 64)
		magazine_bufs /= 2;
	total = count;
	return create(count);
}

/* The calling core's magazines at its first operation. There is one pair for each core there can be. */
static void first_use(struct buf_core *c)
{
	lock_take(&depot.lock);
	c->loaded = depot.empty;
	c->spare = depot.empty->next;
	depot.empty = c->spare->next;
	lock_give(&depot.lock);
	c->capacity = magazine_bufs;
}

/* Out of the depot, which has one. */
static struct magazine *take_used(void)
{
	struct magazine *m = depot.full;

	if (m) {
		depot.full = m->next;
		WRITE_ONCE(depot.full_count, depot.full_count - 1);
	} else {
		m = depot.loose;
		depot.loose = NULL;
		WRITE_ONCE(depot.loose_count, 0);
	}
	return m;
}

/* Into the depot, with all that is in it. While a buffer is loose or in @from, fewer magazines are full than buffers fill. */
static void pour(struct magazine *from)
{
	while (from->count) {
		struct magazine *to = depot.loose ? depot.loose : depot.empty;

		if (!depot.loose) {
			depot.empty = to->next;
			depot.loose = to;
		}
		to->bufs[to->count++] = from->bufs[--from->count];
		if (to->count < magazine_bufs)
			continue;
		to->next = depot.full;
		depot.full = to;
		depot.loose = NULL;
		WRITE_ONCE(depot.full_count, depot.full_count + 1);
	}
	from->next = depot.empty;
	depot.empty = from;
}

void buf_park(void)
{
	struct buf_core *c = &mine;

	if (!c->capacity)
		return;
	lock_take(&depot.lock);
	pour(c->loaded);
	pour(c->spare);
	WRITE_ONCE(depot.loose_count, depot.loose ? depot.loose->count : 0);
	lock_give(&depot.lock);
	*c = (struct buf_core){ &none, &none, 0 };
}

/* Make the loaded magazine non-empty. */
static bool refill(struct buf_core *c)
{
	struct magazine *swap;
	bool got;

	if (!c->capacity)
		first_use(c);
	swap = c->loaded;
	c->loaded = c->spare;
	c->spare = swap;
	if (c->loaded->count)
		return true;
	if (!READ_ONCE(depot.full_count) && !READ_ONCE(depot.loose_count))
		return false;
	lock_take(&depot.lock);
	swap = c->loaded;
	got = depot.full || depot.loose;
	if (got) {
		c->loaded = take_used();
		swap->next = depot.empty;
		depot.empty = swap;
	}
	lock_give(&depot.lock);
	return got;
}

/* Make room in the loaded magazine. */
static void drain(struct buf_core *c)
{
	struct magazine *swap;

	if (!c->capacity)
		first_use(c);
	if (c->loaded->count < magazine_bufs)
		return;
	swap = c->loaded;
	c->loaded = c->spare;
	c->spare = swap;
	if (c->loaded->count < magazine_bufs)
		return;
	lock_take(&depot.lock);
	c->loaded->next = depot.full;
	depot.full = c->loaded;
	WRITE_ONCE(depot.full_count, depot.full_count + 1);
	c->loaded = depot.empty;
	kassert(c->loaded); /* as many magazines as buffers fill, and two for each core */
	depot.empty = c->loaded->next;
	lock_give(&depot.lock);
}

static inline struct buf *fresh(struct buf *b)
{
	b->next = NULL;
	b->off = 0;
	b->len = 0;
	return b;
}

struct buf *buf_alloc(void)
{
	struct buf_core *c = &mine;

	if (unlikely(!c->loaded->count) && !refill(c))
		return NULL;
	return fresh(c->loaded->bufs[--c->loaded->count]);
}

unsigned buf_alloc_burst(struct buf **out, unsigned max)
{
	struct buf_core *c = &mine;
	unsigned n = 0;

	while (n < max) {
		struct magazine *m;
		uint32_t left;

		if (unlikely(!c->loaded->count) && !refill(c))
			break;
		m = c->loaded;
		left = m->count;
		while (n < max && left)
			out[n++] = m->bufs[--left];
		m->count = left;
	}
	return n;
}

static inline void put(struct buf_core *c, struct buf *b)
{
	kcheck(b >= bufs && b < bufs + total);
	if (unlikely(c->loaded->count == c->capacity))
		drain(c);
	c->loaded->bufs[c->loaded->count++] = b;
}

void buf_free(struct buf *b)
{
	if (likely(b != NULL))
		put(&mine, b);
}

void buf_free_frame(struct buf *first)
{
	while (first) {
		struct buf *next = first->next;

		put(&mine, first);
		first = next;
	}
}

uint32_t buf_available(void)
{
	uint32_t n = READ_ONCE(depot.full_count) * magazine_bufs + READ_ONCE(depot.loose_count);

	return n + mine.loaded->count + mine.spare->count;
}

uint32_t buf_total(void)
{
	return total;
}

struct buf *buf_of_user(ix_uaddr_t va, uint64_t bytes, uint32_t *off)
{
	uint64_t at = va - IX_RX_VA; /* wraps to something large below the window */
	uint32_t in;

	if (at >= (uint64_t)total * BUF_BYTES)
		return NULL;
	in = (uint32_t)at % BUF_BYTES;
	if (bytes > BUF_BYTES - in)
		return NULL;
	*off = in;
	return &bufs[at / BUF_BYTES];
}
