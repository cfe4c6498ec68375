/* SPDX-License-Identifier: MIT */
/*
 * In: this core's call array and single entries, written by ring 3. Out: calls into net, user and
 * time with values that were read once and checked. Who calls: loop.c. Start reading at batch.c;
 * fetch.c is the only place that turns a ring-3 address into memory.
 */
#pragma once
#include "kernel/abi/call.h"
#include "kernel/base/percore.h"
#include "kernel/user/user.h"

/** sys_core_init() - @array: direct-map address of the calling core's call array. */
void sys_core_init(struct ix_call_array *array);

/** sys_batch() - execute the call array; status and result go back into each slot. Return: calls executed. */
unsigned sys_batch(void);

/**
 * sys_entry() - serve an entry that does not run the loop (IX_CALL, IX_START, IX_CONSOLE, ...)
 * @result: what ring 3 gets in rax. Return: false if the entry wants the loop (IX_RUN_IO) or ended the partition.
 */
bool sys_entry(const struct user_call *call, uint64_t *result);

/** sys_timer_events() - write events of due application timers while there is room. */
void sys_timer_events(void);
bool sys_has_events(void);

/**
 * sys_signal() - tell the application to stop: an event on the boot core, in the next turn
 * sys_signal_events() - write it, if there is room. Boot core.
 */
void sys_signal(void);
void sys_signal_events(void);
/**
 * sys_core() - have ring 3 told that the calling core is about to leave, when it has been told all else, or that it is back
 * sys_core_is_told(): it has been; when the core turns again, it has also answered. sys_core_is_leaving(): the former was the last
 * that this ring 3 has been told, or will be; one that begins anew knows of nothing.
 */
void sys_core(bool leaves);
bool sys_core_is_leaving(void);
/** sys_core_forget() - ring 3 of the calling core is gone, and with it what it was told of the core or was about to be. */
void sys_core_forget(void);
bool sys_core_is_told(void);

/** sys_partition_end() - this core: drop application timers and the call array's contents. */
void sys_partition_end(void);

/** sys_wake_take() - whether IX_WAKE named this core since the last call. */
bool sys_wake_take(void);
/**
 * sys_wake_refuse() - the calling core is about to park: from now on IX_WAKE says that it does not run
 * @is_last: even if one has named it since, as no ring 3 is there to be woken. Return: false: one has, and is to be taken first.
 * sys_wake_accept() - it turns again.
 */
bool sys_wake_refuse(bool is_last);
void sys_wake_accept(void);
