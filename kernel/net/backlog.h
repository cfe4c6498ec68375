/* SPDX-License-Identifier: MIT */
/* How many connections of each listener have not come as far as ring 3 yet. Private to kernel/net. */
#pragma once
#include "kernel/net/binding.h"

/** backlog_half_open() - @c, of listener @b, waits for the peer's acknowledgement, as the newest. */
void backlog_half_open(struct conn *c, const struct binding *b);
/** backlog_established() - @c waits for ring 3 to accept it. */
void backlog_established(struct conn *c);
/** backlog_leave() - it does neither any more; nothing if it never did. */
void backlog_leave(struct conn *c);

/** backlog_pass() - @c, held, counts on this core no more. backlog_receive() - it counts on this one, as the newest. */
void backlog_pass(struct conn *c);
void backlog_receive(struct conn *c);

/** backlog_is_full() - whether no further connection of @b may become established, or none of the partition. */
bool backlog_is_full(const struct binding *b);
/** backlog_is_flooded() - whether no further connection of @b may be half-open: SYN cookies instead. */
bool backlog_is_flooded(const struct binding *b);

/** backlog_may_establish() - whether half-open @c may become established now. */
bool backlog_may_establish(const struct conn *c);
