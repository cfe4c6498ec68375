/* SPDX-License-Identifier: MIT */
/*
 * From a ring-3 address to memory, once. Ring 3 of any core may change what lies there at any time, so
 * what decides something is copied out by words (fetch_words) and looked at in the copy only.
 */
#pragma once
#include "kernel/net/net.h"

struct fetch_unaligned {
	uint64_t v;
} __attribute__((packed, may_alias));

/** fetch_word() - one read of a word of ring-3 memory, at any alignment. */
static inline uint64_t fetch_word(const uint8_t *at)
{
	return ((const volatile struct fetch_unaligned *)at)->v;
}

/**
 * fetch_range() - the memory behind [va, va + bytes), @bytes at least 1
 * Inside the partition, one stack, or one receive buffer; whether that buffer is lent is for net to say.
 * Return: false if it is not wholly inside one of these.
 */
bool fetch_range(ix_uaddr_t va, uint64_t bytes, struct net_range *out);

/** fetch_words() - copy @count 64-bit words at @va to @out, each read once. Return: false: bad address. */
bool fetch_words(uint64_t *out, ix_uaddr_t va, unsigned count);
