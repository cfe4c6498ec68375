/* SPDX-License-Identifier: MIT */
/* What lwIP must know of compiler and kernel: types, byte order, memory, checksum, randomness. */
#pragma once
#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#define LWIP_NO_INTTYPES_H 1
#define LWIP_NO_UNISTD_H 1
#define LWIP_NO_CTYPE_H 1
#ifndef SSIZE_MAX
#define SSIZE_MAX LONG_MAX /* lwIP then leaves the type to us */
#endif
typedef long ssize_t;

#define X8_F "02x"
#define U16_F "u"
#define S16_F "d"
#define X16_F "x"
#define U32_F "u"
#define S32_F "d"
#define X32_F "x"
#define SZT_F "zu"

/* Nothing is printed; an impossible state ends in panic(). */
#define LWIP_PLATFORM_DIAG(x) ((void)0)
#define LWIP_PLATFORM_ASSERT(x) port_assert(x)
#define LWIP_RAND() port_rand()

/* One instruction instead of a function. */
#define lwip_htons(x) ((u16_t)__builtin_bswap16((u16_t)(x)))
#define lwip_htonl(x) ((u32_t)__builtin_bswap32((u32_t)(x)))
#define lwip_ntohs(x) lwip_htons(x)
#define lwip_ntohl(x) lwip_htonl(x)

/** port_assert() - lwIP found an impossible state; does not return. */
void port_assert(const char *what) __attribute__((noreturn));
/** port_rand() - 32 unpredictable bits. */
uint32_t port_rand(void);
/*
 * Blocks of kernel/mem begin at multiples of PORT_BLOCK_ALIGN. A segment that lies inside its pbuf's block
 * (kernel/net/tcp_fast.c) begins PORT_INSIDE behind one, and goes with the block.
 */
#define PORT_BLOCK_ALIGN 16u
#define PORT_INSIDE 8u
static inline _Bool port_is_inside(const void *p)
{
	return ((uintptr_t)p & (PORT_BLOCK_ALIGN - 1)) == PORT_INSIDE;
}
/** port_malloc(), port_calloc(), port_free() - blocks of kernel/mem; a pcb gets room for struct conn behind it. */
void *port_malloc(size_t bytes);
void *port_calloc(size_t count, size_t bytes);
void port_free(void *block);
/** port_chksum() - Internet checksum sum of memory, folded to 16 bits, as stored [RFC 1071]. */
uint16_t port_chksum(const void *data, int bytes);
