/* SPDX-License-Identifier: MIT */
/* Timestamps [RFC 7323]. Private to kernel/net. */
#pragma once
#include "kernel/net/core.h"

#define TS_BYTES 12u /* the option in a header: two NOPs, then itself [RFC 7323 A] */

/** ts_clock() - the time as @c's peer is told, in ms [RFC 7323 4.1, 5.4]. */
static inline uint32_t ts_clock(const struct conn *c)
{
	return net_self.now_ms + c->ts_offset;
}
/** ts_clock_of() - the same of a peer without a connection. */
struct demux_tuple;
uint32_t ts_clock_of(const struct demux_tuple *t);
/** ts_write() - the option into a header. Return: TS_BYTES. */
uint8_t ts_write(uint8_t out[TS_BYTES], uint32_t value, uint32_t echo);
/** ts_find() - what a timestamp among @bytes of @options says. Return: false if there is none. */
bool ts_find(const uint8_t *options, unsigned bytes, uint32_t *value);
/** ts_init() - @c's addresses are known. */
void ts_init(struct conn *c);
/**
 * ts_take_echo() - before an acknowledgement is worked off: a peer's echo measures a round trip where lwIP has
 * no measurement under way, as after a retransmission [RFC 7323 4.1]
 */
void ts_take_echo(struct conn *c, uint32_t ack, uint32_t echo);
