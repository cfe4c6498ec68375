/* SPDX-License-Identifier: MIT */
/*
 * The way into ring 0 and back with every register and flag as bad as ring 3 can make it. After each
 * SYSCALL nothing of ring 0 may be left in a register, and what ring 3 keeps must be kept.
 */
#include "test/guest/serve.h"

#include <stddef.h>
#include <string.h>
#include "kernel/mem/layout.h"
#include "test/guest/registers.h"

enum { RAX, RBX, RCX, RDX, RSI, RDI, RBP, RSP, R8, R9, R10, R11, R12, R13, R14, R15 };

#define KEEP_RSP UINT64_MAX
#define FLAG_CF 0x1ul
#define FLAG_TF 0x100ul
#define FLAG_IF 0x200ul
#define FLAG_DF 0x400ul
#define FLAG_IOPL 0x3000ul
#define FLAG_NT 0x4000ul
#define FLAG_RF 0x10000ul
#define FLAG_AC 0x40000ul
#define FLAG_VIF 0x180000ul
#define FLAG_ID 0x200000ul
#define ARITHMETIC 0x8d5ul /* CF PF AF ZF SF OF */
#define NUMBERS 1025u
#define ROUNDS 30000u

/* Where a careless kernel would read, write or return to. */
static const uint64_t nasty[] = { 0,
				  1,
				  7,
				  4096,
				  UINT64_MAX,
				  INT64_MAX,
				  1ull << 63,
				  1ull << 32,
				  MEM_DIRECT_VA,
				  MEM_KERNEL_VA + MEM_KERNEL_LOAD_PA,
				  MEM_WINDOW_VA,
				  MEM_STACK_TOP - 8,
				  MEM_MMIO_VA,
				  0x0000800000000000,
				  0xffff7fffffffffff,
				  0x00007fffffffffff,
				  IX_PARTITION_VA,
				  IX_STACK_VA,
				  IX_STACK_VA + IX_STACK_BYTES - 1,
				  IX_RX_VA,
				  IX_INFO_VA,
				  IX_CORE_VA,
				  IX_CALL_ARRAY_VA,
				  IX_EVENT_ARRAY_VA };
#define NASTY (sizeof(nasty) / sizeof(nasty[0]))

static void set_patterns(uint64_t number)
{
	memset(&registers_in, 0, sizeof(registers_in));
	for (unsigned i = 0; i < REG_WORDS; i++)
		registers_in.word[i] = 0x1111111111111111ull * i;
	memset(registers_in.xmm, 0x5e, sizeof(registers_in.xmm));
	registers_in.word[RAX] = number;
	registers_in.word[RDI] = registers_in.word[RSI] = registers_in.word[RDX] = 0;
	registers_in.word[RSP] = KEEP_RSP;
	registers_in.flags = 2;
}

static const char *check_kept(uint64_t mask)
{
	for (unsigned i = 0; i < REG_WORDS; i++)
		if ((mask >> i & 1) && registers_out.word[i] != registers_in.word[i])
			return serve_text("register %u was %lx, came back as %lx", i, registers_in.word[i],
					  registers_out.word[i]);
	if (memcmp(registers_in.xmm, registers_out.xmm, sizeof(registers_in.xmm)) != 0)
		return "an SSE register was changed";
	if (registers_out.gs != registers_in.gs)
		return serve_text("GS base was %lx, came back as %lx", registers_in.gs, registers_out.gs);
	return NULL;
}

/* [kernel/abi/entry.h] what is zero, what is kept, and that rcx and r11 tell nothing new. */
static const char *check_answer(void)
{
	static const uint8_t zero[] = { RDX, RSI, RDI, R8, R9, R10 };
	uint64_t r11 = registers_out.word[R11], wanted = registers_in.flags & ~(FLAG_IOPL | FLAG_RF | FLAG_VIF);

	for (unsigned i = 0; i < sizeof(zero); i++)
		if (registers_out.word[zero[i]] != 0)
			return serve_text("entry %lx: register %u came back as %lx, not zero", registers_in.word[RAX],
					  zero[i], registers_out.word[zero[i]]);
	if (registers_out.word[RCX] - (uintptr_t)registers_syscall > 4096)
		return serve_text("rcx is %lx, not the return address", registers_out.word[RCX]);
	if ((r11 & ~ARITHMETIC) != ((wanted | FLAG_IF | 2) & ~ARITHMETIC))
		return serve_text("rflags were %lx, r11 is %lx", wanted | FLAG_IF | 2, r11);
	if (((registers_out.flags ^ r11) & ~(FLAG_RF)) != 0)
		return serve_text("r11 is %lx, rflags are %lx", r11, registers_out.flags);
	return check_kept(1u << RBX | 1u << RBP | 1u << RSP | 0xfu << R12);
}

