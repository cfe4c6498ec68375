/* SPDX-License-Identifier: MIT */
/*
 * ARP, for all cores. Only addresses that we asked for get an entry, so strangers cannot fill the table;
 * entries are asked again every REFRESH_S and go when nobody answers. One writer (the boot core) under a
 * sequence counter, any number of readers; a version tells connections that their cached header is stale.
 * [RFC 826, RFC 1122 2.3.2]
 */
#include "kernel/net/neighbour.h"

#include "kernel/base/bytes.h"
#include "kernel/cpu/cpu.h"
#include "kernel/flow/flow.h"
#include "kernel/net/output.h"

#define ENTRIES 1024u
#define PROBES 8u
#define QUEUE_MAX 8u /* packets that wait for one neighbour */
#define TRIES 3u     /* requests, one a second */
#define REFRESH_S 60u
#define RETRY_S 3u /* so long who did not answer is not asked again */
#define ARP_BYTES 28u
#define TICK_TICKS (1000000u / TIME_TICK_US)

enum state { FREE, ASKED, KNOWN, FAILED };

struct entry {
	be32_t address;
	uint8_t mac[6];
	uint8_t state; /* enum state */
	uint8_t tries; /* requests since the last answer */
	uint32_t since_s;
	uint32_t queued;
	struct buf *head, *tail; /* packets that wait; boot core only */
};

/* On the wire, behind the Ethernet header. */
struct arp {
	be16_t hardware, protocol;
	uint8_t hardware_bytes, protocol_bytes;
	be16_t op;
	uint8_t sender_mac[6];
	uint8_t sender[4];
	uint8_t target_mac[6];
	uint8_t target[4];
};
_Static_assert(sizeof(struct arp) == ARP_BYTES, "wire format");

static struct neighbours {
	uint32_t sequence; /* odd while the writer is at it */
	uint32_t version;
	uint32_t used;
	uint32_t now_s;
	uint64_t key;
	struct entry entries[ENTRIES];
	struct time_node timer;
} table = { .version = 1 };

static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

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

static struct entry *slot_of(be32_t address, unsigned probe)
{
	return &table.entries[(((uint64_t)address * table.key >> 40) + probe) % ENTRIES];
}

static struct entry *find(be32_t address)
{
	for (unsigned probe = 0; probe < PROBES; probe++) {
		struct entry *e = slot_of(address, probe);

		if (e->address == address && e->state != FREE)
			return e;
	}
	return NULL;
}

/* A consistent copy of state and address. */
static enum state read_entry(be32_t address, uint8_t mac[6])
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

be32_t neighbour_next_hop(be32_t to)
{
	if (net_shared.address && ((to ^ net_shared.address) & net_shared.mask) == 0)
		return to;
	return net_shared.gateway;
}

static void put_header(uint8_t *header, const uint8_t *to, uint16_t type)
{
	memcpy(header, to, 6);
	memcpy(header + 6, nic_info()->mac, 6);
	header[12] = (uint8_t)(type >> 8);
	header[13] = (uint8_t)type;
}

static bool is_broadcast(be32_t to)
{
	return to == 0xffffffff || (net_shared.address && to == (net_shared.address | ~net_shared.mask));
}

bool neighbour_link_header(be32_t to, uint8_t header[14])
{
	uint8_t mac[6];

	if (is_broadcast(to)) {
		put_header(header, broadcast, ETH_TYPE_IP4);
		return true;
	}
	if (read_entry(neighbour_next_hop(to), mac) != KNOWN)
		return false;
	put_header(header, mac, ETH_TYPE_IP4);
	return true;
}

bool neighbour_is_dead(be32_t to)
{
	uint8_t mac[6];

	return read_entry(neighbour_next_hop(to), mac) == FAILED;
}

/* ---- boot core ---- */
static void send_arp(uint16_t op, const uint8_t *to_mac, const uint8_t *target_mac, be32_t target)
{
	struct buf *b = buf_alloc();
	struct arp *a;

	if (!b)
		return;
	b->off = 0;
	b->len = ETH_BYTES + ARP_BYTES;
	put_header(b->data, to_mac, ETH_TYPE_ARP);
	a = (struct arp *)(void *)(b->data + ETH_BYTES);
	a->hardware = be16(1);
	a->protocol = be16(ETH_TYPE_IP4);
	a->hardware_bytes = 6;
	a->protocol_bytes = 4;
	a->op = be16(op);
	memcpy(a->sender_mac, nic_info()->mac, 6);
	memcpy(a->sender, &net_shared.address, 4);
	memcpy(a->target_mac, target_mac, 6);
	memcpy(a->target, &target, 4);
	output_buf(b);
}

