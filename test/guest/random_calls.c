/* SPDX-License-Identifier: MIT */
/* The generator and the one rule every answer must obey: a status of the closed set, for every descriptor. */
#include "test/guest/random_calls.h"

#include <stdbool.h>
#include <string.h>
#include "kernel/mem/layout.h"

static const uint64_t bases[] = { 0,
				  IX_PARTITION_VA,
				  IX_PARTITION_VA + 0x200000,
				  IX_STACK_VA,
				  IX_STACK_VA + IX_STACK_BYTES,
				  IX_STACK_VA + IX_STACK_STRIDE,
				  IX_RX_VA,
				  IX_RX_VA + 2048,
				  IX_INFO_VA,
				  IX_CORE_VA,
				  IX_CALL_ARRAY_VA,
				  IX_EVENT_ARRAY_VA,
				  MEM_DIRECT_VA,
				  MEM_DIRECT_VA + MEM_KERNEL_LOAD_PA,
				  MEM_KERNEL_VA + MEM_KERNEL_LOAD_PA,
				  MEM_KERNEL_VA + 0x600000,
				  MEM_WINDOW_VA,
				  MEM_STACK_TOP,
				  MEM_MMIO_VA,
				  0x0000800000000000,
				  0xffff800000000000 };
#define BASES (sizeof(bases) / sizeof(bases[0]))
#define FEW_PORTS 15u /* 8 and up */

struct random_shared random_shared;

uint64_t random_calls_word(struct random_calls *r) /* SplitMix64 [Steele, Lea, Flood 2014] */
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

uint64_t random_calls_address(struct random_calls *r)
{
	uint64_t w = random_calls_word(r), end = libc_info()->heap_va + libc_info()->heap_bytes;

	switch (w % 16) {
	default:
		/* Mostly where a list or an endpoint begins. */
		return (uintptr_t)r->scratch + (w >> 8) % (RANDOM_SCRATCH_BYTES - 512) / 24 * 24 + (w >> 56 ? 0 : 1);
	case 3:
		return end - (w >> 8) % 64;
	case 4:
		return bases[(w >> 8) % BASES] + (w >> 32) % 32 - 16;
	case 5:
		return bases[(w >> 8) % BASES] + (w >> 16) % (1 << 22);
	case 6:
		return UINT64_MAX - (w >> 8) % 64;
	case 7:
		return w;
	}
}

static uint64_t any_length(struct random_calls *r)
{
	uint64_t w = random_calls_word(r);

	switch (w % 16) {
	case 0:
		return 0;
	default:
		return 1 + (w >> 8) % 16;
	case 3:
		return (w >> 8) % 4096;
	case 4:
		return (w >> 8) % (1 << 24);
	case 5:
		return (1ull << (w >> 8) % 64) - (w >> 16) % 2;
	case 6:
		return UINT64_MAX - (w >> 8) % 65536;
	case 7:
		return w;
	}
}

void random_calls_init(struct random_calls *r, uint64_t seed, uint8_t *scratch)
{
	struct serve_held held[SERVE_HELD_MAX];

	*r = (struct random_calls){ .state = seed, .scratch = scratch, .spared = { serve_own(), serve_listener() } };
	r->given = serve_held(held);
	for (unsigned i = 0; i < r->given; i++)
		r->pools[RANDOM_CONNECTION].handles[i] = held[i].handle;
	r->pools[RANDOM_CONNECTION].count = r->given;
}

static enum random_kind kind_of(uint16_t op)
{
	switch (op) {
	case IX_OP_LISTEN:
	case IX_OP_UNLISTEN:
		return RANDOM_LISTENER;
	case IX_OP_UDP_BIND:
	case IX_OP_UDP_UNBIND:
	case IX_OP_UDP_SENDV:
	case IX_OP_UDP_RECV_DONE:
		return RANDOM_SOCKET;
	case IX_OP_TIMER_ARM:
	case IX_OP_TIMER_CANCEL:
		return RANDOM_TIMER;
	default:
		return RANDOM_CONNECTION;
	}
}

static ix_handle_t any_handle(struct random_calls *r, enum random_kind kind)
{
	uint64_t w = random_calls_word(r);
	unsigned other = (unsigned)(w >> 8) % RANDOM_KINDS;
	ix_handle_t h = 0;

	if (w >> 48 & 7)
		other = kind;
	if (r->pools[other].count)
		h = r->pools[other].handles[(w >> 24) % r->pools[other].count];
	if (r->shares && (w >> 52 & 3) == 0)
		h = random_shared.handles[other][(w >> 24) % RANDOM_SHARED];
	switch (w % 16) {
	case 0:
		h = 0;
		break;
	case 1:
		h ^= 1ull << (w >> 16) % 64; /* forged: one bit away from a good one */
		break;
	case 2:
		h = (h & ~0xffffffffull) | (uint32_t)(w >> 32); /* its generation, another index */
		break;
	case 3:
		h = w;
		break;
	default:
		break;
	}
	return h == r->spared[0] || h == r->spared[1] ? 0 : h;
}

