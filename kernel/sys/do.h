/* SPDX-License-Identifier: MIT */
/*
 * What the opcodes do, one function an opcode that needs more than its fields. Each gets a decoded call
 * and returns enum ix_status; @result is a handle or a number of bytes, 0 unless written.
 */
#pragma once
#include "kernel/sys/decode.h"

int do_listen(const struct decoded *c, uint64_t *result);
int do_connect(const struct decoded *c, uint64_t *result);
int do_sendv(const struct decoded *c, uint64_t *result);

int do_udp_bind(const struct decoded *c, uint64_t *result);
int do_udp_sendv(const struct decoded *c, uint64_t *result);

int do_timer_arm(const struct decoded *c, uint64_t *result);
int do_timer_cancel(const struct decoded *c);
/** do_timer_core_init() - the calling core has no timers yet. do_timer_end() - drop those it has. */
void do_timer_core_init(void);
void do_timer_end(void);

/** do_endpoint_is_sound() - whether the fields that mean nothing yet are 0. */
static inline bool do_endpoint_is_sound(const struct ix_endpoint *e)
{
	return !(e->reserved[0] | e->reserved[1] | e->reserved[2]);
}
