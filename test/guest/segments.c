/* SPDX-License-Identifier: MIT */
/*
 * Selectors: what may be loaded, and that there is no 32-bit code to jump to, by far jump, far call, far
 * return or IRET [SDM 3A 5.8].
 */
#include "test/guest/serve.h"

#include <stddef.h>

#define USER_DATA 0x23u
#define USER_CODE 0x2bu
#define FLAGS 0x202ul

enum { DS, ES, FS, GS, SS };

static uint64_t read_fs(void)
{
	uint64_t own;

	__asm__ volatile("rdfsbase %0" : "=r"(own));
	return own;
}

static void load(unsigned which, uint16_t selector)
{
	uint64_t own = read_fs();

	switch (which) {
	case DS:
		__asm__ volatile("mov %0, %%ds" ::"r"(selector));
		break;
	case ES:
		__asm__ volatile("mov %0, %%es" ::"r"(selector));
		break;
	case FS: /* takes the thread pointer away */
		__asm__ volatile("mov %0, %%fs; wrfsbase %1" ::"r"(selector), "r"(own) : "memory");
		break;
	case GS:
		__asm__ volatile("mov %0, %%gs" ::"r"(selector));
		break;
	default:
		__asm__ volatile("mov %0, %%ss" ::"r"(selector));
		break;
	}
}

static const char *load_one(uint64_t n)
{
	load((unsigned)(n >> 16), (uint16_t)n);
	return serve_text("selector %lx was loaded", n & 0xffff);
}

/* What may be loaded is loaded everywhere; then ring 0 is entered by call and by interrupt. */
static const char *load_allowed(uint64_t selector)
{
	static const uint8_t places[] = { DS, ES, FS, GS };
	uint64_t until = libc_now_ns() + 250000000;

	for (unsigned i = 0; i < sizeof(places); i++)
		load(places[i], (uint16_t)selector);
	if (selector == USER_DATA)
		load(SS, USER_DATA);
	if (ix_entry(IX_UPCALL, 0, 0, 0) != IX_UNSUPPORTED)
		return "the entry was answered wrongly";
	while (libc_now_ns() < until)
		;
	serve_sleep_ms(1);
	return NULL;
}

struct far_pointer {
	uint32_t offset;
	uint16_t selector;
} __attribute__((packed));

extern const uint8_t segments_landing[], segments_return[];
__asm__(".pushsection .text.landing, \"ax\", @progbits\n"
	"segments_landing: ret\n"
	"segments_return: lretq\n"
	".popsection\n");

static const char *far_jump(uint64_t selector)
{
	static struct far_pointer to;

	to = (struct far_pointer){ (uint32_t)(uintptr_t)segments_landing, (uint16_t)selector };
	__asm__ volatile("push $1f; ljmp *%0; 1:" ::"m"(to) : "memory");
	return selector == USER_CODE ? NULL : serve_text("jumped to selector %lx", selector);
}

static const char *far_call(uint64_t selector)
{
	static struct far_pointer to;

	to = (struct far_pointer){ (uint32_t)(uintptr_t)segments_landing, (uint16_t)selector };
	__asm__ volatile("mov %%rsp, %%rbx; lcall *%0; mov %%rbx, %%rsp" ::"m"(to) : "memory", "rbx");
	return serve_text("called selector %lx", selector);
}

static const char *far_return(uint64_t selector)
{
	__asm__ volatile("push $1f; push %0; push $segments_landing; lretq; 1:" ::"r"(selector) : "memory");
	return selector == USER_CODE ? NULL : serve_text("returned to selector %lx", selector);
}

struct iret_frame {
	uint64_t rip, cs, flags, rsp, ss;
};

/* IRETQ with this frame; rip 0: the next instruction, rsp 0: the own stack. Returns what came of the flags. */
static uint64_t iret(struct iret_frame f)
{
	uint64_t flags;

	__asm__ volatile("mov %%rsp, %%rbx\n\t"
			 "test %4, %4\n\t"
			 "cmovz %%rbx, %4\n\t"
			 "test %1, %1\n\t"
			 "jnz 2f\n\t"
			 "mov $1f, %1\n"
			 "2:\tpush %5\n\t"
			 "push %4\n\t"
			 "push %3\n\t"
			 "push %2\n\t"
			 "push %1\n\t"
			 "iretq\n"
			 "1:\tmov %%rbx, %%rsp\n\t"
			 "pushfq\n\t"
			 "pop %0\n\t"
			 "push $2\n\t"
			 "popfq"
			 : "=&r"(flags), "+r"(f.rip), "+r"(f.cs), "+r"(f.flags), "+r"(f.rsp), "+r"(f.ss)
			 :
			 : "rbx", "memory", "cc");
	return flags;
}

static const char *iret_code(uint64_t selector)
{
	iret((struct iret_frame){ .cs = selector, .flags = FLAGS, .ss = USER_DATA });
	return selector == USER_CODE ? NULL : serve_text("IRET to code selector %lx", selector);
}

