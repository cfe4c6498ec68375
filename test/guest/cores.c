/* SPDX-License-Identifier: MIT */
/*
 * What two cores of one partition can do to each other, to the kernel between them and to its watchdog.
 */
#include "test/guest/serve.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include "kernel/mem/layout.h"
#include "test/guest/random_calls.h"
#include "test/guest/registers.h"

#define DESCRIPTORS 50000u
#define RACES 100000u
#define KEEP_RSP UINT64_MAX

#define CORES 4u

static uint8_t scratch[CORES][RANDOM_SCRATCH_BYTES] __attribute__((aligned(64)));
static struct random_calls random_of[CORES];
static volatile bool stop_asked;
static volatile uint64_t answer;

static unsigned cores(void)
{
	return libc_info()->core_count < CORES ? libc_info()->core_count : CORES;
}

/* Core 1 runs @run(@argument); the case goes on. */
static const char *start(void (*run)(uintptr_t), uintptr_t argument)
{
	if (libc_info()->core_count < 2)
		return "this case needs two cores";
	stop_asked = false;
	serve_job(1, run, argument);
	return NULL;
}

static void wait_for_core_1(void)
{
	stop_asked = true;
	while (libc_info()->core_count > 1 && !serve_job_is_done(1))
		serve_sleep_ms(1);
}

static void mark_own_pages(uintptr_t unused)
{
	struct ix_call_array *array = libc_calls();

	(void)unused;
	for (unsigned i = 100; i < IX_CALLS_MAX; i++)
		array->calls[i].arg = 0x1111;
	answer = libc_core();
}

static const char *own_pages(uint64_t n)
{
	struct ix_call_array *array = libc_calls();
	const char *error;

	(void)n;
	for (unsigned i = 100; i < IX_CALLS_MAX; i++)
		array->calls[i].arg = 0x2222;
	error = start(mark_own_pages, 0);
	if (error)
		return error;
	wait_for_core_1();
	for (unsigned i = 100; i < IX_CALLS_MAX; i++)
		if (array->calls[i].arg != 0x2222)
			return serve_text("descriptor %u was changed by core 1", i);
	if (ix_entry(IX_START, 1, (uintptr_t)mark_own_pages, 0) != IX_IN_USE)
		return "core 1 can be started twice";
	return answer == 1 && libc_core() == 0 ? NULL : "the cores' numbers are wrong";
}

static ix_handle_t foreign[4];
static volatile int foreign_status[4];

static void use_foreign(uintptr_t unused)
{
	static const uint16_t ops[] = { IX_OP_UNLISTEN, IX_OP_ABORT, IX_OP_TIMER_CANCEL, IX_OP_UDP_UNBIND };

	(void)unused;
	for (unsigned i = 0; i < 4; i++)
		foreign_status[i] = serve_call((struct ix_call){ .op = ops[i], .handle = foreign[i] }, NULL, NULL);
}

/* Connections and timers belong to the core that made them. Listeners and sockets are the partition's. */
static const char *handles(uint64_t n)
{
	struct serve_held held[SERVE_HELD_MAX];
	const char *error;

	(void)n;
	if (!serve_held(held))
		return "nothing is held";
	foreign[1] = held[0].handle;
	if (serve_call((struct ix_call){ .op = IX_OP_TIMER_ARM, .arg = 3600000000000 }, &foreign[2], NULL))
		return "cannot arm a timer";
	error = start(use_foreign, 0);
	if (error)
		return error;
	wait_for_core_1();
	for (unsigned i = 0; i < 4; i++)
		if (foreign_status[i] != IX_BAD_HANDLE)
			return serve_text("core 1 may use handle %lx: status %d", foreign[i], foreign_status[i]);
	return NULL;
}

static void change_scratch(uintptr_t unused)
{
	struct random_calls *r = &random_of[1];
	volatile uint64_t *word = (volatile uint64_t *)(void *)scratch[0];

	(void)unused;
	while (!stop_asked) {
		for (unsigned i = 0; i < 64 * 1024; i++)
			word[i % 64] = i % 2 ? random_calls_word(r) % 128 : random_calls_address(r);
		serve_sleep_ms(0); /* else the watchdog would end it */
	}
}

