/* SPDX-License-Identifier: MIT */
/*
 * Ring 3 of one core: its context, how it is entered and left, the watchdog, and the one decision that
 * the partition ends.
 */
#include "kernel/user/user.h"

#include "kernel/abi/status.h"
#include "kernel/base/assert.h"
#include "kernel/base/bytes.h"
#include "kernel/base/log.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/msr.h"
#include "kernel/cpu/start.h"
#include "kernel/cpu/trap.h"
#include "kernel/mem/map.h"
#include "kernel/user/context.h"
#include "kernel/user/fault.h"
#include "kernel/user/space.h"

_Static_assert(offsetof(struct trap_frame, r15) == CTX_R15, "ring3.S");
_Static_assert(offsetof(struct trap_frame, r10) == CTX_R10, "ring3.S");
_Static_assert(offsetof(struct trap_frame, rbx) == CTX_RBX, "ring3.S");
_Static_assert(offsetof(struct trap_frame, rax) == CTX_RAX, "ring3.S");
_Static_assert(offsetof(struct trap_frame, rip) == CTX_RIP, "ring3.S");
_Static_assert(offsetof(struct trap_frame, rflags) == CTX_RFLAGS, "ring3.S");
_Static_assert(offsetof(struct trap_frame, rsp) == CTX_RSP, "ring3.S");

#define USER_VA_END (1ull << 47)
#define USER_FPU_BYTES 1024u /* x87, SSE and AVX: 832 in the standard format [SDM 1 13.4] */
#define START_NONE 0u
#define START_WRITING 1u
#define START_READY 2u
#define END_NONE 0u
#define END_WRITING 1u
#define END_SAID 2u

enum context_state { CONTEXT_NONE, CONTEXT_CALL, CONTEXT_TRAP };

/* How another core asks this one to begin; in plain memory, reached by all. */
struct start_request {
	uint32_t state; /* START_*; by the asking core up to READY, by the started core from there */
	uint64_t entry;
	uint64_t arg;
} ALIGNED(64);

PERCORE struct trap_frame user_context ALIGNED(64);
PERCORE uint64_t user_kernel_rsp;
static PERCORE enum context_state context_state;
static PERCORE uint64_t rounds;      /* of ring 3 with events, for the watchdog */
static PERCORE uint64_t rounds_seen; /* at its last tick */
static PERCORE tsc_t rounds_since;   /* when that count was first seen */
static PERCORE bool has_xsave;

/* Of ring 3, while its core is parked: the processor may be taken away. */
static PERCORE struct {
	uint8_t fpu[USER_FPU_BYTES] ALIGNED(64);
	uint64_t fs_base, gs_base;
} parked;

static struct start_request starts[CORES_MAX];
static tsc_t watchdog_tsc; /* 0: none */
static uint32_t ending;
static struct user_end end_cause;
static void (*on_fault)(const struct trap_frame *frame, uint32_t how, bool is_reported);

enum user_exit user_enter_call(uint64_t result);
enum user_exit user_enter_trap(void);
NORETURN void user_leave(enum user_exit why);
void user_fpu_reset(bool has_xsave);
void user_fpu_save(bool has_xsave, uint8_t *area);
void user_fpu_load(bool has_xsave, const uint8_t *area);

static void context_begin(uint64_t entry, uint64_t arg, uint64_t rsp)
{
	user_context = (struct trap_frame){
		.rip = entry, .cs = SEL_USER_CODE, .rflags = RFLAGS_IF | 2, .rsp = rsp, .ss = SEL_USER_DATA, .rdi = arg
	};
	msr_write(IA32_FS_BASE, 0);
	msr_write(IA32_GS_BASE, 0);
	user_fpu_reset(has_xsave);
	context_state = CONTEXT_TRAP;
}

