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

APART uint16_t port_chksum(const void *data, int bytes)
{
	const uint8_t *p = data;
	unsigned __int128 sum = 0;
	uint64_t word;

	for (; bytes >= 8; bytes -= 8, p += 8) {
		__builtin_memcpy(&word, p, 8);
		sum += word;
	}
	word = 0;
	for (int i = 0; i < bytes; i++)
		word |= (uint64_t)p[i] << 8 * i;
	sum += word;
	word = (uint64_t)sum;
	return checksum_fold((word & 0xffffffff) + (word >> 32) + (uint64_t)(sum >> 64));
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
