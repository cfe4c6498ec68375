/* SPDX-License-Identifier: MIT */
/*
 * Frames that belong to what moves: those that wait, and those that go from core to core. What such a
 * frame needs to remember lies in its buffer, where lwIP's pbuf will be. A segment that has been to every
 * core may be answered only if no connection changed cores meanwhile, for it may have missed it; two
 * counters say so: of what has left a core and of what has arrived.
 */
#include "kernel/cpu/cpu.h"
#include "kernel/net/moving.h"
#include "kernel/net/output.h"
#include "kernel/net/tcp_syn.h"

#define ROUNDS_MAX 64u /* of one segment; its sender will send it again */
#define UNSETTLED UINT64_MAX

/* In struct buf.net. */
struct on_foot {
	uint64_t settled; /* moves begun, when as many had ended; UNSETTLED */
	struct buf *next; /* in a park */
	uint32_t rounds;
};
_Static_assert(sizeof(struct on_foot) <= BUF_NET_WORDS * sizeof(uint64_t), "fits in struct buf");

static struct walk_shared {
	uint64_t left, arrived; /* atomic, only grow */
} walk_shared ALIGNED(64);

static struct on_foot *on_foot(struct buf *b)
{
	return (struct on_foot *)(void *)b->net;
}

/* Moves so far, if none is under way. */
static uint64_t settled(void)
{
	uint64_t arrived = load_acquire(&walk_shared.arrived), left = load_acquire(&walk_shared.left);

	return arrived == left ? left : UNSETTLED;
}

void walk_unsettle(void)
{
	__atomic_fetch_add(&walk_shared.left, 1, __ATOMIC_SEQ_CST);
}

void walk_settle(void)
{
	__atomic_fetch_add(&walk_shared.arrived, 1, __ATOMIC_SEQ_CST);
}

/* Every core has seen it. Return: whether none can have missed its connection. */
static bool is_final(struct buf *b)
{
	struct on_foot *w = on_foot(b);
	uint64_t now = settled();

	if (now == w->settled && now != UNSETTLED)
		return true;
	w->settled = now;
	w->rounds++;
	return false;
}

/*
 * Whether a segment that began to walk at core @first has been to all who serve when it has been here and goes on to @next, or when it
 * has come here from the core before. @first itself may have left meanwhile; its place is between two others.
 */
static bool is_round(uint32_t first, uint32_t me, uint32_t next)
{
	uint32_t hop = (next - me) % CORES_MAX, to_first = (first - me) % CORES_MAX;

	return to_first && to_first <= hop;
}

static bool is_back(uint64_t serving, uint32_t first, uint32_t me)
{
	uint64_t below = serving & ((1ull << me) - 1);
	uint32_t before = 63u - (uint32_t)__builtin_clzll(below ? below : serving);

	return (me - first) % CORES_MAX < (me - before) % CORES_MAX;
}

/* What is left of a closed connection answers what is that one's; a later one of the same ends may be on another core. */
static bool is_of_closed(const struct frame *f, const uint8_t *tcp)
{
	const struct timewait *w = timewait_find(f->hash, &f->tuple);
	be32_t seq;

	__builtin_memcpy(&seq, tcp + 4, sizeof(seq));
	return w && (int32_t)(be32(seq) - w->rcv_nxt) <= 0;
}

/*
 * A back end may change a flow's queue at any time: a segment of no connection here goes from core to core
 * until one knows it, and only the last may answer it; what may acknowledge a cookie comes back to the first,
 * where its connection belongs. Beyond the limit it is dropped, never reset.
 */
__attribute__((noinline)) bool walk_takes(const struct frame *f)
{
	const uint8_t *tcp = f->b->data + f->b->off + ETH_BYTES + f->ip_bytes;
	uint64_t serving = cpu_serving();
	uint32_t me = core_id(), next = cpu_after(serving, me);
	struct buf *b = f->b;

	if (next == me || (tcp[13] & (TCP_SYN | TCP_ACK)) == TCP_SYN || is_of_closed(f, tcp))
		return false;
	if (b->flags & BUF_MISPLACED) {
		if ((syn_is_recent() ? is_back(serving, b->core, me) : is_round(b->core, me, next)) && is_final(b))
			return false;
	} else {
		b->flags |= BUF_MISPLACED;
		b->core = (uint8_t)me;
		on_foot(b)->settled = settled();
		on_foot(b)->rounds = 0;
	}
	if (on_foot(b)->rounds < ROUNDS_MAX && rate_take(RATE_WALK) && flow_hand(next, b)) {
		net_self.stats.misplaced++;
	} else {
		net_self.stats.misplaced_dropped++;
		buf_free_frame(b);
	}
	return true;
}

void park_put(struct park *p, struct buf *b)
{
	if (p->count == PARK_MAX || net_self.is_low) {
		net_self.stats.moving_dropped++;
		buf_free_frame(b);
		return;
	}
	on_foot(b)->next = NULL;
	if (p->last)
		on_foot(p->last)->next = b;
	else
		p->first = b;
	p->last = b;
	p->count++;
}

struct buf *park_take(struct park *p)
{
	struct buf *b = p->first;

	if (!b)
		return NULL;
	p->first = on_foot(b)->next;
	if (!p->first)
		p->last = NULL;
	p->count--;
	return b;
}
