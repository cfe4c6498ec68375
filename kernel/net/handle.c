/* SPDX-License-Identifier: MIT */
/*
 * The partition-wide table behind handles: generation, kind, owner, object. An index is masked before
 * use, a generation is never used twice for a slot within 2^32 lives, and only the owning core writes a
 * slot. Any core may look at it meanwhile, with a handle that is shared or forged: when a life begins kind
 * is written last, when it ends kind, then generation, then the rest; a look-up reads the generation
 * before and after all else. Free slots move between a core and the common list in chunks, under a lock.
 */
#include "kernel/net/handle.h"

#include "kernel/abi/status.h"
#include "kernel/base/assert.h"
#include "kernel/base/err.h"
#include "kernel/base/lock.h"
#include "kernel/mem/mem.h"
#include "kernel/net/core.h"

#define OTHERS 8192u /* handles beside connections: timers, listeners, sockets */
#define CHUNK 64u    /* slots exchanged at once */
#define EVERY_CORE 0xffffu
#define BETWEEN_CORES 0xfffeu /* on its way from one to another */
#define NONE 0u               /* slot 0 is never given out */

struct slot {
	uint32_t generation; /* of the present or next life, never 0 */
	uint8_t kind;        /* enum net_kind */
	uint8_t has_moved;   /* it was another core's once */
	uint16_t core;       /* owner, EVERY_CORE, BETWEEN_CORES; by the owner */
	union {
		void *object;
		uint32_t next; /* free slots: index, NONE ends */
	};
};
_Static_assert(sizeof(struct slot) == HANDLE_SLOT_BYTES, "four a cache line");

/* What all cores share; written under the lock or at start. */
static struct handle_table {
	struct slot *slots;
	uint32_t mask; /* slots - 1 */
	uint32_t limit;
	struct lock lock;
	uint32_t fresh; /* slots from here on were never used */
	uint32_t free;  /* common list */
} handle_table;

struct handle_core {
	uint32_t free;
	uint32_t count;
};

static PERCORE struct handle_core own;

int handle_init(uint32_t connections)
{
	uint32_t slots = 1024, wanted = connections + OTHERS;

	while (slots < wanted)
		slots *= 2;
	handle_table.slots = mem_boot_alloc((size_t)slots * sizeof(struct slot), CACHE_LINE);
	if (!handle_table.slots)
		return KERR_NO_MEMORY;
	handle_table.mask = slots - 1;
	handle_table.limit = MIN(wanted, slots);
	handle_table.fresh = 1;
	handle_table.free = NONE;
	return 0;
}

static void own_push(uint32_t index)
{
	handle_table.slots[index].next = own.free;
	own.free = index;
	own.count++;
}

static uint32_t own_take(void)
{
	uint32_t index = own.free;

	own.free = handle_table.slots[index].next;
	own.count--;
	return index;
}

static bool refill(void)
{
	lock_take(&handle_table.lock);
	while (own.count < CHUNK) {
		uint32_t index = handle_table.free;

		if (index != NONE) {
			handle_table.free = handle_table.slots[index].next;
		} else if (handle_table.fresh < handle_table.limit) {
			index = handle_table.fresh++;
			handle_table.slots[index].generation = 1;
		} else {
			break;
		}
		own_push(index);
	}
	lock_give(&handle_table.lock);
	return own.count > 0;
}

static void give_back(void)
{
	lock_take(&handle_table.lock);
	for (unsigned i = 0; i < CHUNK; i++) {
		uint32_t index = own_take();

		handle_table.slots[index].next = handle_table.free;
		handle_table.free = index;
	}
	lock_give(&handle_table.lock);
}

bool handle_has_room(void)
{
	return own.count > 0 || refill();
}

static ix_handle_t handle_new(enum net_kind kind, void *object, uint32_t core)
{
	struct slot *slot;
	uint32_t index;

	if (!handle_has_room())
		return 0;
	index = own_take();
	slot = &handle_table.slots[index];
	slot->core = (uint16_t)core;
	slot->has_moved = 0;
	slot->object = object;
	store_release(&slot->kind, (uint8_t)kind);
	return (uint64_t)slot->generation << 32 | index;
}

