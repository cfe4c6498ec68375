/* SPDX-License-Identifier: MIT */
/* ixd's table of guests without ixd: guests that never ran, with pasts that never were. */
#pragma once
#include "hostctl/ixd/ixd.h"

extern int64_t seen_now_ms; /* what now_ms() says; -1: the real one */

/** seen_guest() - a guest that runs with @cores cores, all values made from its place in the table. Under no lock. */
struct known *seen_guest(const char *name, unsigned cores);

/** seen_second() - the counters and gauges of @k as of @second, in waves. */
void seen_second(struct known *k, int64_t second);

/** seen_past() - @seconds of history up to @second. */
void seen_past(struct known *k, unsigned seconds, int64_t second);

/** seen_end() - no guests any more. */
void seen_end(void);
