/* SPDX-License-Identifier: MIT */
/* A set's lines stand in the order of their last use, so that a hit on the latest costs one comparison. */
#include "bench/plugin/cache.h"

#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 64u
#define WAYS 16u
#define SETS 1024u

struct cache {
	uint64_t lines[SETS][WAYS]; /* number of the line, plus one; 0: nothing */
};

struct cache *cache_new(void)
{
	return calloc(1, sizeof(struct cache));
}

bool cache_touch(struct cache *cache, uint64_t pa)
{
	uint64_t line = pa / LINE_BYTES, *set = cache->lines[line % SETS];
	unsigned at = 0;

	while (at < WAYS - 1 && set[at] != line + 1)
		at++;
	bool is_hit = set[at] == line + 1;
	memmove(set + 1, set, at * sizeof(*set));
	set[0] = line + 1;
	return is_hit;
}
