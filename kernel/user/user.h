/* SPDX-License-Identifier: MIT */
/*
 * In: the application part of the image. Out: a partition that ring 3 runs in, and the way in and out
 * of ring 3. Who calls: loop.c (user_run), sys (where the partition is). Start reading at run.c, then
 * ring3.S.
 */
#pragma once
#include "kernel/abi/entry.h"
#include "kernel/base/percore.h"

struct conf;

/* Where ring-3 memory is. One linear range of addresses over one piece of physical memory. */
struct user_partition {
	uint8_t *data;         /* direct map of IX_PARTITION_VA */
	uint64_t bytes;        /* program, data and heap */
	uint64_t writable_off; /* from here on ring 3 may write; before it: code and constants */
	uint8_t *stacks;       /* direct map of core 0's stack; core c's follow each IX_STACK_BYTES */
	uint32_t cores;
	const uint8_t *files; /* direct map of IX_FILES_VA (kernel/abi/files.h); NULL: there are none */
	uint64_t files_bytes;
};
extern struct user_partition user_partition; /* set once by user_init() */

/* Why a partition ends. */
enum user_end_how { USER_END_EXIT, USER_END_FAULT, USER_END_WATCHDOG, USER_END_NR };

struct user_end {
	uint32_t how;    /* enum user_end_how */
	uint64_t status; /* of USER_END_EXIT */
};

/** user_init() - allocate and map the partition, load the program. 0, or negative after a line that says why. */
int user_init(const struct conf *conf, const void *elf, size_t elf_bytes);

/**
 * user_files_init() - lay out the files that ring 3 may read, after user_init()
 * @archive: cpio of the image's, NULL: it has none. Return: 0, or negative after a line that says why.
 */
int user_files_init(const void *archive, size_t bytes);

/** user_core_init() - the calling core's way in and out of ring 3; the boot core's context starts at the program's entry. */
void user_core_init(void);

/** user_restart() - boot core, all cores out of ring 3 and user_core_end() done: zero and load the partition again. */
void user_restart(void);

/** user_core_end() - forget the calling core's ring-3 context. */
void user_core_end(void);

/**
 * user_park() - keep what the processor has of the calling core's ring 3; user_unpark() - put it back after a reset of the processor
 * user_forget() - the partition was loaded again meanwhile: what is kept is nobody's.
 */
void user_park(void);
void user_unpark(void);
void user_forget(void);

/* What ring 3 asked for when it came back. */
enum user_exit {
	USER_SYSCALL = 0,     /* the call is filled in */
	USER_INTERRUPTED = 1, /* an interrupt that wants the loop; ring 3 goes on where it was at the next user_run() */
	USER_FAULT = 2,       /* it cannot go on: reported, and user_is_ending() */
};

struct user_call {
	uint64_t number;
	uint64_t arg[3];
};

/** user_round() - before the first user_run() with new events: only a return for more (IX_RUN_IO) calms the watchdog. */
void user_round(void);

/**
 * user_run() - enter ring 3 of this core with @result in rax (after a system call) and stay until it comes back
 * Return: why; @call is filled in for USER_SYSCALL. Context: loop only, user_is_started().
 */
enum user_exit user_run(uint64_t result, struct user_call *call);

/** user_is_started() - whether this core has a ring-3 context (core 0, or IX_START was done for it). */
bool user_is_started(void);

/**
 * user_start() - give core @core (1..cores-1) a ring-3 context that begins at @entry with @arg in rdi
 * Return: IX_OK, IX_BAD_CALL (no such core), IX_BAD_ADDRESS (not in the program), IX_IN_USE (it has one).
 */
int user_start(uint32_t core, uint64_t entry, uint64_t arg);

/** user_set_fs() - FS base of this core's ring-3 context. Return: IX_OK or IX_BAD_ADDRESS (not ring 3's half). */
int user_set_fs(uint64_t base);

/** user_exit() - the partition ends with @status: all cores leave ring 3, the guest exits or restarts. */
void user_exit(uint64_t status);

/** user_is_ending() - whether the partition is to end; user_end_cause() then says why. */
bool user_is_ending(void);
struct user_end user_end_cause(void);

struct trap_frame;
/**
 * user_on_fault() - @fn is called on the core that faulted, twice: before the report is written and after it
 * @how: enum user_end_how. Once, at start.
 */
void user_on_fault(void (*fn)(const struct trap_frame *frame, uint32_t how, bool is_reported));

/** user_watchdog_tsc() - longest sleep that keeps the watchdog's tick coming, UINT64_MAX without one. */
tsc_t user_watchdog_tsc(void);
