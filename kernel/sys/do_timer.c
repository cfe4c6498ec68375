/* SPDX-License-Identifier: MIT */
/*
 * Application timers of the calling core. Slots come in blocks of slab memory when first needed, at
 * most TIMERS_MAX; a handle's index carries IX_HANDLE_TIMER, the core and the slot, so that it can be
 * neither a connection's nor another core's.
 */
#include "kernel/base/assert.h"
#include "kernel/event/event.h"
#include "kernel/mem/mem.h"
#include "kernel/sys/do.h"
#include "kernel/sys/sys.h"
#include "kernel/time/time.h"

#define TIMERS_MAX 4096u
#define BLOCK_TIMERS 64u
#define TICK_NS (TIME_TICK_US * 1000u)
#define CORE_SHIFT 16u

struct timer {
	struct time_node node;
	struct list link;    /* in core.free or core.due, self-linked while armed */
	uint64_t cookie;     /* of its event */
	uint32_t generation; /* of the handle that is or will be valid, never 0 */
	uint16_t slot;
	bool is_used;
};
_Static_assert(sizeof(struct timer) * BLOCK_TIMERS == MEM_BLOCK_MAX, "a block of slab memory is filled");

struct timer_core {
	struct timer *blocks[TIMERS_MAX / BLOCK_TIMERS];
	uint32_t block_count;
	struct list free;
	struct list due; /* fired, event not yet written; oldest first */
};

static PERCORE struct timer_core core;

static ix_handle_t handle_of(const struct timer *t)
{
	return (uint64_t)t->generation << 32 | IX_HANDLE_TIMER | core_id() << CORE_SHIFT | t->slot;
}

static struct timer *timer_at(uint32_t slot)
{
	return &core.blocks[slot / BLOCK_TIMERS][slot % BLOCK_TIMERS];
}

/* NULL unless @handle is a timer of this core whose event has not been written. */
static struct timer *timer_find(ix_handle_t handle)
{
	uint32_t slot = (uint16_t)handle;
	struct timer *t;

	if (slot >= core.block_count * BLOCK_TIMERS)
		return NULL;
	t = timer_at(slot);
	return t->is_used && handle == handle_of(t) ? t : NULL;
}

static void timer_fire(struct time_node *node)
{
	list_add_tail(&core.due, &CONTAINER_OF(node, struct timer, node)->link);
}

static bool add_block(void)
{
	struct timer *block;

	if (core.block_count == ARRAY_COUNT(core.blocks))
		return false;
	block = mem_alloc(MEM_BLOCK_MAX);
	if (!block)
		return false;
	for (uint32_t i = 0; i < BLOCK_TIMERS; i++) {
		struct timer *t = &block[i];

		*t = (struct timer){ .generation = 1, .slot = (uint16_t)(core.block_count * BLOCK_TIMERS + i) };
		time_node_init(&t->node, timer_fire);
		list_add_tail(&core.free, &t->link);
	}
	core.blocks[core.block_count++] = block;
	return true;
}

static struct timer *timer_get(void)
{
	struct timer *t;

	if (list_is_empty(&core.free) && !add_block())
		return NULL;
	t = CONTAINER_OF(core.free.next, struct timer, link);
	list_remove(&t->link);
	t->is_used = true;
	return t;
}

static void timer_put(struct timer *t)
{
	time_cancel(&t->node);
	list_remove(&t->link);
	t->is_used = false;
	if (++t->generation == 0)
		t->generation = 1;
	list_add_tail(&core.free, &t->link); /* at the tail: a stale handle stays stale for long */
}

int do_timer_arm(const struct decoded *c, uint64_t *result)
{
	struct timer *t;
	uint64_t tick;

	if (c->arg > IX_TIMER_NS_MAX)
		return IX_BAD_LENGTH;
	t = c->handle ? timer_find(c->handle) : timer_get();
	if (!t)
		return c->handle ? IX_BAD_HANDLE : IX_NO_MEMORY;
	/* The present tick has partly passed: one more, so that no timer is early. */
	tick = time_now() + (c->arg ? (c->arg + TICK_NS - 1) / TICK_NS + 1 : 0);
	list_remove(&t->link); /* it may be due */
	time_arm(&t->node, tick);
	t->cookie = c->len;
	*result = handle_of(t);
	return IX_OK;
}

int do_timer_cancel(const struct decoded *c)
{
	struct timer *t = timer_find(c->handle);

	if (!t)
		return IX_BAD_HANDLE;
	timer_put(t);
	return IX_OK;
}

void do_timer_core_init(void)
{
	list_init(&core.free);
	list_init(&core.due);
}

void do_timer_end(void)
{
	for (uint32_t slot = 0; slot < core.block_count * BLOCK_TIMERS; slot++)
		if (timer_at(slot)->is_used)
			timer_put(timer_at(slot));
}

void sys_timer_events(void)
{
	while (!list_is_empty(&core.due) && event_room()) {
		struct timer *t = CONTAINER_OF(core.due.next, struct timer, link);
		const struct ix_event event = { .kind = IX_EV_TIMER, .cookie = t->cookie, .handle = handle_of(t) };

		event_push(&event);
		timer_put(t);
	}
}

bool sys_has_events(void)
{
	return !list_is_empty(&core.due);
}
