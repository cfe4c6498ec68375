/* SPDX-License-Identifier: MIT */
/*
 * In: what musl and libix ask of ring 0. Out: the one SYSCALL instruction of an application, the fixed
 * pages of ring 3, the clock, other cores. Who calls: musl (through arch/syscall_arch.h), lib/ix, and
 * programs that use no libix. Start reading at syscall.c.
 */
#pragma once
#include "kernel/abi/call.h"
#include "kernel/abi/entry.h"
#include "kernel/abi/event.h"
#include "kernel/abi/status.h"

/**
 * ix_entry() - enter ring 0
 * @number: enum ix_entry; @a, @b, @c: its arguments (rdi, rsi, rdx), 0 where it has fewer
 * Return: what the entry returns; negative: enum ix_status.
 */
long ix_entry(uint64_t number, uint64_t a, uint64_t b, uint64_t c);

/** libc_info() - the clock page; constant while the program runs. */
const struct ix_info *libc_info(void);

/** libc_core() - number of the calling core, 0..libc_info()->core_count-1. */
uint32_t libc_core(void);

/** libc_calls() - the calling core's call array. libc_events() - its event array. */
struct ix_call_array *libc_calls(void);
const struct ix_event_array *libc_events(void);

/** libc_now_ns() - CLOCK_MONOTONIC in nanoseconds, without entering ring 0. */
uint64_t libc_now_ns(void);

/**
 * libc_core_start() - run @fn(@arg) on core @core, on its own stack, with its own errno and thread-local storage
 * @core: 1..core_count-1, not started yet. What @fn returns ends the program with that status, as main's return does.
 * From the first call on musl's locks are taken: malloc, stdio and atexit are safe on all cores.
 * Return: 0, or a negative enum ix_status: IX_NO_MEMORY, IX_BAD_CALL (no such core), IX_IN_USE (it runs).
 * Context: one core at a time.
 */
int libc_core_start(uint32_t core, int (*fn)(void *), void *arg);