ix_handle_t net_handle_new(enum net_kind kind, void *object)
{
	return handle_new(kind, object, core_id());
}

ix_handle_t handle_new_shared(enum net_kind kind, void *object)
{
	return handle_new(kind, object, EVERY_CORE);
}

/* NULL unless @handle is alive and the calling core may use it; @kind and @object as of then. */
static struct slot *find(ix_handle_t handle, enum net_kind *kind, void **object)
{
	struct slot *slot = &handle_table.slots[(uint32_t)handle & handle_table.mask];
	uint32_t core;

	/* Loads are not reordered by the processor [SDM 3A 8.2.2], nor volatile ones by the compiler. */
	if ((uint32_t)handle > handle_table.mask || READ_ONCE(slot->generation) != handle >> 32)
		return NULL;
	*kind = READ_ONCE(slot->kind);
	core = READ_ONCE(slot->core);
	*object = READ_ONCE(slot->object);
	if (*kind == NET_FREE || (core != core_id() && core != EVERY_CORE) ||
	    READ_ONCE(slot->generation) != handle >> 32)
		return NULL;
	return slot;
}

void *net_handle_find(ix_handle_t handle, enum net_kind kind)
{
	enum net_kind found;
	void *object;

	return find(handle, &found, &object) && found == kind ? object : NULL;
}

void net_handle_free(ix_handle_t handle)
{
	enum net_kind kind;
	void *object;
	struct slot *slot = find(handle, &kind, &object);

	kassert(slot);
	WRITE_ONCE(slot->kind, NET_FREE);
	WRITE_ONCE(slot->generation, slot->generation + 1 ? slot->generation + 1 : 1);
	fence_compiler(); /* the next line writes where the object was */
	own_push((uint32_t)(slot - handle_table.slots));
	if (own.count > 2 * CHUNK)
		give_back();
}

/* ---- a life that goes on on another core ---- */
void handle_pass(ix_handle_t handle)
{
	struct slot *slot = &handle_table.slots[(uint32_t)handle & handle_table.mask];

	kassert(slot->core == core_id() && slot->generation == handle >> 32);
	WRITE_ONCE(slot->has_moved, 1);
	WRITE_ONCE(slot->core, BETWEEN_CORES);
}

void handle_receive(ix_handle_t handle)
{
	struct slot *slot = &handle_table.slots[(uint32_t)handle & handle_table.mask];

	kassert(slot->core == BETWEEN_CORES && slot->generation == handle >> 32);
	WRITE_ONCE(slot->core, (uint16_t)core_id());
}

/* Another core's by now; one that never was here is as foreign as ever, but not told apart from it. */
static bool has_gone(ix_handle_t handle)
{
	const struct slot *slot = &handle_table.slots[(uint32_t)handle & handle_table.mask];

	return (uint32_t)handle <= handle_table.mask && READ_ONCE(slot->generation) == handle >> 32 &&
	       READ_ONCE(slot->kind) == NET_CONNECTION && READ_ONCE(slot->core) != core_id() &&
	       READ_ONCE(slot->has_moved);
}

__attribute__((noinline)) int handle_missing(ix_handle_t handle)
{
	const struct conn *c = net_handle_find(handle, NET_CONNECTION);

	if (c ? !(c->flags & (CONN_MOVING | CONN_MOVED)) : !has_gone(handle))
		return IX_BAD_HANDLE;
	net_self.calls_moved++;
	return IX_MOVED;
}

uint32_t net_take_moved(void)
{
	uint32_t count = net_self.calls_moved;

	net_self.calls_moved = 0;
	return count;
}

void handle_each(enum net_kind kind, void (*fn)(void *object))
{
	for (uint32_t i = 1; i < handle_table.limit; i++) {
		struct slot *slot = &handle_table.slots[i];

		/* In this order: another core may begin a life here in a slot whose last one was this core's. */
		if (READ_ONCE(slot->kind) == kind && READ_ONCE(slot->core) == core_id())
			fn(slot->object);
	}
}
