/* SPDX-License-Identifier: MIT */
/*
 * How many connections the partition may have, over all cores. A core keeps a few places that it may fill
 * without asking; it takes and returns them by the chunk, so that the common count is written rarely. A
 * place belongs to nobody: a connection that has moved gives its place to the core where it ends.
 */
#include "kernel/net/core.h"
#include "kernel/net/netif.h"

#define CHUNK_MAX 64u

static struct limit_shared {
	uint32_t left; /* atomic */
	uint32_t chunk;
} limit_shared ALIGNED(64);

static PERCORE uint32_t own_left;

void limit_init(uint32_t connections, uint32_t cores)
{
	limit_shared.left = connections;
	/* Small limits are dealt in small chunks: what other cores keep is not there for one that needs it. */
	limit_shared.chunk = MAX(1u, MIN(CHUNK_MAX, connections / cores / 16));
}

void limit_core_init(void)
{
	own_left = 0;
}

static void refill(void)
{
	uint32_t left = __atomic_load_n(&limit_shared.left, __ATOMIC_RELAXED), take;

	do {
		take = MIN(left, limit_shared.chunk);
		if (!take)
			return;
	} while (!__atomic_compare_exchange_n(&limit_shared.left, &left, left - take, false, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	own_left += take;
}

bool limit_has_room(void)
{
	if (unlikely(!own_left))
		refill();
	return own_left > 0;
}

bool limit_take(struct conn *c)
{
	if (!limit_has_room())
		return false;
	own_left--;
	c->flags |= CONN_COUNTED;
	return true;
}

void limit_park(void)
{
	__atomic_fetch_add(&limit_shared.left, own_left, __ATOMIC_RELAXED);
	own_left = 0;
}

void limit_give(struct conn *c)
{
	if (!(c->flags & CONN_COUNTED))
		return;
	c->flags &= ~CONN_COUNTED;
	if (++own_left < 2 * limit_shared.chunk)
		return;
	own_left -= limit_shared.chunk;
	__atomic_fetch_add(&limit_shared.left, limit_shared.chunk, __ATOMIC_RELAXED);
}
