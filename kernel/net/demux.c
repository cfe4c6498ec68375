/* SPDX-License-Identifier: MIT */
/*
 * The demultiplexer: a keyed hash of the 4-tuple picks one of a core's cache-line buckets; a connection
 * lies there or in one of the next few. A count in each bucket says whether any had to go further, so a
 * look-up ends at the first line in nearly every case and after PROBES lines in all.
 */
#include "kernel/net/demux.h"

#include "kernel/base/bytes.h"
#include "kernel/base/err.h"
#include "kernel/base/siphash.h"
#include "kernel/cpu/cpu.h"
#include "kernel/mem/mem.h"

#define PROBES 4u
#define BLOCK_BYTES 64u /* a pcb's block is aligned to this */
#define NONE UINT32_MAX

/* Drawn and allocated at start, read-only since. */
static struct demux_shared {
	uint64_t key[4];
	struct siphash_key isn_key;
	uintptr_t direct; /* address of physical 0 */
	struct demux_bucket *tables[CORES_MAX];
	uint32_t mask;
} shared;

struct demux_core {
	struct demux_bucket *table;
	uint32_t mask;
	uintptr_t direct;
	bool is_marked; /* no connection has gone since demux_mark() */
};

static PERCORE struct demux_core own;

int demux_init(uint32_t connections, uint32_t cores)
{
	uint32_t buckets = 64;

	/* Half full when every connection of the partition is on one core, half-open ones included. */
	while ((uint64_t)buckets * DEMUX_WAYS < 2ull * connections)
		buckets *= 2;
	cpu_random(shared.key, sizeof(shared.key));
	cpu_random(&shared.isn_key, sizeof(shared.isn_key));
	shared.direct = (uintptr_t)mem_va(0);
	shared.mask = buckets - 1;
	for (uint32_t core = 0; core < cores; core++) {
		shared.tables[core] = mem_boot_alloc((size_t)buckets * sizeof(struct demux_bucket), CACHE_LINE);
		if (!shared.tables[core])
			return KERR_NO_MEMORY;
	}
	return 0;
}

