/* SPDX-License-Identifier: MIT */
/* Ring 3's last words: the report of a fault, with a backtrace read through the bounds of the partition. */
#include "kernel/user/fault.h"

#include "kernel/base/bytes.h"
#include "kernel/base/log.h"
#include "kernel/cpu/start.h"
#include "kernel/user/space.h"
#include "kernel/user/user.h"

#define FRAMES_MAX 24

static void print_place(uint64_t va)
{
	uint64_t offset = 0;
	const char *name = symbols_name(va, &offset);

	if (name)
		log_line("  %016lx %s+0x%lx", va, name, offset);
	else
		log_line("  %016lx", va);
}

static void backtrace_user(const struct trap_frame *f)
{
	uint64_t rbp = f->rbp;

	log_line("application backtrace");
	print_place(f->rip);
	for (unsigned i = 0; i < FRAMES_MAX; i++) {
		const uint64_t *frame = space_read(rbp, 2 * sizeof(*frame));
		uint64_t next, ret;

		/* The memory is ring 3's and may be changing: each word is read once. */
		if (!frame || rbp % 8)
			return;
		next = READ_ONCE(frame[0]);
		ret = READ_ONCE(frame[1]);
		if (!space_is_code(ret))
			return;
		print_place(ret - 1); /* inside the call, which may be a function's last instruction */
		if (next <= rbp)
			return;
		rbp = next;
	}
}

void fault_report(const struct trap_frame *f)
{
	trap_report(f, "application fault");
	backtrace_user(f);
}

void fault_report_watchdog(const struct trap_frame *f)
{
	trap_report(f, "application watchdog");
	backtrace_user(f);
}

void fault_report_return(uint64_t rip)
{
	log_line("application fault: system call that would return to %016lx", rip);
}
