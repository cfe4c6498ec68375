/* SPDX-License-Identifier: MIT */
/*
 * The timing wheel of a core: six levels of 64 slots, one bit a slot. A node lies at the level of the
 * highest digit (base 64) in which its deadline differs from `base`, so a lower level is always earlier
 * than a higher one, and the next deadline is the first bit of the lowest level that has any.
 * [Varghese, Lauck 1987, scheme 7]
 */
#include "kernel/time/time.h"

#include "kernel/base/assert.h"

#define DIGIT_BITS 6u
#define SLOTS 64u
#define LEVELS 6u
#define REACH_BITS (DIGIT_BITS * LEVELS) /* 2^36 ticks, 12 days; later ones wait in the last slot */

struct wheel {
	uint64_t base;         /* every tick before it has been fired */
	uint64_t floor;        /* earliest tick that may be armed: behind the last run */
	uint64_t next;         /* no used slot begins before this tick; runs before it only note the time */
	uint64_t used[LEVELS]; /* bit s: slots[level][s] is not empty */
	struct list slots[LEVELS][SLOTS];
};

static PERCORE struct wheel wheel;

static unsigned digit_of(uint64_t tick, unsigned level)
{
	return tick >> (level * DIGIT_BITS) & (SLOTS - 1);
}

static void place(struct time_node *node, uint64_t tick)
{
	uint64_t differ = tick ^ wheel.base;
	unsigned level, slot;

	if (differ >> REACH_BITS) { /* beyond the wheel: the last tick it can name, and another look then */
		tick = wheel.base | ((1ull << REACH_BITS) - 1);
		differ = tick ^ wheel.base;
	}
	level = differ ? (63u - (unsigned)__builtin_clzll(differ)) / DIGIT_BITS : 0;
	slot = digit_of(tick, level);
	list_add_tail(&wheel.slots[level][slot], &node->link);
	wheel.used[level] |= 1ull << slot;
	wheel.next = MIN(wheel.next, tick & ~((1ull << level * DIGIT_BITS) - 1));
}

/* The first used slot: its level in @level. Return: the tick it begins at, UINT64_MAX if all are empty. */
static uint64_t first_slot(unsigned *level)
{
	for (unsigned l = 0; l < LEVELS; l++) {
		unsigned shift = l * DIGIT_BITS;
		uint64_t later = wheel.used[l] >> digit_of(wheel.base, l), above;

		if (!later)
			continue;
		*level = l;
		above = ~((1ull << (shift + DIGIT_BITS)) - 1);
		return (wheel.base & above) |
		       ((uint64_t)(digit_of(wheel.base, l) + (unsigned)__builtin_ctzll(later)) << shift);
	}
	return UINT64_MAX;
}

/* Empties the slot of @level that begins at @tick into @out. */
static void take_slot(unsigned level, uint64_t tick, struct list *out)
{
	unsigned slot = digit_of(tick, level);
	struct list *head = &wheel.slots[level][slot];

	wheel.used[level] &= ~(1ull << slot);
	list_init(out);
	if (list_is_empty(head))
		return;
	*out = *head;
	out->next->prev = out;
	out->prev->next = out;
	list_init(head);
}

/* The nodes of a slot at which base has arrived move to the levels below. */
static void cascade(unsigned level, uint64_t tick)
{
	struct list nodes;

	take_slot(level, tick, &nodes);
	while (!list_is_empty(&nodes)) {
		struct time_node *node = CONTAINER_OF(nodes.next, struct time_node, link);

		list_remove(&node->link);
		place(node, MAX(node->tick, wheel.base));
	}
}

static unsigned fire_slot(uint64_t tick)
{
	unsigned fired = 0;
	struct list nodes;

	take_slot(0, tick, &nodes);
	wheel.base = tick + 1;
	while (!list_is_empty(&nodes)) {
		struct time_node *node = CONTAINER_OF(nodes.next, struct time_node, link);

		list_remove(&node->link);
		if (node->tick > tick) { /* it was beyond the wheel */
			place(node, node->tick);
			continue;
		}
		node->fire(node);
		fired++;
	}
	return fired;
}

/* base moves to @tick; nothing is due before it. */
static void advance(uint64_t tick)
{
	wheel.base = tick;
	/* A slot above level 0 that begins right here must not stay: its nodes no longer differ in that digit. */
	for (unsigned level = LEVELS - 1; level > 0; level--)
		if (wheel.used[level] & 1ull << digit_of(tick, level))
			cascade(level, tick);
}

void time_core_init(uint64_t now)
{
	wheel.base = now;
	wheel.floor = now;
	wheel.next = UINT64_MAX;
	for (unsigned l = 0; l < LEVELS; l++) {
		wheel.used[l] = 0;
		for (unsigned s = 0; s < SLOTS; s++)
			list_init(&wheel.slots[l][s]);
	}
}

void time_node_init(struct time_node *node, void (*fire)(struct time_node *node))
{
	list_init(&node->link);
	node->tick = 0;
	node->fire = fire;
}

void time_arm(struct time_node *node, uint64_t tick)
{
	time_cancel(node);
	node->tick = MAX(tick, wheel.floor);
	place(node, node->tick);
}

void time_cancel(struct time_node *node)
{
	struct list *other = node->link.next;
	uintptr_t first = (uintptr_t)&wheel.slots[0][0], at = (uintptr_t)other;

	if (other == &node->link)
		return;
	/* Alone with the head of its list: the slot is empty now, if that head is a slot's and not a run's own. */
	if (other == node->link.prev && at >= first && at < first + sizeof(wheel.slots)) {
		uintptr_t index = (at - first) / sizeof(struct list);

		wheel.used[index / SLOTS] &= ~(1ull << index % SLOTS);
	}
	list_remove(&node->link);
}

bool time_is_armed(const struct time_node *node)
{
	return !list_is_empty(&node->link);
}

/* Everything due at @now. */
static unsigned run(uint64_t now)
{
	unsigned fired = 0, level = 0;
	uint64_t tick;

	while ((tick = first_slot(&level)) <= now) {
		if (level == 0)
			fired += fire_slot(tick);
		if (level != 0 || (tick & (SLOTS - 1)) == SLOTS - 1)
			advance(level ? tick : tick + 1);
	}
	return fired;
}

/* base catches up with the runs that had nothing to fire. */
static void settle(void)
{
	unsigned level;

	if (wheel.base < wheel.floor)
		advance(wheel.floor);
	wheel.next = first_slot(&level);
}

unsigned time_run(uint64_t now)
{
	unsigned fired;

	if (now < wheel.floor)
		return 0;
	wheel.floor = now + 1;
	if (likely(now < wheel.next))
		return 0;
	fired = run(now);
	settle();
	return fired;
}

uint64_t time_next(void)
{
	settle();
	return wheel.next;
}
