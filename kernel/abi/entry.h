/* SPDX-License-Identifier: MIT */
/*
 * The few entry points from ring 3 (SYSCALL: number in rax, arguments in rdi, rsi, rdx; result in
 * rax; rcx and r11 destroyed; rdx, rsi, rdi, r8-r10 come back zero; rbx, rbp, rsp, r12-r15, the SSE
 * and AVX state and FS base are kept) and the fixed addresses that ring 3 sees.
 */
#pragma once
#include <stdint.h>

#define IX_ABI_VERSION 1

enum ix_entry {
	IX_RUN_IO = 0,  /* executes the call array, runs the loop, returns the number of events (>= 1) */
	IX_CALL = 1,    /* executes the call array, returns the number executed */
	IX_UPCALL = 2,  /* reserved */
	IX_WAKE = 3,    /* rdi: core. That core's IX_RUN_IO returns, with 0 events if it has none;
			 * IX_UNREACHABLE: the core is not there now, and will not hear of it */
	IX_EXIT = 4,    /* rdi: exit status, for the whole partition. Does not return */
	IX_START = 5,   /* rdi: core 1..cores-1, rsi: entry address, rdx: argument (its rdi). That core
				 * enters ring 3 there once, on its own stack; IX_IN_USE if it already has */
	IX_CONSOLE = 6, /* rdi: address, rsi: bytes (at most 4096 are taken). Returns bytes taken */
	IX_SET_FS = 7,  /* rdi: FS base, for CPUs without FSGSBASE (ix_info.has_fsgsbase 0) */
	IX_ENTRY_NR
};

/* Where things are in ring 3, on every core. */
#define IX_PARTITION_VA 0x0000000000400000ull /* program, data, heap: one linear range */
#define IX_STACK_VA 0x0000700000000000ull /* core c's stack is [IX_STACK_VA + c * IX_STACK_STRIDE, + IX_STACK_BYTES) */
#define IX_STACK_BYTES 0x200000ull
#define IX_STACK_STRIDE 0x400000ull             /* what lies between two stacks is not mapped */
#define IX_RX_VA 0x0000200000000000ull          /* receive buffers, read-only */
#define IX_FILES_VA 0x0000300000000000ull       /* what an application may read (files.h), read-only, if there is any */
#define IX_INFO_VA 0x00007fff00000000ull        /* struct ix_info, read-only, same page on every core */
#define IX_CALL_ARRAY_VA 0x00007ffe00000000ull  /* struct ix_call_array, this core's */
#define IX_EVENT_ARRAY_VA 0x00007ffe00010000ull /* struct ix_event_array, this core's */
#define IX_CORE_VA 0x00007ffe00020000ull        /* struct ix_core_info, this core's, read-only */

/* The clock page: what never or rarely changes. */
struct ix_info {
	uint32_t abi_version;      /* IX_ABI_VERSION */
	uint32_t core_count;       /* elastic threads of this partition, 1..64 */
	uint64_t tsc_hz;           /* ticks of RDTSC a second */
	uint64_t tsc_boot;         /* RDTSC when CLOCK_MONOTONIC was 0 */
	uint64_t realtime_boot_ns; /* CLOCK_REALTIME at that moment, ns since 1970 */
	uint64_t heap_va;          /* first free byte of the partition, 2 MiB aligned */
	uint64_t heap_bytes;       /* bytes from heap_va to its end */
	uint32_t has_fsgsbase;     /* 1: WRFSBASE works in ring 3 */
	uint32_t restarts;         /* how often this partition was restarted */
	uint32_t connections;      /* most TCP connections at a time, on all cores together */
	uint32_t files;            /* at IX_FILES_VA (files.h); 0: nothing is mapped there */
};

struct ix_core_info {
	uint32_t core; /* 0..core_count-1 */
	uint32_t reserved;
};
