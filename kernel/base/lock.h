/* SPDX-License-Identifier: MIT */
/*
 * A spin lock for the few places where cores meet: the depots, the console, partition-wide tables. Never on
 * the path of a packet. Interrupts are off in ring 0, so a holder is never interrupted.
 */
#pragma once
#include "kernel/base/types.h"

struct lock {
	uint32_t held;
};

static inline void lock_take(struct lock *l)
{
	while (__atomic_exchange_n(&l->held, 1, __ATOMIC_ACQUIRE))
		while (__atomic_load_n(&l->held, __ATOMIC_RELAXED))
			__builtin_ia32_pause();
}

/** lock_try() - take it if it is free. Return: whether it is taken now. */
static inline bool lock_try(struct lock *l)
{
	return !__atomic_load_n(&l->held, __ATOMIC_RELAXED) && !__atomic_exchange_n(&l->held, 1, __ATOMIC_ACQUIRE);
}

static inline void lock_give(struct lock *l)
{
	__atomic_store_n(&l->held, 0, __ATOMIC_RELEASE);
}
