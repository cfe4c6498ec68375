/* SPDX-License-Identifier: MIT */
/*
 * Unpredictable bytes: a hash generator (SHA-256 over key and counter, the key replaced at each draw)
 * seeded from the processor and from what the host passes by fw_cfg, whichever there are; one is enough.
 */
#include "kernel/base/bytes.h"
#include "kernel/base/err.h"
#include "kernel/base/lock.h"
#include "kernel/base/sha256.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/msr.h"
#include "kernel/cpu/start.h"

#define SEED_NAME "opt/ix/seed"
#define SEED_BYTES 32u
#define RDRAND_TRIES 100u

struct seed {
	uint64_t hardware[4];
	uint8_t host[SEED_BYTES];
	tsc_t tsc;
};

static struct lock lock;
static struct {
	uint8_t key[32];
	uint64_t counter;
} state;

static bool draw_hardware(uint64_t *out)
{
	bool rdseed = cpuid(7, 0).b >> 18 & 1, rdrand = cpuid(1, 0).c >> 30 & 1;
	uint8_t ok = 0;

	for (unsigned i = 0; i < RDRAND_TRIES; i++) {
		if (rdseed)
			__asm__ volatile("rdseed %0; setc %1" : "=r"(*out), "=qm"(ok)::"cc");
		/* RDSEED may have been used up by neighbours on the host; RDRAND hardly ever is [SDM 1 7.3.17]. */
		if (!ok && rdrand)
			__asm__ volatile("rdrand %0; setc %1" : "=r"(*out), "=qm"(ok)::"cc");
		if (ok)
			return true;
		cpu_pause();
	}
	return false;
}

int cpu_entropy_init(void)
{
	struct seed seed = { .tsc = cpu_tsc() };
	bool from_cpu = true, from_host;

	for (unsigned i = 0; i < 4; i++)
		from_cpu = draw_hardware(&seed.hardware[i]) && from_cpu;
	from_host = fwcfg_read(SEED_NAME, seed.host, SEED_BYTES) == (int)SEED_BYTES;
	if (!from_cpu && !from_host)
		return KERR_NOT_FOUND;
	sha256(&seed, sizeof(seed), state.key);
	return 0;
}

void cpu_random(void *out, size_t bytes)
{
	uint8_t *to = out, block[32];

	lock_take(&lock);
	while (bytes) {
		size_t n = MIN(bytes, sizeof(block));

		state.counter++;
		sha256(&state, sizeof(state), block);
		memcpy(to, block, n);
		to += n;
		bytes -= n;
	}
	/* What was given out must not be computable from a later look at the key. */
	state.counter++;
	sha256(&state, sizeof(state), block);
	memcpy(state.key, block, sizeof(state.key));
	lock_give(&lock);
}
