/* SPDX-License-Identifier: MIT */
/* What the counting plugin makes of instructions, bytes as an assembler writes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "bench/plugin/decode.h"
#include "bench/plugin/stages.h"

#define NONE COUNTER_NR

struct row {
	const char *text;
	uint8_t len, bytes[INSN_BYTES_MAX + 1];
	enum counter first, second;
	unsigned loads, stores;
	int stage;
};

static const struct row rows[] = {
	{ "hlt", 1, { 0xf4 }, COUNTER_hlt, NONE, 0, 0, -1 },
	{ "add %eax,(%rax)", 2, { 0x01, 0x00 }, NONE, NONE, 0, 0, -1 },
	{ "outb %al,(%dx)", 1, { 0xee }, COUNTER_pio_out, NONE, 0, 0, -1 },
	{ "inl $0x60,%eax", 2, { 0xe5, 0x60 }, COUNTER_pio_in, NONE, 0, 0, -1 },
	{ "rep outsb", 2, { 0xf3, 0x6e }, COUNTER_pio_out, NONE, 0, 0, -1 },
	{ "cpuid", 2, { 0x0f, 0xa2 }, COUNTER_cpuid, NONE, 0, 0, -1 },
	{ "wrmsr", 2, { 0x0f, 0x30 }, COUNTER_wrmsr, NONE, 0, 0, -1 },
	{ "rdtsc", 2, { 0x0f, 0x31 }, COUNTER_rdtsc, NONE, 0, 0, -1 },
	{ "rdtscp", 3, { 0x0f, 0x01, 0xf9 }, COUNTER_rdtsc, NONE, 0, 0, -1 },
	{ "swapgs", 3, { 0x0f, 0x01, 0xf8 }, COUNTER_swapgs, NONE, 0, 0, -1 },
	{ "vmcall", 3, { 0x0f, 0x01, 0xc1 }, COUNTER_vmcall, NONE, 0, 0, -1 },
	{ "vmmcall", 3, { 0x0f, 0x01, 0xd9 }, COUNTER_vmcall, NONE, 0, 0, -1 },
	{ "invlpg (%rax)", 3, { 0x0f, 0x01, 0x38 }, COUNTER_invlpg, NONE, 0, 0, -1 },
	{ "lgdt (%rax)", 3, { 0x0f, 0x01, 0x10 }, NONE, NONE, 0, 0, -1 },
	{ "stac", 3, { 0x0f, 0x01, 0xcb }, NONE, NONE, 0, 0, -1 },
	{ "mov %rax,%cr3", 3, { 0x0f, 0x22, 0xd8 }, COUNTER_cr3, NONE, 0, 0, -1 },
	{ "mov %rax,%cr0", 3, { 0x0f, 0x22, 0xc0 }, NONE, NONE, 0, 0, -1 },
	{ "syscall", 2, { 0x0f, 0x05 }, COUNTER_syscall, NONE, 0, 0, -1 },
	{ "iretq", 2, { 0x48, 0xcf }, COUNTER_iret, NONE, 0, 0, -1 },
	{ "pause", 2, { 0xf3, 0x90 }, COUNTER_pause, NONE, 0, 0, -1 },
	{ "nop", 1, { 0x90 }, NONE, NONE, 0, 0, -1 },
	{ "mfence", 3, { 0x0f, 0xae, 0xf0 }, COUNTER_fence, NONE, 0, 0, -1 },
	{ "wrfsbase %rax", 5, { 0xf3, 0x48, 0x0f, 0xae, 0xd0 }, NONE, NONE, 0, 0, -1 },
	{ "xchg %eax,(%rcx)", 2, { 0x87, 0x01 }, COUNTER_xchg_memory, NONE, 0, 0, -1 },
	{ "xchg %eax,%ecx", 2, { 0x87, 0xc1 }, NONE, NONE, 0, 0, -1 },
	{ "lock xadd %rax,(%rcx)", 5, { 0xf0, 0x48, 0x0f, 0xc1, 0x01 }, COUNTER_lock, NONE, 0, 0, -1 },
	{ "lock xchg %eax,(%rcx)", 3, { 0xf0, 0x87, 0x01 }, COUNTER_lock, COUNTER_xchg_memory, 0, 0, -1 },
	{ "rep movsb", 2, { 0xf3, 0xa4 }, COUNTER_rep, NONE, 1, 1, -1 },
	{ "rep movsq", 3, { 0xf3, 0x48, 0xa5 }, COUNTER_rep, NONE, 8, 8, -1 },
	{ "rep stosw", 3, { 0x66, 0xf3, 0xab }, COUNTER_rep, NONE, 0, 2, -1 },
	{ "rep stosl", 2, { 0xf3, 0xab }, COUNTER_rep, NONE, 0, 4, -1 },
	{ "movsb", 1, { 0xa4 }, NONE, NONE, 0, 0, -1 },
	{ "marker 0", 8, { 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x1e, 0x1d }, NONE, NONE, 0, 0, 0 },
	{ "marker 15", 8, { 0x0f, 0x1f, 0x84, 0x00, 0x0f, 0x00, 0x1e, 0x1d }, NONE, NONE, 0, 0, 15 },
	{ "no marker 16", 8, { 0x0f, 0x1f, 0x84, 0x00, 0x10, 0x00, 0x1e, 0x1d }, NONE, NONE, 0, 0, -1 },
	{ "plain nopl", 8, { 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00 }, NONE, NONE, 0, 0, -1 },
	{ "marker under a prefix", 9, { 0x66, 0x0f, 0x1f, 0x84, 0x00, 0x01, 0x00, 0x1e, 0x1d }, NONE, NONE, 0, 0, -1 },
};

static void each_instruction_counts_what_it_is(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		struct insn got;

		print_message("%s\n", r->text);
		decode_insn(r->bytes, r->len, &got);
		assert_int_equal(got.counter_count, (r->first != NONE) + (r->second != NONE));
		if (r->first != NONE)
			assert_int_equal(got.counters[0], r->first);
		if (r->second != NONE)
			assert_int_equal(got.counters[1], r->second);
		assert_int_equal(got.loads_bytes, r->loads);
		assert_int_equal(got.stores_bytes, r->stores);
		assert_int_equal(got.stage, r->stage);
		assert_int_equal(got.is_wrmsr, r->first == COUNTER_wrmsr);
	}
}

/* Any bytes: never past the end, never more counters than there is room for. */
static void any_bytes_are_survived(void **state)
{
	uint64_t x = 1;

	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		uint8_t bytes[INSN_BYTES_MAX + 1] = { 0 };
		size_t len = 1 + i % INSN_BYTES_MAX;
		struct insn got;

		for (size_t j = 0; j < len; j++) {
			x = x * 6364136223846793005u + 1442695040888963407u;
			bytes[j] = (i & 1) && j < 14 ? (uint8_t)(0x66 ^ (x >> 60 & 1)) : (uint8_t)(x >> 56);
		}
		decode_insn(bytes, len, &got);
		assert_true(got.counter_count <= INSN_COUNTERS_MAX);
		assert_in_range(got.stage + 1, 0, STAGES);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_instruction_counts_what_it_is),
		cmocka_unit_test(any_bytes_are_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
