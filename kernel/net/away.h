/* SPDX-License-Identifier: MIT */
/*
 * Connections that we began and that live on another core than the one whose port they have. Where a flow group is a queue, each core chooses
 * from ports of its own (tcp_open.c) and sees only its own connections; one that has moved keeps its port.
 */
#pragma once
#include "kernel/net/core.h"

#define PORT_FIRST 32768u
#define PORT_COUNT 28232u /* ephemeral ports, random [RFC 6056 3.3.1] */

/** away_is_home() - whether the calling core chooses @port, host order, and no other does. */
bool away_is_home(uint16_t port);

/** away_has() - whether a connection whose demux_hash() is @hash, or happens to fall on the same place, is away or between two cores. */
bool away_has(uint32_t hash);

/**
 * away_begin() - @c leaves, before this core's table forgets it: there is no moment at which nobody knows of it
 * Return: whether it was counted, and is to have CONN_AWAY when the table has forgotten it, which gives back what it was counted before.
 */
bool away_begin(struct conn *c);
/** away_end() - @c has arrived in this core's table, or has found no room there. */
void away_end(struct conn *c);

/** away_drop() - @c, which has CONN_AWAY, ends. */
void away_drop(struct conn *c);
