/* SPDX-License-Identifier: MIT */
/* What a vCPU's cache would have missed: 1 MiB of 64-byte lines, 16 ways, least recently used goes first. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct cache;

/** cache_new() - an empty one, NULL without memory. */
struct cache *cache_new(void);

/** cache_touch() - an access to physical address @pa. Return: whether its line was there; it is now. */
bool cache_touch(struct cache *cache, uint64_t pa);