static const char *iret_stack(uint64_t selector)
{
	iret((struct iret_frame){ .cs = USER_CODE, .flags = FLAGS, .ss = selector });
	return serve_text("IRET with stack selector %lx", selector);
}

static const char *iret_rip(uint64_t rip)
{
	iret((struct iret_frame){ .rip = rip, .cs = USER_CODE, .flags = FLAGS, .ss = USER_DATA });
	return serve_text("IRET to %lx", rip);
}

static const char *iret_flags(uint64_t flags)
{
	uint64_t have = iret((struct iret_frame){ .cs = USER_CODE, .flags = flags, .ss = USER_DATA });

	return (have & 0x3000) || !(have & 0x200) ? serve_text("IRET made rflags %lx", have) : NULL;
}

static const char *iret_rsp(uint64_t rsp)
{
	iret((struct iret_frame){ .cs = USER_CODE, .flags = FLAGS, .rsp = rsp, .ss = USER_DATA });
	return NULL;
}

#define GP "fault 13"
#define ROWS(name, run, place)                                                   \
	{ name "_kernel_code", GP, run, (place) << 16 | 0x08, 0 },               \
		{ name "_kernel_code_rpl3", GP, run, (place) << 16 | 0x0b, 0 },  \
		{ name "_kernel_data", GP, run, (place) << 16 | 0x10, 0 },       \
		{ name "_kernel_data_rpl3", GP, run, (place) << 16 | 0x13, 0 },  \
		{ name "_absent", "fault 13,11", run, (place) << 16 | 0x1b, 0 }, \
		{ name "_task", GP, run, (place) << 16 | 0x33, 0 },              \
		{ name "_task_high", GP, run, (place) << 16 | 0x3b, 0 },         \
		{ name "_after_table", GP, run, (place) << 16 | 0x43, 0 },       \
		{ name "_last", GP, run, (place) << 16 | 0xfffb, 0 },            \
		{ name "_local", GP, run, (place) << 16 | 0x2f, 0 },             \
	{                                                                        \
		name "_local_null", GP, run, (place) << 16 | 0x04, 0             \
	}

static const struct test_case rows[] = {
	{ "load_null", "pass", load_allowed, 0, 4 },
	{ "load_data", "pass", load_allowed, USER_DATA, 0 },
	{ "load_code", "pass", load_allowed, USER_CODE, 0 },
	ROWS("ds", load_one, (uint64_t)DS),
	ROWS("es", load_one, (uint64_t)ES),
	ROWS("fs", load_one, (uint64_t)FS),
	ROWS("gs", load_one, (uint64_t)GS),
	ROWS("ss", load_one, (uint64_t)SS),
	{ "ss_null", GP, load_one, (uint64_t)SS << 16, 4 },
	{ "ss_code", GP, load_one, (uint64_t)SS << 16 | USER_CODE, 0 },
	{ "ss_rpl0", GP, load_one, (uint64_t)SS << 16 | 0x20, 0 },
	ROWS("jump", far_jump, 0ull),
	ROWS("call", far_call, 0ull),
	ROWS("return", far_return, 0ull),
	ROWS("iret", iret_code, 0ull),
	{ "jump_null", GP, far_jump, 0, 0 },
	{ "jump_data", GP, far_jump, USER_DATA, 0 },
	{ "jump_code", "pass", far_jump, USER_CODE, 0 },
	{ "return_null", GP, far_return, 0, 0 },
	{ "return_data", GP, far_return, USER_DATA, 0 },
	{ "return_code", "pass", far_return, USER_CODE, 0 },
	{ "iret_null", GP, iret_code, 0, 0 },
	{ "iret_data", GP, iret_code, USER_DATA, 0 },
	{ "iret_user", "pass", iret_code, USER_CODE, 0 },
	{ "iret_stack_null", GP, iret_stack, 0, 0 },
	{ "iret_stack_kernel", GP, iret_stack, 0x10, 0 },
	{ "iret_stack_code", GP, iret_stack, USER_CODE, 0 },
	{ "iret_to_kernel", "fault 14", iret_rip, 0xffffffff80200000, 0 },
	{ "iret_non_canonical", GP, iret_rip, 0x0000800000000000, 0 },
	{ "iret_step", "fault 1", iret_flags, 0x302, 0 },
	{ "iret_iopl", "pass", iret_flags, 0x3202, 0 },
	{ "iret_no_interrupts", "pass", iret_flags, 0x2, 0 },
	{ "iret_nested", "pass", iret_flags, 0x4202, 0 },
	{ "iret_resume", "pass", iret_flags, 0x10202, 0 },
	{ "iret_virtual", "pass", iret_flags, 0x1a0202, 0 },
	{ "iret_rsp_kernel", "pass", iret_rsp, 0xffffffffc0180000, 0 },
	{ "iret_rsp_non_canonical", "pass", iret_rsp, 0x0000800000000000, 0 },
};

int main(int argc, char **argv)
{
	return serve(argc, argv, rows, sizeof(rows) / sizeof(rows[0]));
}
