/* SPDX-License-Identifier: MIT */
/* What lwIP takes from the kernel: blocks, a checksum, sequence numbers, randomness. */
#include "kernel/net/port/arch/cc.h"

#include "kernel/base/assert.h"
#include "kernel/base/bytes.h"
#include "kernel/cpu/cpu.h"
#include "kernel/mem/mem.h"
#include "kernel/net/checksum.h"
#include "kernel/net/core.h"
#include "kernel/net/demux.h"
#include "kernel/net/port/ix_hooks.h"

#define ISN_TICK_US 4u /* the clock of initial sequence numbers [RFC 6528 3] */

void *port_malloc(size_t bytes)
{
	if (bytes == PCB_BYTES)
		bytes += sizeof(struct conn);
	if (unlikely(bytes > MEM_BLOCK_MAX))
		return NULL;
	return mem_alloc(bytes);
}

void *port_calloc(size_t count, size_t bytes)
{
	void *block;

	if (bytes && count > MEM_BLOCK_MAX / bytes)
		return NULL;
	block = port_malloc(count * bytes);
	if (block)
		memset(block, 0, count * bytes);
	return block;
}

void port_free(void *block)
{
	if (port_is_inside(block))
		return;
	if (unlikely(block && block == net_self.keep)) {
		net_self.keep = NULL; /* conn_free_if_done() will */
		return;
	}
	mem_free(block);
}

void port_assert(const char *what)
{
	panic("lwip: %s", what);
}

uint32_t port_rand(void)
{
	uint32_t bits;

	cpu_random(&bits, sizeof(bits));
	return bits;
}

/* ---- checksum ---- */
#define BLOCK_BYTES 128u

/* @sum and @blocks times BLOCK_BYTES at @p, each word with the carry of the one before it: compilers do not find this. */
static uint64_t sum_blocks(uint64_t sum, const uint8_t *p, size_t blocks)
{
	__asm__("clc\n"
		"1:\n\t"
		"adcq (%[p]), %[sum]\n\t"
		"adcq 8(%[p]), %[sum]\n\t"
		"adcq 16(%[p]), %[sum]\n\t"
		"adcq 24(%[p]), %[sum]\n\t"
		"adcq 32(%[p]), %[sum]\n\t"
		"adcq 40(%[p]), %[sum]\n\t"
		"adcq 48(%[p]), %[sum]\n\t"
		"adcq 56(%[p]), %[sum]\n\t"
		"adcq 64(%[p]), %[sum]\n\t"
		"adcq 72(%[p]), %[sum]\n\t"
		"adcq 80(%[p]), %[sum]\n\t"
		"adcq 88(%[p]), %[sum]\n\t"
		"adcq 96(%[p]), %[sum]\n\t"
		"adcq 104(%[p]), %[sum]\n\t"
		"adcq 112(%[p]), %[sum]\n\t"
		"adcq 120(%[p]), %[sum]\n\t"
		"leaq 128(%[p]), %[p]\n\t" /* neither this nor DEC touches the carry */
		"decq %[blocks]\n\t"
		"jnz 1b\n\t"
		"adcq $0, %[sum]\n\t"
		"adcq $0, %[sum]" /* the one before may have carried */
		: [sum] "+r"(sum), [p] "+r"(p), [blocks] "+r"(blocks)
		:
		: "cc", "memory");
	return sum;
}

static inline uint64_t sum_word(uint64_t sum, uint64_t word)
{
	sum += word;
	return sum + (sum < word);
}

/* Less than 8 bytes at @p, the first one lowest. @is_behind: 8 bytes and more lie in front of them. */
static inline uint64_t last_word(const uint8_t *p, unsigned bytes, bool is_behind)
{
	uint64_t word = 0;

	if (likely(is_behind)) {
		__builtin_memcpy(&word, p + bytes - 8, 8);
		return word >> (64 - 8 * bytes);
	}
	for (unsigned i = 0; i < bytes; i++)
		word |= (uint64_t)p[i] << 8 * i;
	return word;
}

APART uint16_t port_chksum(const void *data, int bytes)
{
	const uint8_t *p = data;
	unsigned left = (unsigned)bytes, blocks = left / BLOCK_BYTES;
	uint64_t sum = 0, word;

	if (blocks) {
		sum = sum_blocks(0, p, blocks);
		p += blocks * BLOCK_BYTES;
		left %= BLOCK_BYTES;
	}
	for (; left >= 8; left -= 8, p += 8) {
		__builtin_memcpy(&word, p, 8);
		sum = sum_word(sum, word);
	}
	if (left)
		sum = sum_word(sum, last_word(p, left, (unsigned)bytes >= 8));
	return checksum_fold(sum);
}

u32_t port_isn(const ip_addr_t *local, u16_t local_port, const ip_addr_t *remote, u16_t remote_port)
{
	struct demux_tuple t = tuple_from(local, local_port, remote, remote_port);

	if (unlikely(net_self.is_replaying))
		return net_self.replayed_isn;
	return demux_isn(&t) + (u32_t)(net_self.now_tick * TIME_TICK_US / ISN_TICK_US);
}

/* lwIP asks for its timers to be run; the wheel runs them anyway. */
void tcp_timer_needed(void)
{
}
