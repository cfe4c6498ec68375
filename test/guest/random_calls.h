/* SPDX-License-Identifier: MIT */
/* Call descriptors from a seed: what a program gone mad, or one that knows the kernel well, would write. */
#pragma once
#include "test/guest/serve.h"

#define RANDOM_SCRATCH_BYTES 65536u
#define RANDOM_HANDLES 16u /* of a kind */

enum random_kind { RANDOM_CONNECTION, RANDOM_LISTENER, RANDOM_SOCKET, RANDOM_TIMER, RANDOM_KINDS };

/* What cores have made of late, of each kind, for those that share. */
#define RANDOM_SHARED 8u
extern struct random_shared {
	volatile ix_handle_t handles[RANDOM_KINDS][RANDOM_SHARED];
} random_shared;

/* What one core draws from; nothing is shared between two of these but random_shared. */
struct random_calls {
	uint64_t state;
	uint8_t *scratch; /* partition memory for lists and endpoints, RANDOM_SCRATCH_BYTES */
	struct {
		ix_handle_t handles[RANDOM_HANDLES];
		unsigned count;
	} pools[RANDOM_KINDS];
	bool shares;           /* uses what other cores have made, too, and few ports, so that they meet */
	unsigned given;        /* so many connections stay, those behind come and go */
	ix_handle_t spared[2]; /* never used: the connection and listener that the test itself needs */
	uint64_t executed;     /* descriptors so far */
	uint64_t accepted;     /* of them with IX_OK */
};

/** random_calls_init() - from @seed, with @scratch; held connections of this core are its targets. */
void random_calls_init(struct random_calls *r, uint64_t seed, uint8_t *scratch);

/** random_calls_word() - the next 64 random bits of @r. random_calls_address() - an address, most of them bad. */
uint64_t random_calls_word(struct random_calls *r);
uint64_t random_calls_address(struct random_calls *r);

/**
 * random_calls_batch() - fill the calling core's array with @count descriptors and execute them by IX_CALL
 * Handles that come out join the pool. Return: NULL, or what the kernel did wrong; @where gets the descriptor's number.
 */
const char *random_calls_batch(struct random_calls *r, unsigned count, unsigned *where);
