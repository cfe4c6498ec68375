/* SPDX-License-Identifier: MIT */
/*
 * In: memory at start. Out: receive buffers, each 2,048 bytes that ring 3 can read and a description
 * that it cannot. Who calls: nic (posts and fills), flow and net (pass on), net (lends to ring 3 and
 * takes back). A buffer has one owner at any time. Start reading at buf.c.
 */
#pragma once
#include "kernel/abi/entry.h"
#include "kernel/base/types.h"

#define BUF_BYTES 2048u
#define BUF_NET_WORDS 8u

enum buf_flags {
	BUF_CSUM_GOOD = 1, /* the device, or a host that never left memory, vouches for the L4 checksum */
	BUF_RESOLVE = 2, /* not received: an IP packet whose neighbour the boot core is to find; @core sends it then */
	BUF_QUOTED = 8,  /* an ICMP error on its way from core to core, to the connection that it speaks of */
	BUF_SUMMED = 16, /* by net: each buffer of the frame holds data of a segment, and has its sum (rx_buf.h) */
	BUF_MISPLACED = 4, /* no connection of it on @core, where it arrived, nor on those between that one and this */
};

struct buf {
	uint8_t *data;               /* start of the 2,048 bytes, direct map; fixed at start */
	pa_t pa;                     /* of data; fixed at start */
	struct buf *next;            /* next buffer of the same frame, NULL in the last; by nic */
	uint32_t index;              /* 0..count-1; fixed at start */
	uint16_t off;                /* first valid byte; by nic (the Ethernet header in a frame's first buffer) */
	uint16_t len;                /* valid bytes from off; by nic */
	uint32_t frame_bytes;        /* first buffer: of the whole frame; by nic */
	uint16_t flags;              /* first buffer: enum buf_flags; by nic */
	uint16_t segments;           /* first buffer: TCP segments merged into this frame, at least 1; by nic */
	uint16_t count;              /* first buffer: buffers in the frame; by nic */
	uint8_t group;               /* first buffer: flow group where flow had to find it out, else 0; by flow */
	uint8_t core;                /* first buffer: as BUF_RESOLVE and BUF_MISPLACED say; by net */
	uint32_t hash;               /* first buffer: keyed hash of the flow, 0 if not computed; by flow */
	uint64_t net[BUF_NET_WORDS]; /* room for kernel/net (a pbuf over this buffer) */
} ALIGNED(64);
_Static_assert(sizeof(struct buf) == 128, "two cache lines");

/**
 * buf_init() - create @count buffers (a multiple of 1,024), data 2 MiB-aligned and mapped for ring 3
 * at IX_RX_VA, read-only, no execute. Return: 0 or KERR_NO_MEMORY.
 */
int buf_init(uint32_t count);

/** buf_alloc() - one buffer, off = len = 0, next = NULL; core-local magazines. NULL if none is left. */
struct buf *buf_alloc(void);
/** buf_alloc_burst() - up to @max buffers into @out, with off, len and next as they were. Return: how many. */
unsigned buf_alloc_burst(struct buf **out, unsigned max);

/** buf_free() - give back one buffer (not its chain); buf_free_frame() - the whole chain. NULL ignored. */
void buf_free(struct buf *b);
void buf_free_frame(struct buf *first);

/**
 * buf_available() - how many the calling core could still allocate: the depot's and its own
 * What other cores hold in their magazines (fewer than total/32 each) is out of its reach and left out.
 */
uint32_t buf_available(void);
uint32_t buf_total(void);

/** buf_park() - the calling core will not turn for a while: what its magazines hold is for others. */
void buf_park(void);

/** buf_user_va() - where ring 3 sees byte @off of @b. */
static inline ix_uaddr_t buf_user_va(const struct buf *b, uint32_t off)
{
	return IX_RX_VA + (uint64_t)b->index * BUF_BYTES + off;
}

/**
 * buf_of_user() - the buffer that a ring-3 address range lies in
 * Return: NULL unless [va, va + bytes) is inside one buffer; @off is then its offset in it.
 */
struct buf *buf_of_user(ix_uaddr_t va, uint64_t bytes, uint32_t *off);
