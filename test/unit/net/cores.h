/* SPDX-License-Identifier: MIT */
/*
 * Several cores in one process: each has a window of its own (all PERCORE data and lwIP's), which is
 * exchanged when another one's turn comes. kernel/flow is the real one; the device has as many queues as a
 * test says. The clock, the device's frames and the peers are world.h's.
 */
#pragma once
#include "kernel/flow/flow.h"
#include "test/unit/net/world.h"

#define CORES_IN_TEST 4u

enum cores_mode {
	CORES_HASH,  /* one queue: the first core hands over */
	CORES_RSS,   /* a queue each, picked by the device by our table */
	CORES_QUEUE, /* a queue each, picked by the back end by cores_queue_of() */
};

struct cores {
	enum cores_mode mode;
	uint8_t (*queue_of)(uint16_t port); /* CORES_QUEUE: which queue a peer's port comes to */
	struct ix_event_array events[CORES_IN_TEST];
};
extern struct cores cores;

/** cores_begin() - all cores up, partition running. Once in a program. */
void cores_begin(enum cores_mode mode, uint32_t offloads);

/** cores_switch() - be core @core. cores_turn() - its turn of the loop, events into cores.events[core]; stays on it. */
void cores_switch(uint32_t core);
void cores_turn(uint32_t core);

/** cores_all() - @rounds turns of every core, a millisecond each. */
void cores_all(unsigned rounds);

/** cores_check_empty() - everything has come back: blocks, receive buffers, frames; all connections are gone. */
void cores_check_empty(void);

/** cores_end() - the partition ends on every core, time goes by, and everything has come back. */
void cores_end(void);
