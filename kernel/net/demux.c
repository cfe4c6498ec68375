/* SPDX-License-Identifier: MIT */
/*
 * The demultiplexer: a keyed hash of the 4-tuple picks one of a core's cache-line buckets; a connection
 * lies there or in one of the next few. A count in each bucket says whether any had to go further, so a
 * look-up ends at the first line in nearly every case and after PROBES lines in all.
 * A core's table is as large as what it has to hold, which changes by the move of a flow group: buckets
 * are split and joined one at a time, each a little after the connections that caused it [Litwin 1980].
 */
#include "kernel/net/demux.h"

#include "kernel/base/bytes.h"
#include "kernel/base/err.h"
#include "kernel/base/siphash.h"
#include "kernel/cpu/cpu.h"
#include "kernel/flow/flow.h"
#include "kernel/mem/mem.h"
#include "kernel/net/away.h"

#define PROBES 16u      /* enough for the twice as full buckets that a round of splits has not reached */
#define BLOCK_BYTES 32u /* a pcb's block is aligned to this */
#define NONE UINT32_MAX
#define SEGMENT DEMUX_SEGMENT_BUCKETS
#define BUCKETS_MIN SEGMENT /* a power of two */
#define SPLIT_LOAD DEMUX_SPLIT_LOAD
#define JOINS 2u         /* for one connection that goes: faster than it grew, so that all memory comes back */
#define SPLITS_MAX 1024u /* to make room for one connection whose buckets are full */

/* Drawn and allocated at start, read-only since. */
static struct demux_shared {
	uint64_t key[4], key6[4];
	struct siphash_key isn_key;
	uintptr_t direct; /* address of physical 0 */
	struct demux_bucket **directories[CORES_MAX];
	uint32_t segments_max;
} shared;

/*
 * Bucket n < buckets is the home of all hashes that agree with n in the lower bits, one bit more where the
 * round of splits has already come by. Behind the last one lie PROBES - 1 that are nobody's home.
 */
struct demux_core {
	struct demux_bucket **segments;
	uint32_t buckets;
	uint32_t mask;  /* power of two above or at buckets, less one */
	uint32_t count; /* connections */
	uint32_t segments_count;
	uint32_t reserved; /* connections that are on their way to this core */
	uintptr_t direct;
	uint32_t groups[FLOW_GROUP_NONE + 1]; /* connections by flow group */
	bool is_marked;                       /* no connection has gone since demux_mark() */
	bool is_walked;                       /* by demux_each(): nothing is split or joined */
};

static PERCORE struct demux_core own;

static inline struct demux_bucket *bucket_at(uint32_t n)
{
	return &own.segments[n / SEGMENT][n % SEGMENT];
}

static inline uint32_t home_of(uint32_t hash)
{
	uint32_t n = hash >> 1 & own.mask; /* a tag knows all bits but the lowest */

	return n < own.buckets ? n : n & own.mask >> 1;
}

/* Memory for buckets [0, @count). */
static bool reach(uint32_t count)
{
	while (own.segments_count * SEGMENT < count) {
		struct demux_bucket *segment;

		if (own.segments_count == shared.segments_max)
			return false;
		segment = mem_alloc(SEGMENT * sizeof(struct demux_bucket));
		if (!segment)
			return false;
		memset(segment, 0, SEGMENT * sizeof(struct demux_bucket));
		own.segments[own.segments_count++] = segment;
	}
	return true;
}

int demux_init(uint32_t connections, uint32_t cores)
{
	cpu_random(shared.key, sizeof(shared.key));
	cpu_random(shared.key6, sizeof(shared.key6));
	cpu_random(&shared.isn_key, sizeof(shared.isn_key));
	shared.direct = (uintptr_t)mem_va(0);
	/* Room to go on where every connection of the partition, half-open ones included, is on one core. */
	shared.segments_max = 2 * (connections / SPLIT_LOAD / SEGMENT + 2);
	for (uint32_t core = 0; core < cores; core++) {
		shared.directories[core] = mem_boot_alloc(shared.segments_max * sizeof(struct demux_bucket *),
							  CACHE_LINE);
		if (!shared.directories[core])
			return KERR_NO_MEMORY;
	}
	return 0;
}

