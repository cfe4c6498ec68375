/* SPDX-License-Identifier: MIT */
/*
 * A million calls from a seeded generator that likes borders: none may touch what ring 3 does not own
 * (guard pages and sanitizers see it), and every one gets a status of the contract. IX_TEST_SEED chooses
 * another seed.
 */
#include <stdlib.h>
#include "kernel/time/time.h"
#include "test/unit/sys/world.h"

#define CALLS 1000000u

static uint64_t seed = 1;

static uint64_t next(void)
{
	/* splitmix64 */
	uint64_t z = seed += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static uint64_t random_address(void)
{
	static const uint64_t bases[] = { 0,
					  IX_PARTITION_VA,
					  IX_PARTITION_VA,
					  WORLD_END,
					  IX_RX_VA,
					  IX_RX_VA + WORLD_BUFS * BUF_BYTES,
					  IX_STACK_VA,
					  IX_STACK_VA + IX_STACK_BYTES,
					  IX_STACK_VA + IX_STACK_STRIDE,
					  IX_STACK_VA + WORLD_CORES * IX_STACK_STRIDE,
					  IX_CALL_ARRAY_VA,
					  IX_EVENT_ARRAY_VA,
					  IX_INFO_VA,
					  0x0000800000000000ull,
					  0xffff800000000000ull,
					  0xffffffff80000000ull };
	uint64_t base = bases[next() % ARRAY_COUNT(bases)], r = next();

	switch (r % 4) {
	case 0:
		return base + (r >> 8) % 4096;
	case 1:
		return base - (r >> 8) % 128;
	case 2:
		return base + (r >> 8) % WORLD_BYTES;
	default:
		return r;
	}
}

static uint64_t random_length(void)
{
	uint64_t r = next();

	switch (r % 8) {
	case 0:
		return 0;
	case 1:
		return r >> 32;
	case 2:
		return r;
	case 3:
		return UINT64_MAX - (r >> 8) % 64;
	case 4:
		return (r >> 8) % (2 * WORLD_BYTES);
	default:
		return (r >> 8) % 64;
	}
}

static uint64_t random_field(void)
{
	switch (next() % 4) {
	case 0:
		return random_address();
	case 1:
		return random_length();
	case 2:
		return 0;
	default:
		return next() % 4 << 32 | (next() % 2 ? IX_HANDLE_TIMER : 0) | next() % 4096;
	}
}

/* Lists and structures that good pointers lead to: themselves random. */
static void scribble(void)
{
	for (unsigned i = 0; i < 64; i++) {
		uint64_t off = next() % 2 ? next() % 4096 : WORLD_BYTES - 8 - next() % 4096;

		*(uint64_t *)(user_partition.data + off / 8 * 8) = random_field();
	}
}

static void random_call(struct ix_call *call)
{
	uint64_t r = next();

	*call = (struct ix_call){ .op = (uint16_t)(r % 8 ? (r >> 8) % (IX_OP_NR + 1) : r >> 16),
				  .flags = (uint16_t)(r >> 32 & 3 ? r >> 34 & 3 : r >> 40),
				  .status = IX_PENDING,
				  .handle = random_field(),
				  .arg = random_field(),
				  .len = random_field() };
	/* What an opcode does not use is mostly zero, or no call would get beyond its form. */
	if (next() % 4 == 0)
		return;
	if (call->op != IX_OP_SENDV && call->op != IX_OP_SEND_BACK)
		call->flags = 0;
	if (call->op == IX_OP_LISTEN || call->op == IX_OP_CONNECT || call->op == IX_OP_UDP_BIND)
		call->handle = 0;
	if (call->op == IX_OP_CONNECT || call->op == IX_OP_UDP_SENDV || call->op == IX_OP_ACCEPT)
		call->len = 0;
	if (call->op == IX_OP_RECV_DONE || call->op == IX_OP_SEND_BACK || call->op == IX_OP_UDP_RECV_DONE)
		call->arg = 0;
}

static void test_million(void **state)
{
	unsigned counts[IX_STATUS_NR] = { 0 };

	(void)state;
	for (unsigned done = 0; done < CALLS;) {
		unsigned count = 1 + (unsigned)(next() % 200);

		scribble();
		for (unsigned i = 0; i < count; i++)
			random_call(&world.calls->calls[i]);
		fake_net.status = -(int)(next() % IX_STATUS_NR);
		fake_net.result = next();
		world.calls->count = count;
		assert_int_equal(sys_batch(), count);
		for (unsigned i = 0; i < count; i++) {
			int status = world.calls->calls[i].status;

			if (status > 0 || status <= -IX_STATUS_NR)
				fail_msg("opcode %u got status %d", world.calls->calls[i].op, status);
			counts[-status]++;
		}
		done += count;
		if (next() % 64 == 0) {
			world.now += next() % 100000;
			time_run(world.now);
			event_begin();
			sys_timer_events();
		}
	}
	/* The generator reaches what it is for. */
	for (unsigned i = 0; i < IX_STATUS_NR; i++)
		assert_true(counts[i] > 1000);
	assert_true(fake_net.calls > CALLS / 10);
}

static void test_entries(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CALLS / 10; i++) {
		const struct user_call call = { .number = next() % 4 ? next() % (IX_ENTRY_NR + 2) : next(),
						.arg = { random_field(), random_field(), random_field() } };
		uint64_t result = 0;

		world.console_bytes = 0;
		world.calls->count = (uint32_t)next();
		if (!sys_entry(&call, &result))
			assert_true(call.number == IX_RUN_IO || call.number == IX_EXIT);
		else
			assert_true((int64_t)result > -IX_STATUS_NR && (int64_t)result <= 4096);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_million, world_reset),
		cmocka_unit_test_setup(test_entries, world_reset),
	};
	const char *text = getenv("IX_TEST_SEED");

	if (text)
		seed = strtoull(text, NULL, 0);
	print_message("seed %lu\n", seed);
	return cmocka_run_group_tests(tests, world_init, NULL);
}