/* Lists and endpoints that change between check and use; good values among them, so that some pass. */
static const char *changed_while_read(uint64_t n)
{
	static const uint16_t ops[] = { IX_OP_SENDV, IX_OP_LISTEN, IX_OP_CONNECT, IX_OP_UDP_BIND, IX_OP_UDP_SENDV };
	struct serve_held held[SERVE_HELD_MAX];
	unsigned count = serve_held(held);
	const char *error;

	random_of[1] = (struct random_calls){ .state = n + 1, .scratch = scratch[0] };
	error = count ? start(change_scratch, 0) : "nothing is held";
	for (unsigned i = 0; i < RACES && !error; i++) {
		uint16_t op = ops[i % 16 < 12 ? 0 : i % 5];
		ix_handle_t h = op == IX_OP_SENDV || op == IX_OP_UDP_SENDV ? held[i % count].handle : 0;
		struct ix_call c = { .op = op, .handle = h, .arg = (uintptr_t)scratch[0] + 16 * (i % 8) };
		ix_handle_t made = 0;
		int status;

		if (op == IX_OP_SENDV) {
			c.flags = IX_SENDV_LIST;
			c.len = 1 + i % IX_IOV_MAX;
		}
		status = serve_call(c, &made, NULL);
		if (status > IX_OK || status <= -IX_STATUS_NR)
			error = serve_text("op %u: status %d", op, status);
		if (status == IX_OK && (op == IX_OP_LISTEN || op == IX_OP_UDP_BIND || op == IX_OP_CONNECT))
			serve_call((struct ix_call){ .op = op == IX_OP_LISTEN     ? IX_OP_UNLISTEN
							   : op == IX_OP_UDP_BIND ? IX_OP_UDP_UNBIND
										  : IX_OP_ABORT,
						     .handle = made },
				   NULL, NULL);
		if (i % 1000 == 0)
			serve_sleep_ms(1);
	}
	wait_for_core_1();
	return error;
}

static uint64_t random_descriptors;

/* Now long batches, now short ones, with a turn of the dataplane after some: it follows what other cores have changed there. */
static const char *run_random(struct random_calls *r)
{
	const char *error = NULL;
	unsigned where;

	while (r->executed < random_descriptors && !error) {
		uint64_t w = random_calls_word(r);

		error = random_calls_batch(r, 1 + (unsigned)(w % (w >> 32 & 3 ? 20 : 500)), &where);
		if (w >> 40 & 1)
			serve_sleep_ms(w >> 41 & 15 ? 0 : 1);
	}
	return error;
}

static const char *volatile random_error[CORES];

static void random_here(uintptr_t core)
{
	random_error[core] = run_random(&random_of[core]);
}

/*
 * On all cores there are; each also uses what others have made: listeners, sockets, and what is not its own. @seed: in the upper half how
 * many times as long as ordinarily, 0: once.
 */
static const char *random_on_all(uint64_t seed)
{
	const char *error = cores() < 2 ? "this case needs two cores" : NULL;

	random_descriptors = DESCRIPTORS * (seed >> 32 ? seed >> 32 : 1);
	memset(&random_shared, 0, sizeof(random_shared));
	for (unsigned core = 0; core < cores(); core++) {
		random_calls_init(&random_of[core], seed * 77 + core, scratch[core]);
		random_of[core].shares = true;
	}
	for (unsigned core = 1; core < cores() && !error; core++)
		serve_job(core, random_here, core);
	if (!error)
		random_here(0);
	for (unsigned core = 0; core < cores() && !error; core++) {
		while (core && !serve_job_is_done(core))
			serve_sleep_ms(1);
		error = random_error[core];
	}
	return error;
}

static void wake_core_0(uintptr_t unused)
{
	(void)unused;
	while (!stop_asked) {
		for (unsigned i = 0; i < 1000; i++)
			ix_entry(IX_WAKE, 0, 0, 0);
		serve_sleep_ms(0);
	}
}

static const uint64_t stacks[] = { KEEP_RSP,
				   0,
				   8,
				   1ull << 63,
				   MEM_DIRECT_VA,
				   MEM_WINDOW_VA + 4096,
				   MEM_STACK_TOP,
				   MEM_IST_TOP(5),
				   0x0000800000000000,
				   IX_INFO_VA + 64,
				   IX_EVENT_ARRAY_VA + 4096,
				   UINT64_MAX - 8 };

/* Interrupt after interrupt while every register holds a pattern, and the stack pointer is no stack. */
static const char *wake_storm(uint64_t n)
{
	const char *error = start(wake_core_0, 0);

	if (error)
		return error;
	for (unsigned i = 0; i < REG_WORDS; i++)
		registers_in.word[i] = 0x1111111111111111ull * i;
	memset(registers_in.xmm, 0x5e, sizeof(registers_in.xmm));
	registers_in.word[7] = stacks[n];
	registers_in.flags = 0x244402; /* ID, AC, NT, DF */
	registers_in.gs = MEM_WINDOW_VA;
	registers_spin(libc_info()->tsc_hz / 20);
	wait_for_core_1();
	for (unsigned i = 0; i < REG_WORDS; i++)
		if (i != 0 && i != 2 && i != 3 && registers_out.word[i] != registers_in.word[i])
			return serve_text("register %u was %lx, came back as %lx", i, registers_in.word[i],
					  registers_out.word[i]);
	if (memcmp(registers_in.xmm, registers_out.xmm, sizeof(registers_in.xmm)) != 0)
		return "an SSE register was changed";
	if (registers_out.gs != MEM_WINDOW_VA || (registers_out.flags & 0x244400) != 0x244400)
		return serve_text("GS base %lx, rflags %lx", registers_out.gs, registers_out.flags);
	return NULL;
}

