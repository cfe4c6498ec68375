/* SPDX-License-Identifier: MIT */
/*
 * In: a host's CPUs (nodes, siblings, those of the switch) and how many vCPUs each guest has. Out: the CPU of each vCPU, and where
 * everything else of QEMU runs. Who calls: ixd. Start reading at place.c; topology.c reads what the kernel says.
 * A CPU is one vCPU's alone. What polls for the switch keeps its core for itself, the lowest CPU is everybody's, a guest stays on
 * one node as long as it fits, whole cores go first and siblings of the same guest's next. vCPUs that find none share what
 * is left over. On a host of few CPUs nothing is pinned: the switch sleeps there, and everything shares.
 */
#pragma once
#include "hostctl/base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLACE_CPUS_MAX 1024u
#define PLACE_VCPUS_MAX 64u
#define PLACE_SMALL 4u /* so few CPUs are shared by all */

struct place_set {
	uint64_t bits[PLACE_CPUS_MAX / 64];
};

/** place_has(), place_add() - @cpu below PLACE_CPUS_MAX. */
static inline bool place_has(const struct place_set *s, unsigned cpu)
{
	return s->bits[cpu / 64] >> cpu % 64 & 1;
}

static inline void place_add(struct place_set *s, unsigned cpu)
{
	s->bits[cpu / 64] |= 1ull << cpu % 64;
}

unsigned place_count(const struct place_set *s);
/** place_list() - "0-3,8" as the kernel writes it. False: it is not, or has a CPU beyond PLACE_CPUS_MAX. place_mask(): "0x1e" or "1E". */
bool place_list(const char *text, struct place_set *out);
bool place_mask(const char *text, struct place_set *out);
/** place_words() - the other way; cut short where @bytes are not enough. */
void place_words(const struct place_set *s, char *out, size_t bytes);

struct place_topology {
	struct place_set there;   /* CPUs that are online, and that we may use */
	struct place_set pollers; /* of the switch */
	struct place_set guests;  /* that vCPUs are given; place_settle() */
	bool is_small;
	uint16_t node[PLACE_CPUS_MAX]; /* of each CPU */
	uint16_t core[PLACE_CPUS_MAX]; /* its lowest sibling */
};

/** place_read() - from ROOT/sys/devices/system; pollers: none. 0, or -1 with @err. */
int place_read(struct place_topology *out, const char *root, struct err *err);

/** place_settle() - which CPUs are for guests, of those that are @allowed and not the switch's @pollers. */
void place_settle(struct place_topology *t, const struct place_set *allowed, const struct place_set *pollers);

#define PLACE_NONE (-1)

/* Where a guest's vCPUs are; PLACE_NONE: it shares. All of them PLACE_NONE at first (place_new()). */
struct place_guest {
	uint32_t vcpus; /* it has */
	int16_t cpu[PLACE_VCPUS_MAX];
};

void place_new(struct place_guest *g);

/**
 * place_all() - give CPUs to vCPUs that have none, first guests first, and take them from those that are gone
 * What was given stays, unless the CPU is not for guests any more; one vCPU that shares a core with a stranger moves to a whole
 * one when there is one, one a call. Time: O(vCPUs * CPUs).
 */
void place_all(const struct place_topology *t, struct place_guest *guests, unsigned count);

/** place_shared() - where vCPUs run that have no CPU of their own: all of the guests' that are nobody's, or if all are given, all. */
void place_shared(const struct place_topology *t, const struct place_guest *guests, unsigned count,
		  struct place_set *out);

/** place_others() - on which QEMU's other threads may run: those that are nobody's and not the switch's. */
void place_others(const struct place_topology *t, const struct place_guest *guests, unsigned count,
		  struct place_set *out);