static const char *enter(void)
{
	uint64_t number = registers_in.word[RAX];

	if (number == IX_RUN_IO) { /* it needs something to come back with */
		serve_call((struct ix_call){ .op = IX_OP_TIMER_ARM, .arg = 1000 }, NULL, NULL);
		registers_syscall();
		serve_take((long)registers_out.word[RAX]);
	} else {
		registers_syscall();
	}
	return check_answer();
}

static const char *numbers(uint64_t unused)
{
	(void)unused;
	for (uint64_t i = 0; i < NUMBERS + NASTY; i++) {
		uint64_t number = i < NUMBERS ? i : nasty[i - NUMBERS];
		const char *error;

		if (number == IX_EXIT)
			continue;
		set_patterns(number);
		error = enter();
		if (error)
			return error;
		if (number >= IX_ENTRY_NR && (int64_t)registers_out.word[RAX] != IX_BAD_CALL)
			return serve_text("entry %lx was answered with %ld", number, (long)registers_out.word[RAX]);
	}
	return NULL;
}

static uint64_t any_word(void)
{
	uint64_t r = serve_random();

	switch (r % 4) {
	case 0:
		return nasty[r / 4 % NASTY];
	case 1:
		return nasty[r / 4 % NASTY] + (r >> 32) % 64 - 32;
	case 2:
		return r / 4 % 5000;
	default:
		return r;
	}
}

static const char *random_registers(uint64_t seed)
{
	serve_seed(seed);
	for (unsigned round = 0; round < ROUNDS; round++) {
		const char *error;
		uint64_t number = serve_random() % (round % 2 ? NUMBERS : IX_ENTRY_NR);

		set_patterns(0);
		for (unsigned i = 0; i < REG_WORDS; i++)
			registers_in.word[i] = any_word();
		if (number == IX_EXIT || (number == IX_RUN_IO && round % 50))
			number = IX_CALL;
		registers_in.word[RAX] = number;
		if (number == IX_CONSOLE) /* good addresses are taken, so nothing long is shown */
			registers_in.word[RSI] = round % 2 ? registers_in.word[RSI] % 4 : 1ull << 40;
		if (number == IX_CONSOLE && round % 2 == 0)
			registers_in.word[RDI] = nasty[serve_random() % 14] | 1ull << 47;
		if (registers_in.word[RSP] == KEEP_RSP)
			registers_in.word[RSP] = 8;
		registers_in.flags = 2 | (serve_random() & (FLAG_DF | FLAG_NT | FLAG_AC | FLAG_ID | FLAG_IOPL));
		registers_in.gs = serve_random() % 2 ? MEM_WINDOW_VA : 0;
		error = enter();
		if (error)
			return serve_text("round %u: %s", round, strdup(error));
		if ((int64_t)registers_out.word[RAX] <= -IX_STATUS_NR)
			return serve_text("round %u: entry %lu was answered with %ld", round, number,
					  (long)registers_out.word[RAX]);
	}
	return NULL;
}

static const struct ix_connect nobody = { .remote = { .addr = { [10] = 0xff, 0xff, 10, 7, 0, 77 }, .port = 9 },
					  .cookie = 1ull << 40 };

static const struct ix_call call_nobody = { .op = IX_OP_CONNECT, .status = IX_PENDING, .arg = (uintptr_t)&nobody };

static const char *abort_all(const ix_handle_t *handles, unsigned count)
{
	const char *error = NULL;

	for (unsigned i = 0; i < count; i++)
		if (serve_call((struct ix_call){ .op = IX_OP_ABORT, .handle = handles[i] }, NULL, NULL))
			error = "a connection that was made is none";
	serve_sleep_ms(1);
	return error;
}

/*
 * Ring 0 clears and copies memory for a connection while the flags are as bad as they can be. The new one lies
 * between others that are in use: those must be as they were.
 */