/* Return: whether this core's cause is the one that counts; it may then take its time to report. */
static bool end_partition(uint32_t how, uint64_t status)
{
	uint32_t expected = END_NONE;

	if (!__atomic_compare_exchange_n(&ending, &expected, END_WRITING, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
		while (load_acquire(&ending) == END_WRITING)
			cpu_pause();
		return false;
	}
	end_cause = (struct user_end){ .how = how, .status = status };
	store_release(&ending, END_SAID);
	for (uint64_t left = cpu_running() & ~(1ull << core_id()); left; left &= left - 1)
		cpu_wake((uint32_t)__builtin_ctzll(left));
	return true;
}

static void report(const struct trap_frame *f, uint32_t how)
{
	if (on_fault)
		on_fault(f, how, false);
	if (how == USER_END_WATCHDOG)
		fault_report_watchdog(f);
	else
		fault_report(f);
	if (on_fault)
		on_fault(f, how, true);
}

static void watchdog_tick(struct trap_frame *f)
{
	tsc_t now = cpu_tsc();

	if (rounds != rounds_seen) {
		rounds_seen = rounds;
		rounds_since = now;
	} else if (now - rounds_since > watchdog_tsc) {
		if (end_partition(USER_END_WATCHDOG, 0))
			report(f, USER_END_WATCHDOG);
		user_leave(USER_FAULT);
	}
	apic_timer_arm(now + watchdog_tsc / 4);
}

/* Every trap out of ring 3. Returning lets ring 3 go on. */
static void handle_trap(struct trap_frame *f)
{
	if (f->vector == CPU_VECTOR_TIMER) {
		if (watchdog_tsc)
			watchdog_tick(f);
		return;
	}
	if (f->vector == CPU_VECTOR_WAKE) {
		user_context = *f;
		context_state = CONTEXT_TRAP;
		user_leave(USER_INTERRUPTED);
	}
	if (end_partition(USER_END_FAULT, 0))
		report(f, USER_END_FAULT);
	user_leave(USER_FAULT);
}

void user_on_fault(void (*fn)(const struct trap_frame *frame, uint32_t how, bool is_reported))
{
	on_fault = fn;
}

void user_core_init(void)
{
	has_xsave = cpuid(1, 0).c >> 26 & 1;
	trap_set_user_handler(handle_trap);
	if (core_id() == 0) {
		watchdog_tsc = cpu_us_to_tsc(space_watchdog_ms() * 1000ull);
		context_begin(space_entry(), 0, space_initial_rsp());
	}
}

void user_core_end(void)
{
	context_state = CONTEXT_NONE;
	store_release(&starts[core_id()].state, START_NONE);
}

void user_park(void)
{
	parked.fs_base = msr_read(IA32_FS_BASE);
	parked.gs_base = msr_read(IA32_GS_BASE);
	user_fpu_save(has_xsave, parked.fpu);
	apic_timer_stop(); /* the watchdog's, too: it begins anew with the next round */
}

void user_unpark(void)
{
	msr_write(IA32_FS_BASE, parked.fs_base);
	msr_write(IA32_GS_BASE, parked.gs_base);
	user_fpu_load(has_xsave, parked.fpu);
}

void user_forget(void)
{
	context_state = CONTEXT_NONE;
}

void user_restart(void)
{
	space_load(true);
	for (uint32_t c = 0; c < CORES_MAX; c++)
		store_release(&starts[c].state, START_NONE); /* a start that raced with the end */
	context_begin(space_entry(), 0, space_initial_rsp());
	store_release(&ending, END_NONE);
}

bool user_is_started(void)
{
	struct start_request *s = &starts[core_id()];

	if (likely(context_state != CONTEXT_NONE))
		return true;
	if (load_acquire(&s->state) != START_READY || user_is_ending())
		return false;
	/* rsp as a CALL leaves it [System V ABI 3.2.2]. */
	context_begin(s->entry, s->arg, IX_STACK_VA + core_id() * IX_STACK_STRIDE + IX_STACK_BYTES - 8);
	return true;
}

void user_round(void)
{
	rounds++;
	if (unlikely(watchdog_tsc && !apic_timer_is_armed())) {
		rounds_since = cpu_tsc();
		rounds_seen = rounds;
		apic_timer_arm(rounds_since + watchdog_tsc / 4);
	}
}

enum user_exit user_run(uint64_t result, struct user_call *call)
{
	enum user_exit why;

	if (likely(context_state == CONTEXT_CALL)) {
		why = user_enter_call(result);
	} else {
		kassert(context_state == CONTEXT_TRAP);
		why = user_enter_trap();
	}
	if (unlikely(why != USER_SYSCALL))
		return why;
	context_state = CONTEXT_CALL;
	*call = (struct user_call){ .number = user_context.rax,
				    .arg = { user_context.rdi, user_context.rsi, user_context.rdx } };
	/* SYSRET to a non-canonical address would fault in ring 0 with ring 3's stack [SDM 2B SYSRET]. */
	if (unlikely(user_context.rip >= USER_VA_END)) {
		if (end_partition(USER_END_FAULT, 0))
			fault_report_return(user_context.rip);
		return USER_FAULT;
	}
	return USER_SYSCALL;
}

int user_start(uint32_t core, uint64_t entry, uint64_t arg)
{
	struct start_request *s = &starts[core < CORES_MAX ? core : 0];
	uint32_t expected = START_NONE;

	if (core == 0 || core >= user_partition.cores)
		return IX_BAD_CALL;
	if (!space_is_code(entry))
		return IX_BAD_ADDRESS;
	if (!__atomic_compare_exchange_n(&s->state, &expected, START_WRITING, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_RELAXED))
		return IX_IN_USE;
	s->entry = entry;
	s->arg = arg;
	store_release(&s->state, START_READY);
	if (cpu_running() >> core & 1) /* else it looks when it comes */
		cpu_wake(core);
	return IX_OK;
}

int user_set_fs(uint64_t base)
{
	if (base >= USER_VA_END)
		return IX_BAD_ADDRESS;
	msr_write(IA32_FS_BASE, base);
	return IX_OK;
}

void user_exit(uint64_t status)
{
	(void)end_partition(USER_END_EXIT, status);
}

bool user_is_ending(void)
{
	return unlikely(load_acquire(&ending) == END_SAID);
}

struct user_end user_end_cause(void)
{
	return end_cause;
}

tsc_t user_watchdog_tsc(void)
{
	return watchdog_tsc ? watchdog_tsc / 4 : UINT64_MAX;
}
