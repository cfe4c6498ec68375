/* SPDX-License-Identifier: MIT */
/*
 * What kernel/sys stands on, for its tests: a partition, stacks and receive buffers of ring 3, each
 * between pages that nobody may touch; a clock that the test moves; and the outcomes of what went down.
 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "kernel/abi/status.h"
#include "kernel/buf/buf.h"
#include "kernel/event/event.h"
#include "kernel/sys/sys.h"
#include "test/fake/net.h"

#define WORLD_CORES 2u
#define WORLD_BYTES 0x400000ull /* of the partition */
#define WORLD_BUFS 8u
#define WORLD_END (IX_PARTITION_VA + WORLD_BYTES)

struct world {
	struct ix_call_array *calls;
	struct ix_event_array *events;
	uint64_t now;       /* ticks */
	unsigned no_memory; /* mem_alloc() fails while not 0 */
	unsigned blocks;    /* of mem_alloc() */
	/* What user, cpu and the console were told. */
	uint64_t exit_status, fs_base, start[3];
	unsigned exits, fs_sets, starts, wakes, woken;
	uint64_t absent; /* cores that do not run */
	int status;      /* what user_start() and user_set_fs() return */
	char console[8192];
	size_t console_bytes;
};
extern struct world world;

/** world_init() - cmocka group setup. world_reset() - cmocka setup: no calls, no timers, nothing recorded. */
int world_init(void **state);
int world_reset(void **state);

/** world_at() - the test's own pointer to partition memory at @va. */
void *world_at(ix_uaddr_t va);

/** world_call() - execute one call alone. Return: its status; *@call as ring 3 finds it afterwards. */
int world_call(struct ix_call *call);

/** world_entry() - one entry that comes back. Return: rax. */
int64_t world_entry(uint64_t number, uint64_t a, uint64_t b, uint64_t c);