static void loop(uint64_t entry)
{
	for (;;) {
		if (entry < IX_ENTRY_NR)
			ix_entry(entry, 0, 0, 0);
		__asm__ volatile("" ::: "memory");
	}
}

static void loop_on_core_1(uintptr_t entry)
{
	loop(entry);
}

#define NO_ENTRY 99ul

static const char *loop_here(uint64_t entry)
{
	loop(entry);
	return "came back";
}

static const char *loop_there(uint64_t entry)
{
	const char *error = start(loop_on_core_1, entry);

	if (!error)
		serve_sleep_ms(20000);
	return error ? error : "nothing stopped core 1";
}

static const char *loop_both(uint64_t entry)
{
	const char *error = start(loop_on_core_1, entry);

	if (!error)
		loop(entry);
	return error;
}

static __attribute__((noinline)) uint64_t deeper(uint64_t n)
{
	volatile uint64_t kept[32];

	kept[n % 32] = n;
	return n ? deeper(n - 1) + kept[n % 32] : 0;
}

enum { FAULT_READ, FAULT_STACK, FAULT_PRIVILEGED, FAULT_BOTH, FAULT_LATE };

static volatile bool both_are_there;

static void fault_on_core_1(uintptr_t kind)
{
	uint64_t until = libc_now_ns() + 50000000;

	switch (kind) {
	case FAULT_LATE:
		while (libc_now_ns() < until)
			;
		answer = *(volatile uint64_t *)MEM_DIRECT_VA;
		break;
	case FAULT_STACK:
		answer = deeper(1 << 20);
		break;
	case FAULT_PRIVILEGED:
		__asm__ volatile("cli");
		break;
	case FAULT_BOTH:
		both_are_there = true;
		answer = *(volatile uint64_t *)MEM_DIRECT_VA;
		break;
	default:
		answer = *(volatile uint64_t *)MEM_DIRECT_VA;
		break;
	}
}

/* While core 0 sleeps in the kernel. */
static const char *fault_there(uint64_t kind)
{
	const char *error = start(fault_on_core_1, kind);

	if (!error)
		serve_sleep_ms(20000);
	return error ? error : "nothing stopped core 1";
}

/* While core 0 never enters the kernel. */
static const char *fault_there_loop_here(uint64_t kind)
{
	const char *error = start(fault_on_core_1, kind);

	if (!error)
		loop(NO_ENTRY);
	return error;
}

/* Core 0 waits in the kernel, which it entered with these flags; from there it goes to the restarted partition. */
static const char *flags_then_restart(uint64_t flags)
{
	const char *error = start(fault_on_core_1, FAULT_LATE);

	while (!error) {
		memset(&registers_in, 0, sizeof(registers_in));
		registers_in.word[7] = KEEP_RSP;
		registers_in.flags = 2 | flags;
		registers_syscall();
		serve_take((long)registers_out.word[0]);
	}
	return error;
}

static const char *fault_both(uint64_t n)
{
	const char *error = start(fault_on_core_1, FAULT_BOTH);

	(void)n;
	while (!error && !both_are_there)
		;
	return error ? error : (answer = *(volatile uint64_t *)MEM_WINDOW_VA) ? "read" : "read 0";
}

static const struct test_case rows[] = {
	{ "own_pages", "pass", own_pages, 0, 0 },
	{ "handles", "pass", handles, 0, 0 },
	{ "changed_while_read", "pass", changed_while_read, 0, 2 },
	{ "random_on_all", "pass", random_on_all, 1, 2 },
	{ "wake_storm", "pass", wake_storm, 0, sizeof(stacks) / sizeof(stacks[0]) },
	{ "fault_there", "fault 14", fault_there, FAULT_READ, 0 },
	{ "stack_overflow_there", "fault 14", fault_there, FAULT_STACK, 0 },
	{ "privileged_there", "fault 13", fault_there, FAULT_PRIVILEGED, 0 },
	{ "fault_there_loop_here", "fault 14", fault_there_loop_here, FAULT_READ, 0 },
	{ "fault_both", "fault 14", fault_both, 0, 0 },
	{ "flags_then_restart", "fault 14", flags_then_restart, 0x44400, 0 },
	{ "loop_here", "watchdog", loop_here, NO_ENTRY, 0 },
	{ "loop_there", "watchdog", loop_there, NO_ENTRY, 0 },
	{ "loop_both", "watchdog", loop_both, NO_ENTRY, 0 },
	{ "loop_of_calls", "watchdog", loop_here, IX_CALL, 0 },
	{ "loop_of_calls_both", "watchdog", loop_both, IX_CALL, 0 },
	{ "loop_of_entries", "watchdog", loop_here, IX_UPCALL, 0 },
	{ "loop_of_wakes", "watchdog", loop_here, IX_WAKE, 0 },
};

int main(int argc, char **argv)
{
	return serve(argc, argv, rows, sizeof(rows) / sizeof(rows[0]));
}
