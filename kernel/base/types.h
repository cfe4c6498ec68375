/* SPDX-License-Identifier: MIT */
/*
 * Scalar types with a meaning, byte order, and the few macros that every folder uses.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t pa_t;       /* guest-physical address */
typedef uint64_t ix_uaddr_t; /* ring-3 virtual address: a number, made into bytes by kernel/sys/fetch.c only */
typedef uint64_t tsc_t;      /* ticks of the time stamp counter */

typedef uint16_t be16_t; /* stored in network byte order */
typedef uint32_t be32_t;
typedef uint16_t le16_t; /* stored in little-endian order */
typedef uint32_t le32_t;
typedef uint64_t le64_t;

/* An IPv6 address as it lies in a packet. */
struct ip6 {
	be32_t words[4];
};

#define be16(x) __builtin_bswap16((uint16_t)(x)) /* either direction; this kernel runs on little-endian */
#define be32(x) __builtin_bswap32((uint32_t)(x))
#define be64(x) __builtin_bswap64((uint64_t)(x))

#define CACHE_LINE 64u
#define PAGE_BYTES 4096ull
#define HUGE_BYTES 0x200000ull /* a 2 MiB page */

#define ARRAY_COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define ALIGN_UP(x, a) (((x) + (a)-1) & ~((__typeof__(x))(a)-1)) /* a: power of two */
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a)-1))
#define CONTAINER_OF(p, type, field) ((type *)(void *)((char *)(p)-offsetof(type, field)))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define WITHIN inline __attribute__((always_inline)) /* a function with several callers, one of them hot */
#define APART __attribute__((noinline))              /* a function that is not to take registers from its caller */
#define ALIGNED(n) __attribute__((aligned(n)))
#define NORETURN __attribute__((noreturn))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))

/* The compiler may neither cache nor split nor repeat these accesses to memory that others write. */
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))
#define load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define fence_full() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define fence_compiler() __asm__ volatile("" ::: "memory")
