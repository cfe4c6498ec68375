/* SPDX-License-Identifier: MIT */
/*
 * Neighbours of both families, for all cores. Only addresses that we asked for get an entry, so strangers
 * cannot fill the table, and who is known is never driven out; entries are asked again every REFRESH_S and
 * go when nobody answers. A second claim to a known address is not believed: the first one is asked, and
 * only if it is silent everybody is. One writer (the boot core) under a sequence counter, any number of
 * readers; a version tells connections that their cached header is stale.
 * [RFC 1122 2.3.2, RFC 4861 7.3, RFC 6583 7]
 */
#include "kernel/net/neighbour.h"

#include "kernel/base/bytes.h"
#include "kernel/cpu/cpu.h"
#include "kernel/flow/flow.h"
#include "kernel/net/arp.h"
#include "kernel/net/ip6.h"
#include "kernel/net/nd.h"
#include "kernel/net/output.h"

#define ENTRIES 1024u
#define PROBES 8u
#define QUEUE_MAX 8u     /* packets that wait for one neighbour */
#define QUEUE_BUDGET 16u /* one in so many receive buffers may wait for all of them together */
#define TRIES 3u         /* requests, one a second */
#define REFRESH_S 60u
#define RETRY_S 3u /* so long who did not answer is not asked again */
#define TICK_TICKS (1000000u / TIME_TICK_US)

enum state { FREE, ASKED, KNOWN, FAILED };

struct entry {
	struct ip6 address;
	uint8_t mac[6];
	uint8_t state;    /* enum state */
	uint8_t tries;    /* questions since the last answer */
	bool is_doubted;  /* somebody else says that it is he */
	uint32_t since_s; /* state; of KNOWN: last answer */
	uint32_t asked_s; /* last question */
	uint32_t serial;  /* in the order of their making */
	/* Boot core only: packets that wait. */
	uint32_t queued;
	struct buf *head, *tail;
	struct list waiting; /* in table.waiting while there are some */
};

static struct neighbours {
	uint32_t sequence; /* odd while the writer is at it */
	uint32_t version;
	uint32_t used;
	uint32_t now_s;
	uint32_t serial;
	uint64_t key[2];
	uint32_t queued;     /* of all entries */
	struct list waiting; /* entries that packets wait for, oldest first */
	struct entry entries[ENTRIES];
	struct time_node timer;
} table = { .version = 1 };

uint32_t neighbour_version(void)
{
	return READ_ONCE(table.version);
}

