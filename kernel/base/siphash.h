/* SPDX-License-Identifier: MIT */
/* SipHash-1-3 and -2-4 with a 128-bit key: every hash that an outsider could attack. [Aumasson, Bernstein 2012] */
#pragma once
#include "kernel/base/types.h"

struct siphash_key {
	uint64_t k0, k1;
};

/** siphash13() - 64-bit keyed hash of @bytes bytes, one compression and three finalisation rounds. */
uint64_t siphash13(const struct siphash_key *key, const void *data, size_t bytes);
/** siphash24() - the paper's default, for values that outsiders see (sequence numbers, cookies). */
uint64_t siphash24(const struct siphash_key *key, const void *data, size_t bytes);