/* A handle that came out takes a free place, or that of an older one. */
static void keep_handle(struct random_calls *r, const struct ix_call *c)
{
	enum random_kind kind = kind_of(c->op);
	unsigned first = kind == RANDOM_CONNECTION ? r->given : 0, *count = &r->pools[kind].count;
	uint64_t at = first + random_calls_word(r) % (RANDOM_HANDLES - first);

	if (*count < RANDOM_HANDLES)
		at = (*count)++;
	r->pools[kind].handles[at] = c->handle;
	if (r->shares)
		random_shared.handles[kind][random_calls_word(r) % RANDOM_SHARED] = c->handle;
}

/* Lists, endpoints and requests lie over each other in the scratch memory: what is one may be read as another. */
static void fill_scratch(struct random_calls *r)
{
	uint64_t *word = (uint64_t *)(void *)r->scratch;

	for (unsigned i = 0; i < RANDOM_SCRATCH_BYTES / 8; i += 3) {
		uint64_t w = random_calls_word(r);

		if (w % 4 == 0) { /* an endpoint: ::ffff:10.7.0.x and a port */
			word[i] = 0;
			if (i + 2 < RANDOM_SCRATCH_BYTES / 8) {
				word[i + 1] = w % 8 ? 0x0007000affff0000ull + ((w >> 8 & 7) << 56) : 0;
				word[i + 2] = r->shares && w >> 60 ? 8 + (w >> 32) % FEW_PORTS : w >> 32 & 0xffff;
			}
		} else if (w % 4 == 1) { /* an iov */
			word[i] = random_calls_address(r);
			if (i + 1 < RANDOM_SCRATCH_BYTES / 8)
				word[i + 1] = any_length(r);
		} else {
			word[i] = w;
		}
	}
}

static void fill_call(struct random_calls *r, struct ix_call *call)
{
	uint64_t w = random_calls_word(r);

	call->op = (uint16_t)(w % 16 ? 1 + (w >> 8) % (IX_OP_NR - 1) : w >> 8);
	call->flags = (uint16_t)(w >> 24 & 7 ? w >> 32 & 3 : w >> 32);
	call->status = IX_PENDING;
	call->handle = any_handle(r, kind_of(call->op));
	call->arg = random_calls_address(r);
	call->len = any_length(r);
	/* A descriptor with a field too much is refused at once; most should get further. */
	if (w >> 40 & 7) {
		if (call->op != IX_OP_SENDV)
			call->flags = 0;
		if (call->op == IX_OP_LISTEN || call->op == IX_OP_CONNECT || call->op == IX_OP_UDP_BIND)
			call->handle = 0;
		if (call->op == IX_OP_CONNECT || call->op == IX_OP_UDP_SENDV || call->op == IX_OP_ACCEPT)
			call->len = 0;
		if (call->op == IX_OP_RECV_DONE || call->op == IX_OP_UDP_RECV_DONE)
			call->arg = 0;
		if (call->op == IX_OP_SET)
			call->arg = w >> 48 & 7;
		if (call->op == IX_OP_UNLISTEN || (call->op >= IX_OP_SHUTDOWN && call->op <= IX_OP_ABORT) ||
		    call->op == IX_OP_REJECT || call->op == IX_OP_UDP_UNBIND || call->op == IX_OP_TIMER_CANCEL)
			call->arg = call->len = 0;
	}
	/* Held connections are the targets: they should live for a while. */
	if ((call->op == IX_OP_ABORT || call->op == IX_OP_CLOSE || call->op == IX_OP_SHUTDOWN) && w >> 56 & 31)
		call->op = IX_OP_SENDV;
}

static bool has_new_handle(const struct ix_call *c)
{
	return c->status == IX_OK &&
	       (c->op == IX_OP_LISTEN || c->op == IX_OP_CONNECT || c->op == IX_OP_UDP_BIND || c->op == IX_OP_TIMER_ARM);
}

const char *random_calls_batch(struct random_calls *r, unsigned count, unsigned *where)
{
	struct ix_call_array *array = libc_calls();

	if (r->executed % 8 == 0)
		fill_scratch(r);
	for (unsigned i = 0; i < count; i++)
		fill_call(r, &array->calls[i]);
	array->count = count;
	*where = count;
	if (ix_entry(IX_CALL, 0, 0, 0) != (long)count || array->executed != count || array->count != 0)
		return "the number executed is wrong";
	for (unsigned i = 0; i < count; i++) {
		const struct ix_call *c = &array->calls[i];

		*where = i;
		if (c->status > IX_OK || c->status <= -IX_STATUS_NR)
			return "a status is not of the set";
		if (c->status == IX_OK)
			r->accepted++;
		if (has_new_handle(c)) {
			if (!c->handle)
				return "a handle is 0";
			keep_handle(r, c);
		}
	}
	r->executed += count;
	return NULL;
}
