/* SPDX-License-Identifier: MIT */
/* The handle table beyond its door: set up, and handles that every core may use. Private to kernel/net. */
#pragma once
#include "kernel/net/net.h"

#define HANDLE_SLOT_BYTES 16u

/** handle_init() - room for @connections connections and all else. 0 or KERR_NO_MEMORY. */
int handle_init(uint32_t connections);

/** handle_new_shared() - as net_handle_new(), found by every core (listeners, UDP sockets). */
ix_handle_t handle_new_shared(enum net_kind kind, void *object);

/** handle_has_room() - whether net_handle_new() would succeed now. */
bool handle_has_room(void);

/** handle_each() - call @fn for the object of every handle of @kind that the calling core owns; @fn may free it. */
void handle_each(enum net_kind kind, void (*fn)(void *object));
