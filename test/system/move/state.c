/* SPDX-License-Identifier: MIT */
/*
 * Ring 3 on the bare arrays that looks at its registers, for parking_state.py: with what each core begins, and whether what it holds when
 * it goes to sleep is there when it wakes, whatever has become of its processor meanwhile. A connection's first byte:
 *
 *   '?'  answers with a line for each core: its number; bytes of the registers that were not as at a start; times that they were others
 *        after IX_RUN_IO than before; times that it returned; that this core leaves, that it is back; XCR0
 *   'X'  the program faults
 */
#include "test/system/move/call.h"
#include "test/system/move/state.h"
#include <cpuid.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define CORES 4
#define TEXT_BYTES 1024
#define MXCSR_START 0x1f80u
#define MXCSR_OURS 0x7f80u /* rounds to zero */
#define FCW_START 0x37fu
#define FCW_OURS 0x27fu /* 53 bits */
#define TAGS_EMPTY 0xffffu
#define TAGS_ONE 0x3fffu

_Static_assert(offsetof(struct state, ymm) == STATE_YMM && offsetof(struct state, mxcsr) == STATE_MXCSR &&
		       offsetof(struct state, env) == STATE_ENV && offsetof(struct state, st) == STATE_ST &&
		       offsetof(struct state, fs) == STATE_FS && offsetof(struct state, gs) == STATE_GS &&
		       offsetof(struct state, has_avx) == STATE_AVX &&
		       offsetof(struct state, has_fsgsbase) == STATE_FSGSBASE,
	       "state.S");
_Static_assert(IX_RUN_IO == 0, "state.S");

static struct state begun[CORES], held[CORES], seen[CORES];
static struct {
	uint64_t mark; /* found by FS */
	uint64_t xcr0;
	atomic_uint wrong, rounds, leaving, back;
	char text[TEXT_BYTES];
} own[CORES];

/* ---- registers ---- */
static uint64_t read_xcr0(void)
{
	uint32_t low, high;

	__asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

static unsigned dirty_bytes(const struct state *s)
{
	const uint8_t *bytes = (const uint8_t *)s;
	unsigned dirty = 0;

	for (unsigned i = 0; i < STATE_MXCSR; i++)
		dirty += bytes[i] != 0;
	dirty += (s->mxcsr != MXCSR_START) + ((s->env[0] & 0xffff) != FCW_START) + ((s->env[2] & 0xffff) != TAGS_EMPTY);
	return dirty + (s->fs != 0) + (s->gs != 0);
}

static void hold(uint32_t core)
{
	struct state *s = &held[core];

	memset(s, (int)(0x51 + core), STATE_MXCSR);
	for (unsigned r = 0; r < 16; r++)
		s->ymm[r][0] = s->ymm[r][31] = (uint8_t)r;
	s->mxcsr = MXCSR_OURS;
	s->env[0] = FCW_OURS;
	s->st = core + 0.5;
	own[core].mark = 0x1234567800000000u + core;
}

static uint64_t at_fs(void)
{
	uint64_t value;

	__asm__ volatile("mov %%fs:0, %0" : "=r"(value));
	return value;
}

static bool is_as_held(uint32_t core)
{
	const struct state *a = &held[core], *b = &seen[core];

	for (unsigned r = 0; r < 16; r++)
		if (memcmp(a->ymm[r], b->ymm[r], a->has_avx ? 32 : 16))
			return false;
	/* Of the others those that a call keeps. */
	return a->general[1] == b->general[1] && !memcmp(&a->general[5], &b->general[5], 8) &&
	       !memcmp(&a->general[10], &b->general[10], 32) && a->mxcsr == (b->mxcsr & ~0x3fu) &&
	       (b->env[0] & 0xffff) == FCW_OURS && (b->env[2] & 0xffff) == TAGS_ONE && a->st == b->st &&
	       at_fs() == own[core].mark;
}

/* ---- what it says ---- */
static char *put(char *at, uint64_t value)
{
	char digits[20];
	unsigned n = 0;

	do
		digits[n++] = (char)('0' + value % 10);
	while (value /= 10);
	while (n)
		*at++ = digits[--n];
	*at++ = ' ';
	return at;
}

static void say(uint32_t core, ix_handle_t handle)
{
	char *at = own[core].text;

	for (uint32_t c = 0; c < CORES; c++) {
		at = put(at, c);
		at = put(at, dirty_bytes(&begun[c]));
		at = put(at, own[c].wrong);
		at = put(at, own[c].rounds);
		at = put(at, own[c].leaving);
		at = put(at, own[c].back);
		at = put(at, own[c].xcr0);
		at[-1] = '\n';
	}
	(void)call(IX_OP_SENDV, handle, (uintptr_t)own[core].text, (uint64_t)(at - own[core].text));
	(void)call(IX_OP_CLOSE, handle, 0, 0);
}

static void on_event(uint32_t core, const struct ix_event *e)
{
	switch (e->kind) {
	case IX_EV_KNOCK:
		(void)call(IX_OP_ACCEPT, e->handle, 1, 0);
		break;
	case IX_EV_RECV:
		if (*(const uint8_t *)e->addr == 'X')
			__builtin_trap();
		(void)call(IX_OP_RECV_DONE, e->handle, 0, e->len);
		say(core, e->handle);
		break;
	case IX_EV_EOF:
		(void)call(IX_OP_CLOSE, e->handle, 0, 0);
		break;
	case IX_EV_CORE:
		if (e->detail)
			own[core].leaving++;
		else
			own[core].back++;
		break;
	default:
		break;
	}
}

static _Noreturn void serve(uint32_t core)
{
	static struct ix_event events[CORES][IX_EVENTS_MAX]; /* the array is another one after each IX_RUN_IO only */
	const struct ix_event_array *a = libc_events();

	own[core].xcr0 = read_xcr0();
	hold(core);
	if (ix_entry(IX_SET_FS, (uintptr_t)&own[core].mark, 0, 0))
		__builtin_trap();
	for (;;) {
		uint32_t count;

		state_run_io(&held[core], &seen[core]);
		own[core].rounds++;
		own[core].wrong += !is_as_held(core);
		count = a->count;
		memcpy(events[core], a->events, count * sizeof(events[core][0]));
		for (uint32_t i = 0; i < count; i++)
			on_event(core, &events[core][i]);
	}
}

void state_main(struct state *s)
{
	serve((uint32_t)(s - begun));
}

int main(void)
{
	static const struct ix_endpoint any = { .port = 7 };
	uint32_t a, b, c, d;

	__cpuid(1, a, b, c, d);
	if (!(c & bit_OSXSAVE) || libc_info()->core_count > CORES || call(IX_OP_LISTEN, 0, (uintptr_t)&any, 0))
		return 1;
	for (uint32_t core = 0; core < libc_info()->core_count; core++) {
		held[core].has_avx = seen[core].has_avx = begun[core].has_avx = (c & bit_AVX) != 0;
		begun[core].has_fsgsbase = libc_info()->has_fsgsbase;
	}
	begun[0].mxcsr = MXCSR_START; /* which began otherwise */
	begun[0].env[0] = FCW_START;
	begun[0].env[2] = TAGS_EMPTY;
	for (uint32_t core = 1; core < libc_info()->core_count; core++)
		if (ix_entry(IX_START, core, (uintptr_t)state_begin, (uintptr_t)&begun[core]))
			return 1;
	serve(0);
}
