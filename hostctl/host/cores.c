/* SPDX-License-Identifier: MIT */
/*
 * What of this machine the switch gets. A PMD thread polls: it takes a whole CPU unless it may sleep. On a small machine that
 * would be a guest's, so there is one and it sleeps; on a larger one each eight CPUs have one, away from CPU 0.
 */
#include "hostctl/base/paths.h"
#include "hostctl/host/part.h"
#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SMALL_CPUS 4u
#define CPUS_PER_PMD 8u
#define PMDS_MAX 4u
#define MASK_BITS 64
#define SHARE 16u /* of all memory, without hugepages */
#define MIB_MIN 256u
#define MIB_MAX 8192u      /* of which a port takes 60 when it is there, and what is not taken is nobody's */
#define HUGE_SHARE 4u      /* of hugepages; the rest is for guests */
#define HUGE_MIB_MAX 2048u /* to begin with; DPDK takes more when it needs them */
#define HUGE PATHS_ROOT "/sys/kernel/mm/hugepages"

void cores_split(uint64_t mine, struct cores *out)
{
	unsigned left;

	memset(out, 0, sizeof(*out));
	out->count = (unsigned)__builtin_popcountll(mine);
	out->main_mask = mine & -mine;
	out->is_small = out->count <= SMALL_CPUS;
	left = out->count / CPUS_PER_PMD;
	left = left < 1 ? 1 : left > PMDS_MAX ? PMDS_MAX : left;
	for (mine &= ~out->main_mask; mine != 0 && left > 0; left--) {
		out->pmd_mask |= mine & -mine;
		mine &= mine - 1;
	}
	if (out->pmd_mask == 0)
		out->pmd_mask = out->main_mask; /* a single CPU is for everybody */
}

void cores_choose(struct cores *out)
{
	cpu_set_t set;
	uint64_t mine = 0;

	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		for (unsigned i = 0; i < MASK_BITS; i++)
			mine |= CPU_ISSET(i, &set) ? 1ull << i : 0;
	cores_split(mine != 0 ? mine : 1, out);
}

/* A number in a file of sysfs or procfs; 0 if there is none. */
static uint64_t number_in(const char *path, const char *fmt)
{
	unsigned long long n = 0;
	FILE *f = fopen(path, "re");

	if (f != NULL) {
		if (fscanf(f, fmt, &n) != 1) /* NOLINT(cert-err34-c): a wrong one is none */
			n = 0;
		(void)fclose(f);
	}
	return n;
}

/* MiB of pages of @kib that nobody has, nor has been promised. */
static uint64_t free_mib(unsigned long long kib)
{
	uint64_t is_free, promised;
	char path[sizeof(HUGE) + 64];

	snprintf(path, sizeof(path), HUGE "/hugepages-%llukB/free_hugepages", kib);
	is_free = number_in(path, "%llu");
	snprintf(path, sizeof(path), HUGE "/hugepages-%llukB/resv_hugepages", kib);
	promised = number_in(path, "%llu");
	return is_free > promised ? (is_free - promised) * kib / 1024 : 0;
}

/* Hugepages of the size of which most memory is free. */
static void find_pages(struct memory *out)
{
	DIR *folder = opendir(HUGE);
	const struct dirent *e;

	while (folder != NULL && (e = readdir(folder)) != NULL) {
		unsigned long long kib;
		uint64_t mib;

		if (sscanf(e->d_name, "hugepages-%llukB", &kib) != 1) /* NOLINT(cert-err34-c) */
			continue;
		mib = free_mib(kib);
		if (mib > out->mib) {
			out->mib = mib;
			out->page_kib = kib;
		}
	}
	if (folder != NULL)
		closedir(folder);
}

void memory_choose(struct memory *out)
{
	memset(out, 0, sizeof(*out));
	find_pages(out);
	if (out->mib < MIB_MIN)
		out->page_kib = 0;
	if (out->page_kib == 0)
		out->mib = number_in(PATHS_ROOT "/proc/meminfo", "MemTotal: %llu kB") / 1024 / SHARE;
	else
		out->mib /= HUGE_SHARE;
	if (out->mib < MIB_MIN)
		out->mib = MIB_MIN;
	if (out->mib > (out->page_kib != 0 ? HUGE_MIB_MAX : MIB_MAX))
		out->mib = out->page_kib != 0 ? HUGE_MIB_MAX : MIB_MAX;
}

uint64_t host_hugepages(uint32_t mib)
{
	struct memory m = { 0 };

	find_pages(&m);
	return m.page_kib != 0 && m.mib >= mib && (uint64_t)mib * 1024 % m.page_kib == 0 ? m.page_kib : 0;
}
