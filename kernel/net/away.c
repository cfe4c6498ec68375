/* SPDX-License-Identifier: MIT */
/*
 * Counts by hash of the 4-tuple, all cores'. They are written when a connection that we began moves, or ends where it has moved to, and
 * read when one begins: never by a request.
 */
#include "kernel/net/away.h"

#include "kernel/base/assert.h"
#include "kernel/cpu/cpu.h"
#include "kernel/flow/flow.h"

#define PLACES 16384u

static uint32_t away_count[PLACES];

bool away_is_home(uint16_t port)
{
	return port % cpu_core_limit() == core_id();
}

bool away_has(uint32_t hash)
{
	return load_acquire(&away_count[hash % PLACES]);
}

void away_drop(struct conn *c)
{
	kassert(c->flags & CONN_AWAY && away_has(c->hash));
	c->flags &= ~CONN_AWAY;
	__atomic_fetch_sub(&away_count[c->hash % PLACES], 1, __ATOMIC_RELEASE);
}

bool away_begin(struct conn *c)
{
	if (!(c->flags & CONN_HASHED) || pcb_of(c)->local_port < PORT_FIRST || !flow_is_queue())
		return false; /* nobody chooses its port, or all cores see who has it */
	__atomic_fetch_add(&away_count[c->hash % PLACES], 1, __ATOMIC_RELEASE);
	return true;
}

void away_end(struct conn *c)
{
	if (c->flags & CONN_AWAY && (away_is_home(pcb_of(c)->local_port) || !(c->flags & CONN_HASHED)))
		away_drop(c);
}
