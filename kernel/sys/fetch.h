/* SPDX-License-Identifier: MIT */
/*
 * From a ring-3 address to memory, once. Ring 3 of any core may change what lies there at any time, so
 * what decides something is copied out by words (fetch_words) and looked at in the copy only.
 */
#pragma once
#include "kernel/abi/entry.h"
#include "kernel/net/net.h"
#include "kernel/user/user.h"

struct fetch_unaligned {
	uint64_t v;
} __attribute__((packed, may_alias));

/** fetch_word() - one read of a word of ring-3 memory, at any alignment. */
static inline uint64_t fetch_word(const uint8_t *at)
{
	return ((const volatile struct fetch_unaligned *)at)->v;
}

/* Whether [va, va + bytes) lies in [base, base + region); no sum can wrap. */
static inline bool fetch_is_inside(ix_uaddr_t va, uint64_t bytes, uint64_t base, uint64_t region)
{
	return va >= base && bytes <= region && va - base <= region - bytes;
}

/** fetch_elsewhere() - fetch_range() for what is not partition data; @out->bytes is filled in. */
bool fetch_elsewhere(ix_uaddr_t va, struct net_range *out);

/**
 * fetch_range() - the memory behind [va, va + bytes)
 * Inside the partition, its files, one stack, or one receive buffer; whether that buffer is lent is for net to say.
 * Return: false if it is not wholly inside one of these, or @bytes is not 1..2^32-1.
 */
static inline bool fetch_range(ix_uaddr_t va, uint64_t bytes, struct net_range *out)
{
	if (unlikely(bytes - 1 >= UINT32_MAX))
		return false;
	out->bytes = (uint32_t)bytes;
	if (fetch_is_inside(va, bytes, IX_PARTITION_VA, user_partition.bytes)) {
		out->data = user_partition.data + (va - IX_PARTITION_VA);
		out->lent = NULL;
		return true;
	}
	return fetch_elsewhere(va, out);
}

/** fetch_list_range() - the same, quickest for receive buffers, which long lists are made of and answers begin with. */
static inline bool fetch_list_range(ix_uaddr_t va, uint64_t bytes, struct net_range *out)
{
	uint32_t off;

	if (va < IX_RX_VA || va >= IX_FILES_VA)
		return fetch_range(va, bytes, out);
	if (unlikely(!bytes))
		return false;
	out->lent = buf_of_user(va, bytes, &off);
	if (unlikely(!out->lent))
		return false;
	out->data = out->lent->data + off;
	out->bytes = (uint32_t)bytes; /* no more than a buffer */
	return true;
}

/** fetch_words() - copy @count 64-bit words at @va to @out, each read once. Return: false: bad address. */
bool fetch_words(uint64_t *out, ix_uaddr_t va, unsigned count);