void demux_core_init(void)
{
	own.table = shared.tables[core_id()];
	own.mask = shared.mask;
	own.direct = shared.direct;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Two keyed multiplications: an outsider who knows neither key nor result cannot aim at a bucket. */
uint32_t demux_hash(const struct demux_tuple *t)
{
	uint64_t addresses;
	uint32_t ports;

	memcpy(&addresses, &t->remote, sizeof(addresses));
	memcpy(&ports, &t->remote_port, sizeof(ports));
	return (uint32_t)mix(mix(addresses ^ shared.key[0], ports ^ shared.key[1]) ^ shared.key[2], shared.key[3] | 1);
}

uint32_t demux_isn(const struct demux_tuple *t)
{
	return (uint32_t)siphash24(&shared.isn_key, t, sizeof(*t));
}

static struct tcp_pcb *pcb_at(uint32_t ref)
{
	return (struct tcp_pcb *)(own.direct + (uintptr_t)ref * BLOCK_BYTES); /* NOLINT: a block of mem_alloc() */
}

void demux_prefetch(uint32_t hash)
{
	__builtin_prefetch(&own.table[hash & own.mask]);
}

struct tcp_pcb *demux_candidate(uint32_t hash)
{
	const struct demux_bucket *b = &own.table[hash & own.mask];

	for (unsigned i = 0; i < DEMUX_WAYS; i++) {
		if (b->tag[i] == (hash | 1)) {
			struct tcp_pcb *pcb = pcb_at(b->ref[i]);

			for (unsigned at = 0; at < sizeof(struct tcp_pcb) + sizeof(struct conn); at += CACHE_LINE)
				__builtin_prefetch((char *)pcb + at);
			return pcb;
		}
	}
	return NULL;
}

bool demux_is(struct tcp_pcb *pcb, const struct demux_tuple *t)
{
	const struct demux_tuple *have = &conn_of(pcb)->tuple;
	uint64_t addresses[2];
	uint32_t ports[2];

	memcpy(&addresses[0], &have->remote, sizeof(addresses[0]));
	memcpy(&addresses[1], &t->remote, sizeof(addresses[1]));
	memcpy(&ports[0], &have->remote_port, sizeof(ports[0]));
	memcpy(&ports[1], &t->remote_port, sizeof(ports[1]));
	return addresses[0] == addresses[1] && ports[0] == ports[1];
}

void demux_mark(void)
{
	own.is_marked = true;
}

bool demux_is_marked(void)
{
	return own.is_marked;
}

struct tcp_pcb *demux_find(uint32_t hash, const struct demux_tuple *t)
{
	uint32_t tag = hash | 1;

	for (unsigned probe = 0; probe < PROBES; probe++) {
		const struct demux_bucket *b = &own.table[(hash + probe) & own.mask];

		for (unsigned i = 0; i < DEMUX_WAYS; i++) {
			if (b->tag[i] == tag) {
				struct tcp_pcb *pcb = pcb_at(b->ref[i]);

				if (likely(demux_is(pcb, t)))
					return pcb;
			}
		}
		if (likely(!b->overflow))
			return NULL;
	}
	return NULL;
}

struct demux_tuple demux_tuple_of(const struct tcp_pcb *pcb)
{
	return (struct demux_tuple){
		.remote = ip4_addr_get_u32(ip_2_ip4(&pcb->remote_ip)),
		.local = ip4_addr_get_u32(ip_2_ip4(&pcb->local_ip)),
		.remote_port = be16(pcb->remote_port),
		.local_port = be16(pcb->local_port),
	};
}

static void overflow_add(uint32_t hash, unsigned probes, uint32_t by)
{
	for (unsigned i = 0; i < probes; i++)
		own.table[(hash + i) & own.mask].overflow += by;
}

bool demux_insert(struct tcp_pcb *pcb)
{
	struct demux_tuple t = demux_tuple_of(pcb);
	uint32_t hash = demux_hash(&t);

	for (unsigned probe = 0; probe < PROBES; probe++) {
		struct demux_bucket *b = &own.table[(hash + probe) & own.mask];

		for (unsigned i = 0; i < DEMUX_WAYS; i++) {
			if (b->tag[i])
				continue;
			b->tag[i] = hash | 1;
			b->ref[i] = (uint32_t)(((uintptr_t)pcb - own.direct) / BLOCK_BYTES);
			overflow_add(hash, probe, 1);
			conn_of(pcb)->hash = hash;
			conn_of(pcb)->tuple = t;
			conn_of(pcb)->flags |= CONN_HASHED;
			return true;
		}
	}
	return false;
}

void demux_remove(struct conn *c)
{
	uint32_t ref = (uint32_t)(((uintptr_t)pcb_of(c) - own.direct) / BLOCK_BYTES);

	if (!(c->flags & CONN_HASHED))
		return;
	c->flags &= ~CONN_HASHED;
	own.is_marked = false;
	for (unsigned probe = 0; probe < PROBES; probe++) {
		struct demux_bucket *b = &own.table[(c->hash + probe) & own.mask];

		for (unsigned i = 0; i < DEMUX_WAYS; i++) {
			if (b->ref[i] != ref || b->tag[i] != (c->hash | 1))
				continue;
			b->tag[i] = 0;
			b->ref[i] = NONE;
			overflow_add(c->hash, probe, (uint32_t)-1);
			return;
		}
	}
	kassert(!"a hashed connection is in its buckets");
}

void demux_each(void (*fn)(struct conn *c))
{
	for (uint32_t n = 0; n <= own.mask; n++)
		for (unsigned i = 0; i < DEMUX_WAYS; i++)
			if (own.table[n].tag[i])
				fn(conn_of(pcb_at(own.table[n].ref[i])));
}