static const char *connect_with(uint64_t value)
{
	ix_handle_t handles[8];
	struct ix_call *call = libc_calls()->calls;
	const char *error;

	for (unsigned i = 0; i < 8; i++)
		if (serve_call(call_nobody, &handles[i], NULL))
			return "cannot connect";
	error = abort_all(&handles[4], 1);
	*call = call_nobody;
	libc_calls()->count = 1;
	set_patterns(IX_CALL);
	registers_in.flags = 2 | value;
	error = error ? error : enter();
	if (!error && call->status != IX_OK)
		error = serve_text("connect: status %d", call->status);
	handles[4] = call->handle;
	for (unsigned i = 0; i < 8 && !error; i++) {
		int status = serve_call(
			(struct ix_call){ .op = IX_OP_SET, .handle = handles[i], .arg = IX_SET_KEEPALIVE, .len = 1000 },
			NULL, NULL);

		if (status != IX_OK)
			error = serve_text("connection %u: status %d", i, status);
	}
	return error ? error : abort_all(handles, 8);
}

static const char *flags(uint64_t value)
{
	const char *error = NULL;

	for (unsigned i = 0; i < 8 && !error; i++)
		error = connect_with(value);

	for (unsigned number = 0; number < IX_ENTRY_NR && !error; number++) {
		if (number == IX_EXIT)
			continue;
		set_patterns(number);
		registers_in.flags = 2 | value;
		error = enter();
	}
	return error;
}

static const char *stack_at_entry(uint64_t n)
{
	const char *error = NULL;

	for (unsigned number = 0; number < IX_ENTRY_NR && !error; number++) {
		if (number == IX_EXIT)
			continue;
		set_patterns(number);
		registers_in.word[RSP] = nasty[n] == KEEP_RSP ? KEEP_RSP - 1 : nasty[n];
		error = enter();
	}
	return error;
}

/* Longer than the watchdog's tick, so that at least one interrupt comes (image.yaml.in: 800 ms, a quarter of it). */
static const char *spin(void)
{
	registers_spin(libc_info()->tsc_hz / 4);
	return check_kept(~(1ull << RAX | 1ull << RCX | 1ull << RDX) & ((1u << REG_WORDS) - 1));
}

static const char *stack_at_interrupt(uint64_t n)
{
	set_patterns(0);
	registers_in.word[RSP] = nasty[n] == KEEP_RSP ? KEEP_RSP - 1 : nasty[n];
	return spin();
}

static const char *flags_at_interrupt(uint64_t value)
{
	const char *error;

	set_patterns(0);
	registers_in.flags = 2 | value;
	registers_in.gs = MEM_WINDOW_VA;
	error = spin();
	if (!error && ((registers_out.flags ^ value) & (FLAG_AC | FLAG_NT | FLAG_ID | FLAG_DF)))
		return serve_text("rflags were %lx, came back as %lx", value, registers_out.flags);
	return error;
}

static const char *single_step(uint64_t kind)
{
	static uint8_t landing[64];

	if (kind == 0)
		__asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq; syscall" ::"a"(IX_UPCALL)
				 : "rcx", "r11", "memory");
	else if (kind == 1)
		__asm__ volatile("pushfq; orq $0x100, (%%rsp); mov $0x23, %%edx; popfq; mov %%edx, %%ss; syscall" ::"a"(
					 IX_UPCALL)
				 : "rcx", "rdx", "r11", "memory");
	else if (kind == 2)
		__asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq; nop" ::: "memory");
	else
		__asm__ volatile(
			"pushfq; orq $0x100, (%%rsp); mov $0x23, %%edx; popfq; mov %%edx, %%ss; int3" ::"b"(landing)
			: "rdx", "memory");
	return "nothing stopped it";
}

static const char *start_refused(uint64_t n)
{
	static const uint64_t cores[] = { 0, 64, 1ull << 32, 1ull << 63, UINT64_MAX, INT64_MAX };

	(void)n;
	for (unsigned i = 0; i < sizeof(cores) / sizeof(cores[0]); i++)
		if (ix_entry(IX_START, cores[i], (uintptr_t)serve, 0) != IX_BAD_CALL)
			return serve_text("core %lx can be started", cores[i]);
	for (unsigned i = 0; i < NASTY; i++)
		if (ix_entry(IX_START, 1, nasty[i], 0) >= 0)
			return serve_text("core 1 can be started at %lx", nasty[i]);
	return NULL;
}

