/* SPDX-License-Identifier: MIT */
/*
 * A long wire that loses what the test wants lost, and at its end a host that takes a stream, answers as
 * receivers do, and compares every byte. Time runs in turns of a millisecond.
 */
#pragma once
#include "test/unit/net/world.h"

#define WIRE_STREAM_MAX (4u << 20)

struct wire {
	unsigned delay_ms;            /* one way */
	unsigned data_loss, ack_loss; /* in 1,000 */
	unsigned full;                /* turns in 1,000 in which the device takes no frame */
	unsigned jitter_ms;           /* some segments take so much longer */
	bool is_reneging;             /* the host now and then throws away what came early */
	bool (*is_lost)(unsigned nth,
			uint32_t at); /* @nth data segment on the wire, stream position @at; NULL: by chance */
	uint64_t seed;
	/* results */
	unsigned segments, lost;
	uint32_t received; /* bytes, in order and as sent */
	uint32_t ms;
};

/** wire_run() - @bytes from us to @p over a new connection; fails the test if that takes more than @limit_ms. */
void wire_run(struct wire *w, struct peer *p, uint32_t bytes, uint32_t limit_ms);
