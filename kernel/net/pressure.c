/* SPDX-License-Identifier: MIT */
/*
 * When memory is short, those who hold little are still served; when it is shorter, those who hold nothing; in the
 * end those who hold nothing and have been answered before, so that thousands who come for the first time
 * leave something to those who were there. Connections that have held memory for a second or more without anything
 * moving are reset then, those that hold most first: data that the program does not read, or that the peer does not
 * take. So no number of them can keep others out.
 */
#include "kernel/net/pressure.h"

#include "kernel/cpu/cpu.h"
#include "kernel/net/binding.h"
#include "kernel/net/demux.h"

#define STARVED 8u                 /* less than one in so many receive buffers: something must go */
#define ENOUGH 4u                  /* until one in so many is free */
#define LAST 16u                   /* from here on only who was answered before */
#define NONE 32u                   /* and what the device is posted from, whatever anybody needs */
#define MODEST_BYTES 16384u        /* to send, and */
#define MODEST_HELD CONN_HELD_FREE /* receive buffers: a connection that is served while memory is short */
#define MODEST_QUEUED 16u          /* datagrams of a socket */
#define RELIEVE_MS 1000u           /* between two looks; what has not moved from one to the next is idle */
#define STALE_MS 2000u             /* nothing acknowledged */
#define QUEUED_PER_BUFFER 512u     /* bytes to send that may keep a receive buffer */

/* How often any core has asked; all relieve then. */
static uint32_t asked;

static PERCORE struct pressure_core {
	uint32_t looked_ms;
	uint32_t asked_seen;
	uint32_t least; /* this walk: only who holds so much */
	uint32_t freed;
	uint32_t wanted; /* blocks that could not be had */
	bool is_marking;
} own;

static uint32_t unsent_of(const struct conn *c)
{
	return c->queued - c->released;
}

/* Their peers send again together, each time: without the last rule who comes in the crowd never gets through. */
bool pressure_refuses(const struct conn *c)
{
	uint32_t left = buf_available(), all = buf_total();

	if (c->rx_held > MODEST_HELD || unsent_of(c) > MODEST_BYTES)
		return true;
	if (left >= all / STARVED)
		return false;
	return c->rx_held || left < all / NONE || (left < all / LAST && !c->queued);
}

bool pressure_refuses_datagram(uint32_t queued)
{
	return queued >= MODEST_QUEUED || buf_available() < buf_total() / LAST;
}

static uint32_t held_by(const struct conn *c)
{
	return c->rx_held + unsent_of(c) / QUEUED_PER_BUFFER;
}

static bool is_idle(const struct conn *c)
{
	if (c->rx_head && rx_of(c->rx_head)->is_seen)
		return true;
	return unsent_of(c) && net_self.now_ms - c->stalled_ms >= STALE_MS;
}

static bool is_enough(void)
{
	return !own.wanted && buf_available() + own.freed >= buf_total() / ENOUGH;
}

static void look_at(struct conn *c)
{
	if (c->flags & CONN_MOVING)
		return; /* nothing happens to it now */
	if (own.is_marking) {
		if (c->rx_head)
			rx_of(c->rx_head)->is_seen = 1;
		return;
	}
	if (held_by(c) < own.least || !is_idle(c) || is_enough())
		return;
	own.freed += held_by(c);
	own.wanted -= MIN(own.wanted, unsent_of(c));
	net_self.stats.evicted++;
	conn_abort(c, IX_DEAD_NO_MEMORY);
}

static void relieve(void)
{
	if (net_self.now_ms - own.looked_ms < RELIEVE_MS)
		return;
	own.looked_ms = net_self.now_ms;
	own.freed = 0;
	own.is_marking = false;
	for (own.least = 64; own.least && !is_enough(); own.least /= 4)
		demux_each(look_at);
	own.wanted = 0;
	own.is_marking = true;
	demux_each(look_at);
}

void pressure_wanted(void)
{
	own.wanted += MODEST_BYTES;
}

void pressure_relieve(void)
{
	if (likely(!own.wanted) && buf_available() >= buf_total() / STARVED)
		return;
	if (net_self.now_ms - own.looked_ms < RELIEVE_MS)
		return;
	relieve();
	if (cpu_running() == 1)
		return;
	own.asked_seen = __atomic_add_fetch(&asked, 1, __ATOMIC_RELAXED);
	binding_announce();
	for (uint64_t left = cpu_running() & ~(1ull << core_id()); left; left &= left - 1)
		cpu_wake((uint32_t)__builtin_ctzll(left));
}

void pressure_sync(void)
{
	uint32_t now = __atomic_load_n(&asked, __ATOMIC_RELAXED);

	if (now == own.asked_seen)
		return;
	own.asked_seen = now;
	relieve();
}