static const char *fs_refused(uint64_t n)
{
	(void)n;
	for (unsigned i = 0; i < NASTY; i++) {
		long status;
		uint64_t own;

		__asm__ volatile("rdfsbase %0" : "=r"(own));
		status = ix_entry(IX_SET_FS, nasty[i], 0, 0);
		__asm__ volatile("wrfsbase %0" ::"r"(own) : "memory");
		if ((status == IX_OK) != (nasty[i] < 1ull << 47))
			return serve_text("FS base %lx was answered with %ld", nasty[i], status);
	}
	return NULL;
}

/* The kernel reads for us only what we could read ourselves. */
static const char *console_refused(uint64_t n)
{
	static const struct {
		uint64_t va, bytes;
	} rows[] = {
		{ 0, 1 },
		{ IX_PARTITION_VA - 1, 2 },
		{ MEM_DIRECT_VA, 16 },
		{ MEM_KERNEL_VA + MEM_KERNEL_LOAD_PA, 16 },
		{ MEM_WINDOW_VA, 16 },
		{ UINT64_MAX, 1 },
		{ UINT64_MAX - 15, 16 },
		{ 0x0000800000000000, 1 },
		{ IX_RX_VA - 1, 2 },
		{ IX_STACK_VA - 1, 2 },
		{ IX_STACK_VA + IX_STACK_BYTES, 1 },
		{ IX_STACK_VA + IX_STACK_BYTES - 1, 2 },
		{ IX_STACK_VA + 63 * IX_STACK_STRIDE, 1 },
		{ IX_EVENT_ARRAY_VA - 1, 4096 },
	};

	(void)n;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (ix_entry(IX_CONSOLE, rows[i].va, rows[i].bytes, 0) >= 0)
			return serve_text("%lu bytes at %lx were read", rows[i].bytes, rows[i].va);
	/* At most 4,096 bytes are taken, so a huge length fails only if those do not fit. */
	if (ix_entry(IX_CONSOLE, libc_info()->heap_va + libc_info()->heap_bytes - 1, UINT64_MAX, 0) >= 0)
		return "a length beyond the partition was taken";
	return NULL;
}

static const char *wake_refused(uint64_t n)
{
	(void)n;
	for (unsigned i = 0; i < NASTY; i++)
		if (nasty[i] >= libc_info()->core_count && ix_entry(IX_WAKE, nasty[i], 0, 0) != IX_BAD_CALL)
			return serve_text("core %lx can be woken", nasty[i]);
	return ix_entry(IX_WAKE, 0, 0, 0) == IX_OK ? NULL : "our own core cannot be woken";
}

#define VARIANTS NASTY

static const struct test_case rows[] = {
	{ "numbers", "pass", numbers, 0, 0 },
	{ "random_registers", "pass", random_registers, 1, 2 },
	{ "flags_none", "pass", flags, 0, 0 },
	{ "flags_ac", "pass", flags, FLAG_AC, 0 },
	{ "flags_df", "pass", flags, FLAG_DF, 0 },
	{ "flags_nt", "pass", flags, FLAG_NT, 0 },
	{ "flags_iopl", "pass", flags, FLAG_IOPL, 0 },
	{ "flags_rf", "pass", flags, FLAG_RF, 0 },
	{ "flags_id", "pass", flags, FLAG_ID, 0 },
	{ "flags_carry", "pass", flags, ARITHMETIC, 0 },
	{ "flags_all", "pass", flags, FLAG_AC | FLAG_DF | FLAG_NT | FLAG_IOPL | FLAG_ID | FLAG_CF, 0 },
	{ "stack_at_entry", "pass", stack_at_entry, 0, VARIANTS },
	{ "stack_at_interrupt", "pass", stack_at_interrupt, 0, VARIANTS },
	{ "flags_at_interrupt", "pass", flags_at_interrupt, FLAG_AC | FLAG_DF | FLAG_NT | FLAG_ID, 0 },
	{ "single_step_syscall", "fault 1", single_step, 0, 0 },
	{ "single_step_ss_syscall", "fault 1", single_step, 1, 0 },
	{ "single_step", "fault 1", single_step, 2, 0 },
	{ "single_step_ss_int3", "fault 13,1", single_step, 3, 0 },
	{ "start_refused", "pass", start_refused, 0, 0 },
	{ "fs_refused", "pass", fs_refused, 0, 0 },
	{ "console_refused", "pass", console_refused, 0, 0 },
	{ "wake_refused", "pass", wake_refused, 0, 0 },
};

int main(int argc, char **argv)
{
	return serve(argc, argv, rows, sizeof(rows) / sizeof(rows[0]));
}
