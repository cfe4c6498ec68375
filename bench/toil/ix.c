/* SPDX-License-Identifier: MIT */
/*
 * As ../which, and a message comes back when the core has been at work for as many ns as its first four bytes say, little end first.
 * Work is looking at the clock: a core does as much of it on a slow host as on a fast one, and nothing else meanwhile.
 */
#include "bench/which/serve.h"
#include "lib/ix/ix.h"
#include <string.h>

#define WORK_MAX_NS 1200000000u /* 12 times the longest mean of bench/load/shaped.c */

static void toil(const unsigned char *message)
{
	uint32_t ns;
	uint64_t end;

	memcpy(&ns, message, sizeof(ns));
	end = ix_now_ns() + (ns < WORK_MAX_NS ? ns : WORK_MAX_NS);
	while (ix_now_ns() < end)
		;
}

int main(void)
{
	return which_serve("toil", toil);
}
