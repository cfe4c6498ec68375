/* SPDX-License-Identifier: MIT */
/* Memory between guard pages, a list of timers in place of the wheel, and ears for the layers below. */
#include "test/unit/sys/world.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "kernel/base/log.h"
#include "kernel/cpu/cpu.h"
#include "kernel/mem/mem.h"
#include "kernel/time/time.h"
#include "test/fake/defined.h"

#define GUARD 4096u

struct world world;
struct user_partition user_partition;

static uint8_t *buffers;
static struct buf bufs[WORLD_BUFS];
static struct list armed = { &armed, &armed };

static void *guarded(size_t bytes)
{
	size_t whole = (bytes + GUARD - 1) / GUARD * GUARD;
	uint8_t *p = mmap(NULL, whole + 2 * GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED || mprotect(p + GUARD, whole, PROT_READ | PROT_WRITE))
		abort();
	return p + GUARD;
}

static void console(const char *text, size_t bytes)
{
	if (bytes > sizeof(world.console) - world.console_bytes)
		abort();
	memcpy(world.console + world.console_bytes, text, bytes);
	world.console_bytes += bytes;
}

int world_init(void **state)
{
	(void)state;
	user_partition.data = guarded(WORLD_BYTES);
	user_partition.bytes = WORLD_BYTES;
	user_partition.stacks = guarded(WORLD_CORES * IX_STACK_BYTES);
	user_partition.cores = WORLD_CORES;
	buffers = guarded(WORLD_BUFS * BUF_BYTES);
	for (uint32_t i = 0; i < WORLD_BUFS; i++)
		bufs[i] = (struct buf){ .data = buffers + i * BUF_BYTES, .index = i };
	world.calls = guarded(sizeof(*world.calls));
	world.events = guarded(sizeof(*world.events));
	log_init(console);
	event_core_init(world.events);
	sys_core_init(world.calls);
	return 0;
}

int world_reset(void **state)
{
	struct world old = world;

	(void)state;
	sys_partition_end();
	event_begin();
	fake_net_reset();
	memset(&world, 0, sizeof(world));
	world.calls = old.calls;
	world.events = old.events;
	world.now = old.now;
	world.blocks = old.blocks;
	percore_id = 0;
	return 0;
}

void *world_at(ix_uaddr_t va)
{
	return user_partition.data + (va - IX_PARTITION_VA);
}

int world_call(struct ix_call *call)
{
	call->status = IX_PENDING;
	world.calls->calls[0] = *call;
	world.calls->count = 1;
	assert_int_equal(sys_batch(), 1);
	assert_int_equal(world.calls->count, 0);
	assert_int_equal(world.calls->executed, 1);
	defined_check(&world.calls->calls[0], sizeof(world.calls->calls[0]));
	*call = world.calls->calls[0];
	return call->status;
}

int64_t world_entry(uint64_t number, uint64_t a, uint64_t b, uint64_t c)
{
	const struct user_call call = { .number = number, .arg = { a, b, c } };
	uint64_t result = 0x5a5a;

	assert_true(sys_entry(&call, &result));
	return (int64_t)result;
}

/* ---- the layers below ---- */

struct buf *buf_of_user(ix_uaddr_t va, uint64_t bytes, uint32_t *off)
{
	uint64_t at = va - IX_RX_VA;

	if (va < IX_RX_VA || at / BUF_BYTES >= WORLD_BUFS || bytes > BUF_BYTES - at % BUF_BYTES)
		return NULL;
	*off = at % BUF_BYTES;
	return &bufs[at / BUF_BYTES];
}

void *mem_alloc(size_t bytes)
{
	if (world.no_memory)
		return NULL;
	world.blocks++;
	return malloc(bytes);
}

uint64_t cpu_running(void)
{
	return ~world.absent;
}

void cpu_wake(uint32_t core)
{
	world.wakes++;
	world.woken = core;
}

int user_start(uint32_t core, uint64_t entry, uint64_t arg)
{
	world.starts++;
	world.start[0] = core;
	world.start[1] = entry;
	world.start[2] = arg;
	return world.status;
}

int user_set_fs(uint64_t base)
{
	world.fs_sets++;
	world.fs_base = base;
	return world.status;
}

void user_exit(uint64_t status)
{
	world.exits++;
	world.exit_status = status;
}

void time_node_init(struct time_node *node, void (*fire)(struct time_node *node))
{
	list_init(&node->link);
	node->fire = fire;
}

void time_arm(struct time_node *node, uint64_t tick)
{
	list_remove(&node->link);
	node->tick = tick;
	list_add_tail(&armed, &node->link);
}

void time_cancel(struct time_node *node)
{
	list_remove(&node->link);
}

unsigned time_run(uint64_t now)
{
	struct list *next;
	unsigned fired = 0;

	for (struct list *l = armed.next; l != &armed; l = next) {
		struct time_node *node = CONTAINER_OF(l, struct time_node, link);

		next = l->next;
		if (node->tick > now)
			continue;
		list_remove(l);
		node->fire(node);
		fired++;
	}
	return fired;
}

uint64_t time_now(void)
{
	return world.now;
}
