/* SPDX-License-Identifier: MIT */
/*
 * A fault of ring 3, kept where the host can see it: registers, report, and which memory was the partition's. That memory is
 * neither zeroed nor loaded again before the host has said that it has it, or a second has passed in which it did not ask for another.
 */
#include "kernel/abi/exit.h"
#include "kernel/base/bytes.h"
#include "kernel/base/err.h"
#include "kernel/base/log.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/msr.h"
#include "kernel/cpu/trap.h"
#include "kernel/ctl/page.h"
#include "kernel/mem/mem.h"
#include "kernel/user/user.h"

#define HOLD_US 1000000u
#define HOLD_MAX_US 30000000u /* however often the host asks for more */
#define PF_X 1u
#define PF_W 2u
#define PF_R 4u

static tsc_t hold_begin, hold_end; /* 0: nothing is held */
static uint32_t is_seen;           /* atomic */

static void put_registers(struct ix_page_registers *r, const struct trap_frame *f)
{
	*r = (struct ix_page_registers){
		.r15 = f->r15,
		.r14 = f->r14,
		.r13 = f->r13,
		.r12 = f->r12,
		.rbp = f->rbp,
		.rbx = f->rbx,
		.r11 = f->r11,
		.r10 = f->r10,
		.r9 = f->r9,
		.r8 = f->r8,
		.rax = f->rax,
		.rcx = f->rcx,
		.rdx = f->rdx,
		.rsi = f->rsi,
		.rdi = f->rdi,
		.orig_rax = UINT64_MAX,
		.rip = f->rip,
		.cs = f->cs,
		.eflags = f->rflags,
		.rsp = f->rsp,
		.ss = f->ss,
		.fs_base = msr_read(IA32_FS_BASE),
	};
}

/* At place @at of the list, which is counted here: what lies in the page others may change. Return: the next place. */
static uint32_t put_range(struct ix_page_crash *c, uint32_t at, struct ix_page_range range)
{
	if (!range.bytes || at >= IX_PAGE_CRASH_RANGES)
		return at;
	c->range[at] = range;
	return at + 1;
}

static void put_ranges(struct ix_page_crash *c)
{
	const struct user_partition *p = &user_partition;
	struct ix_page_range r = {
		.va = IX_PARTITION_VA, .pa = mem_pa(p->data), .bytes = p->writable_off, .flags = PF_R | PF_X
	};
	uint32_t at = put_range(c, 0, r);

	r = (struct ix_page_range){ .va = IX_PARTITION_VA + p->writable_off,
				    .pa = mem_pa(p->data + p->writable_off),
				    .bytes = p->bytes - p->writable_off,
				    .flags = PF_R | PF_W };
	at = put_range(c, at, r);
	for (uint32_t core = 0; core < p->cores; core++) {
		r = (struct ix_page_range){ .va = IX_STACK_VA + core * IX_STACK_STRIDE,
					    .pa = mem_pa(p->stacks + core * (uint64_t)IX_STACK_BYTES),
					    .bytes = IX_STACK_BYTES,
					    .flags = PF_R | PF_W };
		at = put_range(c, at, r);
	}
	c->range_count = at;
}

/* On the core that faulted: before the report, and after it. */
static void on_fault(const struct trap_frame *f, uint32_t how, bool is_reported)
{
	struct ix_page_crash *c = page_at(IX_PAGE_AT_CRASH);

	if (is_reported) {
		c->text_bytes = (uint32_t)log_copy(NULL, 0);
		page_end(&c->sequence);
		hold_begin = cpu_tsc();
		store_release(&hold_end, hold_begin + cpu_us_to_tsc(HOLD_US));
		return;
	}
	page_begin(&c->sequence);
	store_release(&is_seen, 0);
	c->count++;
	c->is_held = 1;
	c->core = core_id();
	c->how = how == USER_END_WATCHDOG ? IX_EXIT_WATCHDOG : IX_EXIT_FAULT;
	c->vector = (uint32_t)f->vector;
	c->error = f->error;
	c->address = f->vector == TRAP_PF ? trap_address() : 0;
	put_registers(&c->registers, f);
	put_ranges(c);
	log_copy(c->text, sizeof(c->text));
}

void crash_init(void)
{
	struct ix_page_crash *c = page_at(IX_PAGE_AT_CRASH);

	memset(c, 0, sizeof(*c));
	user_on_fault(on_fault);
}

int crash_seen(uint64_t more)
{
	tsc_t latest = hold_begin + cpu_us_to_tsc(HOLD_MAX_US);

	if (more > 1)
		return KERR_INVALID;
	if (!more)
		store_release(&is_seen, 1);
	else if (load_acquire(&hold_end))
		store_release(&hold_end, MIN(cpu_tsc() + cpu_us_to_tsc(HOLD_US), latest));
	return 0;
}

bool ctl_is_holding(void)
{
	struct ix_page_crash *c;

	if (!ctl_page || !load_acquire(&hold_end))
		return false;
	command_poll(); /* the loop publishes, but a core without work may sleep meanwhile */
	if (!load_acquire(&is_seen) && cpu_tsc() < hold_end)
		return true;
	c = page_at(IX_PAGE_AT_CRASH);
	page_begin(&c->sequence);
	c->is_held = 0;
	page_end(&c->sequence);
	store_release(&hold_end, 0);
	return false;
}