static void write_begin(void)
{
	__atomic_store_n(&table.sequence, table.sequence + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static void write_end(void)
{
	store_release(&table.sequence, table.sequence + 1);
}

static void version_up(void)
{
	uint32_t version = table.version + 1;

	store_release(&table.version, version ? version : 1);
}

static uint32_t home_of(const struct ip6 *address)
{
	unsigned __int128 product;
	uint64_t w[2];

	memcpy(w, address, sizeof(w));
	product = (unsigned __int128)(w[0] ^ table.key[0]) * (w[1] ^ table.key[1]);
	return (uint32_t)((uint64_t)product ^ (uint64_t)(product >> 64));
}

static inline struct entry *slot_at(uint32_t home, unsigned probe)
{
	return &table.entries[(home + probe) % ENTRIES];
}

static struct entry *find(const struct ip6 *address)
{
	uint32_t home = home_of(address);

	for (unsigned probe = 0; probe < PROBES; probe++) {
		struct entry *e = slot_at(home, probe);

		if (e->state != FREE && ip6_is_equal(&e->address, address))
			return e;
	}
	return NULL;
}

/* A consistent copy of state and address. */
static enum state read_entry(const struct ip6 *address, uint8_t mac[6])
{
	for (;;) {
		uint32_t before = load_acquire(&table.sequence);
		const struct entry *e = find(address);
		enum state state = e ? (enum state)e->state : FREE;

		if (e)
			memcpy(mac, e->mac, sizeof(e->mac));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (likely(!(before & 1) && __atomic_load_n(&table.sequence, __ATOMIC_RELAXED) == before))
			return state;
		cpu_pause();
	}
}

static bool next_hop4(be32_t to, struct ip6 *hop)
{
	be32_t via = net_shared.gateway;

	if (net_shared.address && ((to ^ net_shared.address) & net_shared.mask) == 0)
		via = to;
	*hop = ip6_mapped(via);
	return via != 0;
}

bool neighbour_next_hop(const struct ip6 *to, struct ip6 *hop)
{
	const struct ip6_setup *s = &net_self.ip6;

	if (ip6_is_mapped(to))
		return next_hop4(to->words[3], hop);
	*hop = *to;
	if (!s->address_count)
		return false;
	if (ip6_is_link_local(to))
		return true;
	for (unsigned i = 0; i < s->prefix_count; i++)
		if (ip6_is_prefix(to, &s->prefixes[i], s->prefix_bits[i]))
			return true;
	*hop = s->router;
	return !ip6_is_zero(hop);
}

void neighbour_put_header(uint8_t *header, const uint8_t *to, uint16_t type)
{
	memcpy(header, to, 6);
	memcpy(header + 6, nic_info()->mac, 6);
	header[12] = (uint8_t)(type >> 8);
	header[13] = (uint8_t)type;
}

/* Groups, and IPv4's broadcasts, have addresses of their own. */
static bool is_group(const struct ip6 *to, uint8_t mac[6])
{
	be32_t low = to->words[3];

	if (ip6_is_mapped(to)) {
		memset(mac, 0xff, 6);
		return low == 0xffffffff || (net_shared.address && low == (net_shared.address | ~net_shared.mask));
	}
	mac[0] = mac[1] = 0x33; /* [RFC 2464 7] */
	memcpy(mac + 2, &low, sizeof(low));
	return ip6_is_multicast(to);
}

static uint16_t type_of(const struct ip6 *to)
{
	return ip6_is_mapped(to) ? ETH_TYPE_IP4 : ETH_TYPE_IP6;
}

bool neighbour_link_header(const struct ip6 *to, uint8_t header[14])
{
	uint8_t mac[6];
	struct ip6 hop;

	if (!is_group(to, mac) && (!neighbour_next_hop(to, &hop) || read_entry(&hop, mac) != KNOWN))
		return false;
	neighbour_put_header(header, mac, type_of(to));
	return true;
}

bool neighbour_is_dead(const struct ip6 *to)
{
	uint8_t mac[6];
	struct ip6 hop;

	return neighbour_next_hop(to, &hop) && read_entry(&hop, mac) == FAILED;
}

/* ---- boot core ---- */
static void ask(struct entry *e, const uint8_t *mac)
{
	e->tries++;
	e->asked_s = table.now_s;
	if (ip6_is_mapped(&e->address))
		arp_ask(e->address.words[3], mac);
	else
		nd_ask(&e->address, mac);
}

static void queue_is_empty(struct entry *e)
{
	if (e->queued)
		list_remove(&e->waiting);
	table.queued -= e->queued;
	e->tail = NULL;
	e->queued = 0;
}

static void drop_queue(struct entry *e)
{
	while (e->head) {
		struct buf *b = e->head;

		e->head = b->next;
		buf_free(b);
	}
	queue_is_empty(e);
}

static void set_state(struct entry *e, enum state state)
{
	bool is_news = e->state == KNOWN || state == KNOWN;

	write_begin();
	e->state = (uint8_t)state;
	write_end();
	if (is_news)
		version_up(); /* last: who reads the new version must not keep what was here before */
	e->since_s = table.now_s;
	e->tries = 0;
	e->is_doubted = false;
	if (state == FREE)
		table.used--;
}

/*
 * Where a new entry goes: a free place, else one that nobody has answered for, the oldest first, so that a
 * scan that makes us ask for a whole network only drives out its own questions.
 */
static struct entry *place_for(const struct ip6 *address)
{
	uint32_t home = home_of(address);
	struct entry *best = NULL;

	for (unsigned probe = 0; probe < PROBES; probe++) {
		struct entry *e = slot_at(home, probe);

		if (e->state == FREE)
			return e;
		if (e->state == KNOWN)
			continue;
		if (!best || (e->state == FAILED) > (best->state == FAILED) ||
		    (e->state == best->state && (int32_t)(e->serial - best->serial) < 0))
			best = e;
	}
	return best;
}

static struct entry *entry_new(const struct ip6 *address)
{
	struct entry *e = place_for(address);

	if (!e)
		return NULL;
	if (e->state == FREE)
		table.used++;
	drop_queue(e);
	write_begin();
	e->address = *address;
	e->state = ASKED;
	write_end();
	e->tries = 0;
	e->is_doubted = false;
	e->since_s = table.now_s;
	e->serial = ++table.serial;
	if (!time_is_armed(&table.timer))
		time_arm(&table.timer, net_self.now_tick + TICK_TICKS);
	return e;
}

static void age_known(struct entry *e)
{
	if (!e->is_doubted && table.now_s - e->since_s < REFRESH_S)
		return;
	if (e->tries < TRIES) {
		ask(e, e->mac);
		return;
	}
	if (e->is_doubted) { /* he who was known is gone: now all may answer */
		set_state(e, ASKED);
		ask(e, NULL);
		return;
	}
	set_state(e, FREE);
	nd_neighbour_gone(&e->address);
}

static void age(struct entry *e)
{
	switch ((enum state)e->state) {
	case FREE:
		break;
	case ASKED:
		if (e->tries < TRIES) {
			ask(e, NULL);
			break;
		}
		drop_queue(e);
		set_state(e, FAILED);
		nd_neighbour_gone(&e->address);
		break;
	case KNOWN:
		age_known(e);
		break;
	case FAILED:
		if (table.now_s - e->since_s >= REFRESH_S)
			set_state(e, FREE);
		break;
	}
}

static void on_second(struct time_node *node)
{
	table.now_s++;
	for (unsigned i = 0; i < ENTRIES; i++)
		age(&table.entries[i]);
	if (table.used)
		time_arm(node, net_self.now_tick + TICK_TICKS);
}

/*
 * Out by the queue of the core that made it, if it is there any more: a switch that learns a flow's queue from what we send (a tap
 * does) must not learn the boot core's.
 */
static void send_resolved(struct buf *b, const struct entry *e)
{
	neighbour_put_header(b->data + b->off, e->mac, type_of(&e->address));
	if (b->core == core_id() || !(cpu_serving() >> b->core & 1)) {
		output_buf(b);
	} else if (!flow_hand(b->core, b)) {
		net_self.stats.dropped_no_buffer++;
		buf_free(b);
	}
}

/* The next hop of a packet behind 14 bytes. */
static bool hop_of(const struct buf *b, struct ip6 *hop)
{
	const uint8_t *ip = b->data + b->off + ETH_BYTES;
	struct ip6 to;
	be32_t to4;

	if (ip[0] >> 4 == 6) {
		memcpy(&to, ip + 24, sizeof(to));
	} else {
		memcpy(&to4, ip + 16, sizeof(to4));
		to = ip6_mapped(to4);
	}
	return neighbour_next_hop(&to, hop);
}

static struct entry *find_or_new(const struct ip6 *address)
{
	struct entry *e = find(address);

	if (e && e->state == FAILED && table.now_s - e->since_s >= RETRY_S)
		set_state(e, ASKED);
	return e ? e : entry_new(address);
}

/* Where too many wait, those give way that have waited longest: who is there answers within a millisecond. */
static void enqueue(struct entry *e, struct buf *b)
{
	if (table.queued >= buf_total() / QUEUE_BUDGET)
		drop_queue(CONTAINER_OF(table.waiting.next, struct entry, waiting));
	b->next = NULL;
	if (e->tail)
		e->tail->next = b;
	else
		e->head = b;
	e->tail = b;
	if (!e->queued)
		list_add_tail(&table.waiting, &e->waiting);
	e->queued++;
	table.queued++;
}

void neighbour_resolve(struct buf *b)
{
	struct ip6 hop;
	struct entry *e = hop_of(b, &hop) ? find_or_new(&hop) : NULL;

	if (!e || e->state == FAILED || (e->state == ASKED && e->queued == QUEUE_MAX)) {
		net_self.stats.dropped_no_buffer++;
		buf_free(b);
		return;
	}
	if (e->state == KNOWN) {
		send_resolved(b, e);
		return;
	}
	enqueue(e, b);
	if (e->tries == 0)
		ask(e, NULL);
}

bool neighbour_want(const struct ip6 *address)
{
	struct entry *e = find_or_new(address);

	if (e && e->state == ASKED && e->tries == 0)
		ask(e, NULL);
	return e && e->state == KNOWN;
}

bool neighbour_mac(const struct ip6 *address, uint8_t mac[6])
{
	return read_entry(address, mac) == KNOWN;
}

/* Return: whether @mac is to be written down as @e's. */
static bool is_believed(struct entry *e, const uint8_t mac[6])
{
	if (e->state != KNOWN)
		return true;
	if (!memcmp(e->mac, mac, 6)) {
		e->since_s = table.now_s;
		e->tries = 0;
		e->is_doubted = false;
		return false;
	}
	if (!e->is_doubted && e->asked_s != table.now_s) {
		e->is_doubted = true;
		e->tries = 0;
		ask(e, e->mac);
	}
	return false;
}

void neighbour_learn(const struct ip6 *address, const uint8_t mac[6])
{
	struct entry *e = find(address);

	if (!e || (mac[0] & 1) || !is_believed(e, mac))
		return;
	write_begin();
	memcpy(e->mac, mac, 6);
	write_end();
	set_state(e, KNOWN);
	while (e->head) {
		struct buf *b = e->head;

		e->head = b->next;
		b->next = NULL;
		send_resolved(b, e);
	}
	queue_is_empty(e);
}

void neighbour_rerouted(void)
{
	version_up();
}

void neighbour_flush(void)
{
	for (unsigned i = 0; i < ENTRIES; i++) {
		struct entry *e = &table.entries[i];

		if (e->state == FREE || !ip6_is_mapped(&e->address))
			continue;
		drop_queue(e);
		set_state(e, FREE);
	}
	version_up();
	arp_announce();
}

void neighbour_core0_init(void)
{
	cpu_random(table.key, sizeof(table.key));
	list_init(&table.waiting);
	time_node_init(&table.timer, on_second);
}