int demux_core_init(void)
{
	own.segments = shared.directories[core_id()];
	own.segments_count = 0;
	own.buckets = BUCKETS_MIN;
	own.mask = BUCKETS_MIN - 1;
	own.count = 0;
	own.direct = shared.direct;
	return reach(BUCKETS_MIN + PROBES - 1) ? 0 : KERR_NO_MEMORY;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Two keyed multiplications: an outsider who knows neither key nor result cannot aim at a bucket. */
static inline uint32_t hash_of(uint64_t addresses, uint32_t ports)
{
	return (uint32_t)mix(mix(addresses ^ shared.key[0], ports ^ shared.key[1]) ^ shared.key[2], shared.key[3] | 1);
}

/* Out of line: IPv4's way stays short. */
static __attribute__((noinline)) uint32_t hash6(const struct demux_tuple *t)
{
	uint64_t w[4];

	memcpy(w, &t->remote6, sizeof(w));
	return hash_of(mix(w[0] ^ shared.key6[0], w[1] ^ shared.key6[1]) ^
			       mix(w[2] ^ shared.key6[2], w[3] ^ shared.key6[3]),
		       tuple_ports(t));
}

uint32_t demux_hash(const struct demux_tuple *t)
{
	return likely(!t->is_ip6) ? hash_of(tuple_addresses4(t), tuple_ports(t)) : hash6(t);
}

__attribute__((noinline)) bool tuple_is_of6(const struct demux_tuple *t, const struct tcp_pcb *pcb)
{
	return IP_IS_V6_VAL(pcb->local_ip) && ip6_is_equal(&pcb->remote_ip, &t->remote6) &&
	       ip6_is_equal(&pcb->local_ip, &t->local6);
}

/* What of a tuple is looked at. */
static size_t bytes_of(const struct demux_tuple *t)
{
	return t->is_ip6 ? sizeof(*t) : offsetof(struct demux_tuple, local) + sizeof(t->local);
}

uint32_t demux_isn(const struct demux_tuple *t)
{
	return (uint32_t)siphash24(&shared.isn_key, t, bytes_of(t));
}

uint64_t demux_addresses(const struct demux_tuple *t)
{
	if (likely(!t->is_ip6))
		return tuple_addresses4(t);
	return siphash24(&shared.isn_key, &t->remote6, sizeof(t->remote6) + sizeof(t->local6));
}

static struct tcp_pcb *pcb_at(uint32_t ref)
{
	return (struct tcp_pcb *)(own.direct + (uintptr_t)ref * BLOCK_BYTES); /* NOLINT: a block of mem_alloc() */
}

void demux_prefetch(uint32_t hash)
{
	__builtin_prefetch(bucket_at(home_of(hash)));
}

struct tcp_pcb *demux_candidate(uint32_t hash)
{
	const struct demux_bucket *b = bucket_at(home_of(hash));

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
	uint32_t tag = hash | 1, home = home_of(hash);

	for (unsigned probe = 0; probe < PROBES; probe++) {
		const struct demux_bucket *b = bucket_at(home + probe);

		for (unsigned i = 0; i < DEMUX_WAYS; i++) {
			if (b->tag[i] == tag) {
				struct tcp_pcb *pcb = pcb_at(b->ref[i]);

				if (likely(tuple_is_of(t, pcb)))
					return pcb;
			}
		}
		if (likely(!b->overflow))
			return NULL;
	}
	return NULL;
}

/* Buckets [@home, @home + @probes) have one more or less that lies behind them. */
static void overflow_add(uint32_t home, unsigned probes, uint32_t by)
{
	for (unsigned i = 0; i < probes; i++)
		bucket_at(home + i)->overflow += by;
}

/* Return: false if all buckets of @home are full. */
static bool put(uint32_t home, uint32_t tag, uint32_t ref)
{
	for (unsigned probe = 0; probe < PROBES; probe++) {
		struct demux_bucket *b = bucket_at(home + probe);

		for (unsigned i = 0; i < DEMUX_WAYS; i++) {
			if (b->tag[i])
				continue;
			b->tag[i] = tag;
			b->ref[i] = ref;
			overflow_add(home, probe, 1);
			return true;
		}
	}
	return false;
}

static void clear(uint32_t home, unsigned probe, unsigned way)
{
	struct demux_bucket *b = bucket_at(home + probe);

	b->tag[way] = 0;
	b->ref[way] = NONE;
	overflow_add(home, probe, (uint32_t)-1);
}

/*
 * Moves what lies in the buckets of @from but has its home at @to now.
 * Return: false if the buckets there are full; what was moved stays moved.
 */
static bool rehome(uint32_t from, uint32_t to)
{
	for (unsigned probe = 0; probe < PROBES; probe++) {
		struct demux_bucket *b = bucket_at(from + probe);

		for (unsigned i = 0; i < DEMUX_WAYS; i++) {
			if (!b->tag[i] || home_of(b->tag[i]) != to)
				continue;
			if (!put(to, b->tag[i], b->ref[i]))
				return false;
			clear(from, probe, i);
		}
		if (!b->overflow)
			break; /* nothing that belongs here lies further on */
	}
	return true;
}

static void set_buckets(uint32_t buckets)
{
	own.buckets = buckets;
	own.mask = buckets > 1 ? UINT32_MAX >> __builtin_clz(buckets - 1) : 0;
}

/* One bucket more: half of what another one has. */
static bool split(void)
{
	uint32_t added = own.buckets, from;

	if (own.is_walked || !reach(added + PROBES))
		return false;
	set_buckets(added + 1);
	from = added & own.mask >> 1;
	if (rehome(from, added))
		return true;
	set_buckets(added);
	rehome(added, from); /* there is room: it was there before */
	return false;
}

/* One bucket less; nothing happens if the other one cannot take it all. */
static bool join(void)
{
	uint32_t last = own.buckets - 1, into = last & own.mask >> 1;

	if (own.is_walked)
		return false;
	set_buckets(last);
	if (!rehome(last, into)) {
		set_buckets(last + 1);
		rehome(into, last);
		return false;
	}
	while ((own.segments_count - 1) * SEGMENT >= own.buckets + PROBES - 1)
		mem_free(own.segments[--own.segments_count]);
	return true;
}

/* Gives memory back when less than a quarter of the table is in use. @joins: at most. */
static void shrink(unsigned joins)
{
	while (joins-- && own.count + own.reserved < own.buckets * SPLIT_LOAD / 4 && own.buckets > BUCKETS_MIN)
		if (!join())
			break;
}

bool demux_reserve(uint32_t connections)
{
	own.reserved += connections;
	while (own.buckets * SPLIT_LOAD < own.count + own.reserved) {
		if (!split()) {
			demux_unreserve(connections);
			return false;
		}
	}
	return true;
}

void demux_unreserve(uint32_t connections)
{
	own.reserved -= connections;
	shrink(connections);
}

uint32_t demux_count(void)
{
	return own.count;
}

uint32_t demux_group_count(uint8_t group)
{
	return own.groups[group];
}

void demux_regroup(struct conn *c, uint8_t group)
{
	own.groups[c->group]--;
	c->group = group;
	own.groups[group]++;
}

/* Where a group is a queue, what we begin ourselves belongs to none until the first answer shows it. */
static void join_group(struct conn *c, const struct demux_tuple *t)
{
	if (c->group == FLOW_GROUP_NONE)
		c->group = flow_is_queue() ? net_self.arrival_group : tuple_group(t);
	if (c->group == FLOW_GROUP_NONE)
		c->flags |= CONN_STRAYED;
	own.groups[c->group]++;
}

bool demux_insert(struct tcp_pcb *pcb)
{
	struct demux_tuple t = tuple_of(pcb);
	uint32_t hash = demux_hash(&t), ref = (uint32_t)(((uintptr_t)pcb - own.direct) / BLOCK_BYTES);

	if (own.count >= own.buckets * SPLIT_LOAD)
		split();
	for (unsigned tries = 0; !put(home_of(hash), hash | 1, ref); tries++)
		if (tries == SPLITS_MAX || !split())
			return false;
	own.count++;
	join_group(conn_of(pcb), &t);
	conn_of(pcb)->hash = hash;
	conn_of(pcb)->flags |= CONN_HASHED;
	return true;
}

void demux_remove(struct conn *c)
{
	uint32_t ref = (uint32_t)(((uintptr_t)pcb_of(c) - own.direct) / BLOCK_BYTES), home = home_of(c->hash);

	if (!(c->flags & CONN_HASHED))
		return;
	c->flags &= ~CONN_HASHED;
	if (unlikely(c->flags & CONN_AWAY))
		away_drop(c);
	own.is_marked = false;
	for (unsigned probe = 0; probe < PROBES; probe++) {
		const struct demux_bucket *b = bucket_at(home + probe);

		for (unsigned i = 0; i < DEMUX_WAYS; i++) {
			if (b->ref[i] != ref || b->tag[i] != (c->hash | 1))
				continue;
			clear(home, probe, i);
			own.count--;
			own.groups[c->group]--;
			shrink(JOINS);
			return;
		}
	}
	kassert(!"a hashed connection is in its buckets");
}

void demux_each(void (*fn)(struct conn *c))
{
	own.is_walked = true;
	for (uint32_t n = 0; n < own.buckets + PROBES - 1; n++)
		for (unsigned i = 0; i < DEMUX_WAYS; i++)
			if (bucket_at(n)->tag[i])
				fn(conn_of(pcb_at(bucket_at(n)->ref[i])));
	own.is_walked = false;
	shrink(own.buckets);
}
