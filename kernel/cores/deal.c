/* SPDX-License-Identifier: MIT */
/*
 * An even deal by as few moves as can be: who has the most keeps the most, so a group moves only from a core that goes
 * or has too many, straight to one that has too few.
 */
#include "kernel/cores/deal.h"

#include "kernel/base/assert.h"
#include "kernel/cpu/cpu.h"

/* Where the groups do not divide, those who have one more already keep it; what is left of such goes to the lowest. */
static void set_quotas(const uint16_t *has, unsigned groups, uint64_t cores, uint16_t *quota)
{
	unsigned each = groups / cpu_count(cores);
	unsigned more = groups % cpu_count(cores);

	for (uint64_t left = cores; left; left &= left - 1) {
		unsigned core = (unsigned)__builtin_ctzll(left);

		quota[core] = (uint16_t)each;
		if (more && has[core] > each) {
			quota[core]++;
			more--;
		}
	}
	for (uint64_t left = cores; left && more; left &= left - 1) {
		unsigned core = (unsigned)__builtin_ctzll(left);

		if (quota[core] == each) {
			quota[core]++;
			more--;
		}
	}
}

unsigned deal(const uint8_t *owner, unsigned groups, uint64_t cores, struct deal_move *out)
{
	uint16_t has[CORES_MAX] = { 0 }, quota[CORES_MAX] = { 0 };
	unsigned moves = 0, to = 0;

	kassert(cores && groups <= FLOW_GROUPS_MAX);
	for (unsigned g = 0; g < groups; g++)
		has[owner[g] % CORES_MAX]++;
	set_quotas(has, groups, cores, quota);
	/* The highest groups of a core go first: what it keeps over several changes is always the same. */
	for (unsigned g = groups; g-- > 0;) {
		unsigned from = owner[g] % CORES_MAX;

		if (has[from] <= quota[from])
			continue;
		while (has[to] >= quota[to])
			to++; /* it ends: as many are missing in all as there are too many */
		has[from]--;
		has[to]++;
		out[moves++] = (struct deal_move){ .group = (uint8_t)g, .to = (uint8_t)to };
	}
	return moves;
}
