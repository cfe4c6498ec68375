/* SPDX-License-Identifier: MIT */
/*
 * How full the calling core's event array is. The counts are kept here, not read back from the array;
 * ring 3 sees the array read-only and looks at it only between two turns of the loop.
 */
#include "kernel/event/event.h"

#include "kernel/base/assert.h"

/* What event_put() writes as one word. */
_Static_assert(offsetof(struct ix_event, kind) == 0 && offsetof(struct ix_event, len) == 4, "little endian");

struct event_core {
	struct ix_event_array *array; /* direct map */
	uint32_t count;
	uint32_t peer_count;
};

static PERCORE struct event_core event_core;

void event_core_init(struct ix_event_array *array)
{
	event_core.array = array;
	event_begin();
}

void event_begin(void)
{
	event_core.count = 0;
	event_core.peer_count = 0;
	event_core.array->count = 0;
	event_core.array->peer_count = 0;
}

unsigned event_room(void)
{
	return IX_EVENTS_MAX - event_core.count;
}

unsigned event_peer_room(void)
{
	return IX_PEERS_MAX - event_core.peer_count;
}

void event_push(const struct ix_event *event)
{
	kassert(event_core.count < IX_EVENTS_MAX);
	event_core.array->events[event_core.count++] = *event;
	event_core.array->count = event_core.count;
}

void event_put(enum ix_event_kind kind, uint32_t len, uint64_t cookie, ix_handle_t handle, uint64_t addr)
{
	struct ix_event *e = &event_core.array->events[event_core.count];

	kassert(event_core.count < IX_EVENTS_MAX);
	*(uint64_t *)(void *)e = (uint64_t)kind | (uint64_t)len << 32;
	e->cookie = cookie;
	e->handle = handle;
	e->addr = addr;
	event_core.array->count = ++event_core.count;
}

struct ix_event *event_slots(unsigned *room)
{
	*room = IX_EVENTS_MAX - event_core.count;
	return &event_core.array->events[event_core.count];
}

void event_add(unsigned count)
{
	kassert(count <= IX_EVENTS_MAX - event_core.count);
	event_core.count += count;
	event_core.array->count = event_core.count;
}

unsigned event_push_peer(const struct ix_peer *peer)
{
	unsigned index = event_core.peer_count;

	kassert(index < IX_PEERS_MAX);
	event_core.array->peers[index] = *peer;
	event_core.peer_count = index + 1;
	event_core.array->peer_count = index + 1;
	return index;
}

unsigned event_count(void)
{
	return event_core.count;
}
