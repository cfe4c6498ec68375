/* SPDX-License-Identifier: MIT */
/*
 * In: event conditions of this core's connections, sockets and timers. Out: this core's event array.
 * Who calls: net and sys while they write pending events. Start reading at event.c.
 */
#pragma once
#include "kernel/abi/event.h"
#include "kernel/base/percore.h"

/** event_core_init() - @array: direct-map address of the calling core's event array. */
void event_core_init(struct ix_event_array *array);

/** event_begin() - empty the array; the last one is not valid for ring 3 from here on. */
void event_begin(void);

/** event_room() - events (and peers) that still fit. */
unsigned event_room(void);
unsigned event_peer_room(void);

/** event_push() - append; the caller has asked event_room(). */
void event_push(const struct ix_event *event);

/** event_put() - the same for one whose detail is 0, without a detour by memory. */
void event_put(enum ix_event_kind kind, uint32_t len, uint64_t cookie, ix_handle_t handle, uint64_t addr);

/**
 * event_slots() - where the next events go, @room of them, for a caller that writes many
 * They count when event_add() has been called, before anything else is pushed.
 */
struct ix_event *event_slots(unsigned *room);
void event_add(unsigned count);

/** event_push_peer() - append both ends of a knock or datagram. Return: its index. Room asked before. */
unsigned event_push_peer(const struct ix_peer *peer);

/** event_count() - events since event_begin(). */
unsigned event_count(void);
