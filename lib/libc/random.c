/* SPDX-License-Identifier: MIT */
/*
 * Random bytes come from the processor's generator (RDRAND); where it has none there are none, and
 * getrandom fails, because 16 bytes of AT_RANDOM are no source for keys.
 */
#include "lib/libc/serve.h"
#include <cpuid.h>
#include <errno.h>
#include <string.h>

#define RDRAND_RETRIES 10 /* [SDM 1 7.3.17.1]: failing ten times in a row is a broken generator */

static int has_rdrand(void)
{
	unsigned eax, ebx, ecx, edx;

	return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_RDRND);
}

static int take_word(uint64_t *word)
{
	unsigned char is_good = 0;

	for (int i = 0; i < RDRAND_RETRIES && !is_good; i++)
		__asm__ volatile("rdrand %0; setc %1" : "=r"(*word), "=qm"(is_good)::"cc");
	return is_good;
}

long serve_getrandom(const long *a)
{
	unsigned char *out = (unsigned char *)a[0];
	size_t want = (size_t)a[1], have = 0;

	if (!has_rdrand())
		return -ENOSYS;
	while (have < want) {
		size_t n = want - have < sizeof(uint64_t) ? want - have : sizeof(uint64_t);
		uint64_t word;

		if (!take_word(&word))
			return -EIO;
		memcpy(out + have, &word, n);
		have += n;
	}
	return (long)want;
}
