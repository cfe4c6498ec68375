/* SPDX-License-Identifier: MIT */
/* Which connection a segment belongs to, in constant time, and what is left of closed ones. Private to kernel/net. */
#pragma once
#include "kernel/net/core.h"
#include "kernel/net/tuple.h"

#define DEMUX_WAYS 7u
#define DEMUX_SPLIT_LOAD 2u       /* connections a bucket that make the table grow; at a quarter it shrinks */
#define DEMUX_SEGMENT_BUCKETS 64u /* in one block of the slab */

/* One cache line: tags of up to seven connections, and how many that belong here lie further on. */
struct demux_bucket {
	uint32_t tag[DEMUX_WAYS]; /* hash | 1; 0: free */
	uint32_t overflow;
	uint32_t ref[DEMUX_WAYS]; /* pcb address / 32 from the start of the direct map */
	uint32_t reserved;
} ALIGNED(64);

/**
 * demux_init() - keys; room for tables of @connections connections on any of @cores
 * demux_core_init() - the calling core's table, small; it grows and shrinks with what is in it.
 * Return: 0 or KERR_NO_MEMORY.
 */
int demux_init(uint32_t connections, uint32_t cores);
int demux_core_init(void);

uint32_t demux_hash(const struct demux_tuple *t);
/** demux_prefetch() - stage 1: the bucket. demux_candidate() - stage 2: likely pcb, prefetched; NULL if none. */
void demux_prefetch(uint32_t hash);
struct tcp_pcb *demux_candidate(uint32_t hash);
/** demux_mark() - candidates were looked up; demux_is_marked() - whether they are all still there. */
void demux_mark(void);
bool demux_is_marked(void);
struct tcp_pcb *demux_find(uint32_t hash, const struct demux_tuple *t);
/** demux_insert() - a pcb that is on no list. Return: false if there is no memory for a larger table. */
bool demux_insert(struct tcp_pcb *pcb);
/**
 * demux_reserve() - so many that are not in the table yet will find room. Return: false if there is no memory.
 * demux_unreserve() - they have come, or will not.
 */
bool demux_reserve(uint32_t connections);
void demux_unreserve(uint32_t connections);
/** demux_group_count() - connections of flow group @group here. demux_regroup() - @c's group is known by now. */
uint32_t demux_group_count(uint8_t group);
/** demux_count() - connections here. */
uint32_t demux_count(void);
void demux_regroup(struct conn *c, uint8_t group);
/** demux_remove() - nothing if it was never inserted. */
void demux_remove(struct conn *c);
/** demux_each() - call @fn for every connection of this core; @fn may remove it. */
void demux_each(void (*fn)(struct conn *c));

/** demux_isn() - keyed hash of a tuple for sequence numbers [RFC 6528]. */
uint32_t demux_isn(const struct demux_tuple *t);
/** demux_addresses() - 64 bits that stand for both addresses: IPv4's themselves, of IPv6 a keyed digest [SipHash]. */
uint64_t demux_addresses(const struct demux_tuple *t);

/* ---- TIME_WAIT ---- */
/* What is left of a connection in TIME_WAIT. */
struct timewait {
	uint64_t addresses; /* demux_addresses() */
	uint32_t ports;     /* as in a packet */
	uint32_t rcv_nxt, snd_nxt;
	uint32_t until_ms;  /* 0: free; bit 0 is set, bit 1 if there were timestamps, bits 2..8: flow group */
	uint32_t ts_recent; /* the peer's last one */
	uint16_t chain;
	uint16_t next; /* index in the chain, 0 ends */
};
#define TIMEWAIT_HAS_TS 2u
_Static_assert(sizeof(struct timewait) == 32, "two a cache line");

void timewait_add(struct tcp_pcb *pcb, uint32_t hash);
/** timewait_find() - record of a tuple that has not expired, NULL if none. timewait_remove() - forget it. */
struct timewait *timewait_find(uint32_t hash, const struct demux_tuple *t);
void timewait_remove(struct timewait *w);
/* Records on their way to another core. */
struct timewait_batch {
	struct timewait_batch *next;
	uint32_t count;
	struct timewait records[63];
};
#define TIMEWAIT_ALL 0xffu
/**
 * timewait_take() - all of @group, or TIMEWAIT_ALL, leave this core, as far as there is memory for them. timewait_give() - they come.
 * timewait_is_empty() - none has come since all left.
 */
struct timewait_batch *timewait_take(uint8_t group);
void timewait_give(struct timewait_batch *batch);
bool timewait_is_empty(void);
int timewait_init(uint32_t connections, uint32_t cores);
void timewait_core_init(void);
