/* SPDX-License-Identifier: MIT */
/*
 * Call descriptors as ring 3 may write them: the input is a row of steps over a partition with guard pages around everything
 * that ring 3 owns. Each call gets a status of the contract and nothing else is touched.
 */
#include "kernel/time/time.h"
#include "test/fuzz/fuzz.h"
#include "test/unit/sys/world.h"

#define CALLS_MAX 64u
#define STEPS_MAX 64u

enum step { STEP_BATCH, STEP_MEMORY, STEP_ENTRY, STEP_TIME, STEP_BELOW, STEPS };

/* Addresses of interest, so that eight bytes need not be guessed: the top byte chooses the base. */
static uint64_t value(struct feed *f)
{
	static const uint64_t bases[] = {
		0,
		IX_PARTITION_VA,
		WORLD_END,
		IX_RX_VA,
		IX_RX_VA + WORLD_BUFS * BUF_BYTES,
		IX_STACK_VA,
		IX_STACK_VA + IX_STACK_BYTES,
		IX_CALL_ARRAY_VA,
		IX_EVENT_ARRAY_VA,
		IX_INFO_VA,
		0x0000800000000000ull,
		0xffff800000000000ull,
		0xffffffff80000000ull,
		IX_HANDLE_TIMER,
	};
	uint8_t kind = feed_u8(f);

	if (kind < sizeof(bases) / sizeof(bases[0]))
		return bases[kind] + feed_u16(f);
	if (kind < 2 * sizeof(bases) / sizeof(bases[0]))
		return bases[kind - sizeof(bases) / sizeof(bases[0])] - feed_u16(f);
	return kind < 0xf0 ? kind : feed_u64(f);
}

static void batch(struct feed *f)
{
	unsigned count = 1 + feed_u8(f) % CALLS_MAX;

	for (unsigned i = 0; i < count; i++) {
		struct ix_call *call = &world.calls->calls[i];

		*call = (struct ix_call){ .op = feed_u8(f), .status = IX_PENDING };
		if (call->op == 0xff)
			call->op = feed_u16(f);
		call->flags = call->op & 0x80 ? feed_u16(f) : feed_u8(f);
		if (call->op < 0xff)
			call->op &= 0x7f;
		call->handle = value(f);
		call->arg = value(f);
		call->len = value(f);
	}
	world.calls->count = count;
	FUZZ_CHECK(sys_batch() == count);
	for (unsigned i = 0; i < count; i++)
		FUZZ_CHECK(world.calls->calls[i].status <= 0 && world.calls->calls[i].status > -IX_STATUS_NR);
}

static void entry(struct feed *f)
{
	const struct user_call call = { .number = feed_u8(f), .arg = { value(f), value(f), value(f) } };
	uint64_t result = 0;

	world.console_bytes = 0;
	world.calls->count = feed_u32(f);
	if (!sys_entry(&call, &result))
		FUZZ_CHECK(call.number == IX_RUN_IO || call.number == IX_EXIT);
	else
		FUZZ_CHECK((int64_t)result > -IX_STATUS_NR && (int64_t)result <= 4096);
}

/* What pointers lead to. */
static void memory(struct feed *f)
{
	size_t off = feed_u16(f) % 8192u, bytes = feed_u8(f);

	if (off >= 4096) /* at the partition's end */
		off = WORLD_BYTES - 8192u + off;
	for (size_t at = 0; at + 8 <= bytes && off + at + 8 <= WORLD_BYTES; at += 8) {
		uint64_t v = value(f);

		memcpy(user_partition.data + off + at, &v, sizeof(v));
	}
}

static void step(struct feed *f)
{
	switch (feed_u8(f) % STEPS) {
	case STEP_BATCH:
		batch(f);
		break;
	case STEP_MEMORY:
		memory(f);
		break;
	case STEP_ENTRY:
		entry(f);
		break;
	case STEP_TIME:
		world.now += feed_u16(f) * 16u;
		time_run(world.now);
		event_begin();
		sys_timer_events();
		break;
	default:
		fake_net.status = -(int)(feed_u8(f) % IX_STATUS_NR);
		fake_net.result = value(f);
		world.no_memory = feed_u8(f) == 1;
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static bool is_up;
	struct feed f = { data, data + bytes };

	if (!is_up)
		world_init(NULL);
	is_up = true;
	world_reset(NULL);
	memset(user_partition.data, 0, 4096);
	memset(user_partition.data + WORLD_BYTES - 4096, 0, 4096);
	for (unsigned i = 0; i < STEPS_MAX && feed_left(&f); i++)
		step(&f);
	sys_partition_end();
	return 0;
}
