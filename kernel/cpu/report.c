/* SPDX-License-Identifier: MIT */
/* How a dead end reads: registers, what was running, and a backtrace with names. */
#include "kernel/abi/exit.h"
#include "kernel/abi/image.h"
#include "kernel/base/assert.h"
#include "kernel/base/fmt.h"
#include "kernel/base/log.h"
#include "kernel/base/percore.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/start.h"
#include "kernel/cpu/trap.h"
#include "kernel/mem/layout.h"
#include "kernel/mem/mem.h"

struct symbol_table {
	const struct ix_symbol *symbols;
	const char *strings;
	uint32_t count;
	uint32_t string_bytes;
};

static struct symbol_table tables[2]; /* [0] the application's, [1] the kernel's */

void symbols_init(const void *table, size_t bytes, bool kernel)
{
	const uint32_t *head = table;
	struct symbol_table t;

	if (bytes < 8)
		return;
	t.count = head[0];
	t.string_bytes = head[1];
	t.symbols = (const void *)(head + 2);
	if (t.count > (bytes - 8) / sizeof(struct ix_symbol) || t.string_bytes == 0 ||
	    t.string_bytes > bytes - 8 - t.count * sizeof(struct ix_symbol))
		return;
	t.strings = (const char *)(t.symbols + t.count);
	if (t.strings[t.string_bytes - 1] == '\0')
		tables[kernel] = t;
}

const char *symbols_name(uint64_t va, uint64_t *offset)
{
	const struct symbol_table *t = &tables[va >= MEM_DIRECT_VA];
	uint32_t lo = 0, hi = t->count;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (t->symbols[mid].va <= va)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == 0 || va - t->symbols[lo - 1].va >= MAX(t->symbols[lo - 1].bytes, 1u) ||
	    t->symbols[lo - 1].name >= t->string_bytes)
		return NULL;
	*offset = va - t->symbols[lo - 1].va;
	return t->strings + t->symbols[lo - 1].name;
}

void report_place(const char *prefix, uint64_t va)
{
	uint64_t offset = 0;
	const char *name = symbols_name(va, &offset);

	if (name)
		log_line("%s%016lx %s+0x%lx", prefix, va, name, offset);
	else
		log_line("%s%016lx", prefix, va);
}

uint64_t trap_address(void)
{
	uint64_t cr2;

	__asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
	return cr2;
}

void trap_report(const struct trap_frame *f, const char *what)
{
	log_line("%s: %s (vector %lu, error %lx) on core %u in ring %lu", what, trap_name(f->vector), f->vector,
		 f->error, core_id(), f->cs & 3);
	report_place("rip ", f->rip);
	log_line("rsp %016lx rflags %lx address %016lx", f->rsp, f->rflags, f->vector == TRAP_PF ? trap_address() : 0);
	log_line("rax %016lx rbx %016lx rcx %016lx rdx %016lx", f->rax, f->rbx, f->rcx, f->rdx);
	log_line("rsi %016lx rdi %016lx rbp %016lx r8  %016lx", f->rsi, f->rdi, f->rbp, f->r8);
	log_line("r9  %016lx r10 %016lx r11 %016lx r12 %016lx", f->r9, f->r10, f->r11, f->r12);
	log_line("r13 %016lx r14 %016lx r15 %016lx", f->r13, f->r14, f->r15);
	if (!(f->cs & 3)) {
		log_line("backtrace");
		backtrace_print(f->rsp);
	}
}

void panic(const char *fmt, ...)
{
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	fmt_va(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_line("kernel panic: %s", text);
	/* Before mem_init() there is no window to read a core's number or stack from. */
	log_line("backtrace");
	backtrace_print((uintptr_t)__builtin_frame_address(0));
	power_exit(IX_EXIT_PANIC);
}