static void ask(struct entry *e)
{
	static const uint8_t nobody[6];

	e->tries++;
	send_arp(1, e->state == KNOWN ? e->mac : broadcast, nobody, e->address);
}

static void drop_queue(struct entry *e)
{
	while (e->head) {
		struct buf *b = e->head;

		e->head = b->next;
		buf_free(b);
	}
	e->tail = NULL;
	e->queued = 0;
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
	if (state == FREE)
		table.used--;
}

static struct entry *entry_new(be32_t address)
{
	for (unsigned probe = 0; probe < PROBES; probe++) {
		struct entry *e = slot_of(address, probe);

		if (e->state != FREE && e->state != FAILED)
			continue;
		if (e->state == FREE)
			table.used++;
		write_begin();
		e->address = address;
		e->state = ASKED;
		write_end();
		e->tries = 0;
		e->since_s = table.now_s;
		if (!time_is_armed(&table.timer))
			time_arm(&table.timer, net_self.now_tick + TICK_TICKS);
		return e;
	}
	return NULL;
}

static void age(struct entry *e)
{
	switch ((enum state)e->state) {
	case FREE:
		break;
	case ASKED:
		if (e->tries < TRIES) {
			ask(e);
			break;
		}
		drop_queue(e);
		set_state(e, FAILED);
		break;
	case KNOWN:
		if (table.now_s - e->since_s < REFRESH_S)
			break;
		if (e->tries < TRIES)
			ask(e);
		else
			set_state(e, FREE);
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
 * Out by the queue of the core that made it: a switch that learns a flow's queue from what we send (a tap
 * does) must not learn the boot core's.
 */
static void send_resolved(struct buf *b, const struct entry *e)
{
	put_header(b->data + b->off, e->mac, ETH_TYPE_IP4);
	if (b->core == core_id()) {
		output_buf(b);
	} else if (!flow_hand(b->core, b)) {
		net_self.stats.dropped_no_buffer++;
		buf_free(b);
	}
}

void neighbour_resolve(struct buf *b)
{
	be32_t to;
	struct entry *e;

	memcpy(&to, b->data + b->off + ETH_BYTES + 16, sizeof(to));
	to = neighbour_next_hop(to);
	e = to ? find(to) : NULL;
	if (e && e->state == FAILED && table.now_s - e->since_s >= RETRY_S)
		set_state(e, ASKED);
	if (!e && to)
		e = entry_new(to);
	if (!e || e->state == FAILED || (e->state == ASKED && e->queued == QUEUE_MAX)) {
		net_self.stats.dropped_no_buffer++;
		buf_free(b);
		return;
	}
	if (e->state == KNOWN) {
		send_resolved(b, e);
		return;
	}
	b->next = NULL;
	if (e->tail)
		e->tail->next = b;
	else
		e->head = b;
	e->tail = b;
	e->queued++;
	if (e->tries == 0)
		ask(e);
}

static void learn(be32_t address, const uint8_t mac[6])
{
	struct entry *e = find(address);

	if (!e || (mac[0] & 1))
		return;
	if (e->state == KNOWN && !memcmp(e->mac, mac, 6)) {
		e->since_s = table.now_s;
		e->tries = 0;
		return;
	}
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
	e->tail = NULL;
	e->queued = 0;
}

void neighbour_arp_input(struct buf *b)
{
	const struct arp *a = (const struct arp *)(const void *)(b->data + b->off + ETH_BYTES);
	be32_t sender, target;

	if (b->len < ETH_BYTES + ARP_BYTES || a->hardware != be16(1) || a->protocol != be16(ETH_TYPE_IP4) ||
	    a->hardware_bytes != 6 || a->protocol_bytes != 4 || !net_shared.address)
		goto out;
	memcpy(&sender, a->sender, sizeof(sender));
	memcpy(&target, a->target, sizeof(target));
	if (sender == net_shared.address)
		goto out; /* somebody claims our address: not believed, not answered (Limits) */
	learn(sender, a->sender_mac);
	if (a->op == be16(1) && target == net_shared.address)
		send_arp(2, a->sender_mac, a->sender_mac, sender);
out:
	buf_free_frame(b);
}

void neighbour_flush(void)
{
	static const uint8_t nobody[6];

	for (unsigned i = 0; i < ENTRIES; i++) {
		struct entry *e = &table.entries[i];

		drop_queue(e);
		if (e->state != FREE)
			set_state(e, FREE);
	}
	version_up();
	if (net_shared.address) /* [RFC 5227 2.3] */
		send_arp(1, broadcast, nobody, net_shared.address);
}

void neighbour_core0_init(void)
{
	cpu_random(&table.key, sizeof(table.key));
	table.key |= 1;
	time_node_init(&table.timer, on_second);
}
