/* SPDX-License-Identifier: MIT */
/*
 * TIME_WAIT as 32-byte records: a ring of a core, oldest overwritten, chained by hash. All records live
 * equally long, so the ring is about in order of expiry and needs no timer. [RFC 9293 3.6.1]
 */
#include "kernel/base/err.h"
#include "kernel/mem/mem.h"
#include "kernel/net/demux.h"

#define TIME_WAIT_MS 60500u /* what is below the flags and the group in until_ms is cut off */
#define GROUP_SHIFT 2u
#define GROUP_MASK (127u << GROUP_SHIFT)
#define NO_TIME (1u | TIMEWAIT_HAS_TS | GROUP_MASK) /* bits of until_ms that are not time */
#define RECORDS_MIN 1024u
#define RECORDS_MAX 65536u

static struct timewait_shared {
	struct timewait *records[CORES_MAX];
	uint16_t *chains[CORES_MAX];
	uint32_t count; /* of each, a power of two */
} shared;

struct timewait_core {
	struct timewait *records;
	uint16_t *chains; /* index, 0: empty */
	uint32_t mask;
	uint32_t newest;
	bool is_used; /* there may be one */
};

static PERCORE struct timewait_core own;

int timewait_init(uint32_t connections, uint32_t cores)
{
	shared.count = RECORDS_MIN;
	while (shared.count < connections && shared.count < RECORDS_MAX)
		shared.count *= 2;
	for (uint32_t core = 0; core < cores; core++) {
		shared.records[core] = mem_boot_alloc(shared.count * sizeof(struct timewait), CACHE_LINE);
		shared.chains[core] = mem_boot_alloc(shared.count * sizeof(uint16_t), CACHE_LINE);
		if (!shared.records[core] || !shared.chains[core])
			return KERR_NO_MEMORY;
	}
	return 0;
}

void timewait_core_init(void)
{
	own.records = shared.records[core_id()];
	own.chains = shared.chains[core_id()];
	own.mask = shared.count - 1;
}

/* Nothing lives longer than it is given; what lies here since long ago must not come back when the clock has gone round. */
static bool is_alive(const struct timewait *w)
{
	uint32_t left = w->until_ms - net_self.now_ms;

	return w->until_ms && left && left <= TIME_WAIT_MS + NO_TIME;
}

void timewait_remove(struct timewait *w)
{
	uint16_t *link = &own.chains[w->chain];

	while (*link && &own.records[*link] != w)
		link = &own.records[*link].next;
	if (*link)
		*link = w->next;
	w->until_ms = 0;
}

/* In place of the oldest one. */
static void put(const struct timewait *record)
{
	struct timewait *w;

	own.is_used = true;
	own.newest = (own.newest + 1) & own.mask;
	own.newest += !own.newest; /* 0 ends a chain */
	w = &own.records[own.newest];
	if (w->until_ms)
		timewait_remove(w);
	*w = *record;
	w->next = own.chains[w->chain];
	own.chains[w->chain] = (uint16_t)own.newest;
}

void timewait_add(struct tcp_pcb *pcb, uint32_t hash)
{
	uint32_t flags = 1 | (pcb->flags & TF_TIMESTAMP ? TIMEWAIT_HAS_TS : 0);
	uint32_t group = (uint32_t)conn_of(pcb)->group << GROUP_SHIFT & GROUP_MASK;
	struct demux_tuple t = tuple_of(pcb);
	struct timewait record = {
		.addresses = demux_addresses(&t),
		.ports = tuple_ports(&t),
		.rcv_nxt = pcb->rcv_nxt,
		.snd_nxt = pcb->snd_nxt,
		.until_ms = ((net_self.now_ms + TIME_WAIT_MS) & ~NO_TIME) | flags | group,
		.ts_recent = pcb->ts_recent,
		.chain = (uint16_t)(hash & own.mask),
	};

	put(&record);
}

/* ---- between two cores ---- */
static bool leaves(struct timewait *w, uint8_t group)
{
	if (w->until_ms && !is_alive(w))
		timewait_remove(w);
	return w->until_ms && (group == TIMEWAIT_ALL || (w->until_ms & GROUP_MASK) >> GROUP_SHIFT == group);
}

bool timewait_is_empty(void)
{
	return !own.is_used;
}

struct timewait_batch *timewait_take(uint8_t group)
{
	struct timewait_batch *all = NULL;

	for (uint32_t i = 1; own.is_used && i <= own.mask; i++) {
		struct timewait *w = &own.records[i];

		if (!leaves(w, group))
			continue;
		if (!all || all->count == ARRAY_COUNT(all->records)) {
			struct timewait_batch *batch = mem_alloc(sizeof(*batch));

			if (!batch)
				return all; /* the rest is found here, by segments that walk, or taken the next time */
			batch->next = all;
			batch->count = 0;
			all = batch;
		}
		all->records[all->count++] = *w;
		timewait_remove(w);
	}
	own.is_used = own.is_used && group != TIMEWAIT_ALL;
	return all;
}

void timewait_give(struct timewait_batch *batch)
{
	while (batch) {
		struct timewait_batch *next = batch->next;

		for (uint32_t i = 0; i < batch->count; i++)
			put(&batch->records[i]);
		mem_free(batch);
		batch = next;
	}
}

struct timewait *timewait_find(uint32_t hash, const struct demux_tuple *t)
{
	uint32_t at = own.chains[hash & own.mask];

	while (at) {
		struct timewait *w = &own.records[at];

		if (w->ports == tuple_ports(t) && w->addresses == demux_addresses(t)) {
			if (is_alive(w))
				return w;
			timewait_remove(w);
			return NULL;
		}
		at = w->next;
	}
	return NULL;
}
