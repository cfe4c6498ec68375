/* SPDX-License-Identifier: MIT */
/* The handle table beyond its door: set up, and handles that every core may use. Private to kernel/net. */
#pragma once
#include "kernel/net/net.h"

#define HANDLE_SLOT_BYTES 16u

/** handle_init() - room for @connections connections and all else. 0 or KERR_NO_MEMORY. */
int handle_init(uint32_t connections);

/** handle_new_shared() - as net_handle_new(), found by every core (listeners, UDP sockets). */
ix_handle_t handle_new_shared(enum net_kind kind, void *object);

/**
 * handle_pass() - the calling core's handle is nobody's until handle_receive() on the core it moved to
 * handle_missing() - why conn_find() has nothing: IX_MOVED (the connection moves, or has moved and is another
 * core's) or IX_BAD_HANDLE.
 */
void handle_pass(ix_handle_t handle);
void handle_receive(ix_handle_t handle);
int handle_missing(ix_handle_t handle);

/** handle_has_room() - whether net_handle_new() would succeed now. */
bool handle_has_room(void);

/** handle_each() - call @fn for the object of every handle of @kind that the calling core owns; @fn may free it. */
void handle_each(enum net_kind kind, void (*fn)(void *object));
