/* SPDX-License-Identifier: MIT */
/*
 * Who owns which flow. Which rule applies is decided once, by how many queues and cores there are and
 * who picks the queue; all cores and the device then follow the same table. A group changes owner by the
 * one it had: a byte of the table, and the queue where the group is one.
 */
#include "kernel/flow/group.h"

#include "kernel/base/assert.h"
#include "kernel/base/bytes.h"
#include "kernel/base/err.h"
#include "kernel/base/log.h"
#include "kernel/cpu/cpu.h"
#include "kernel/mem/mem.h"

#define ETHERNET_BYTES 14u
#define ETHERTYPE_IPV4 0x0800
#define IP_FRAGMENT 0x3fff /* more fragments, or an offset */
#define IP_TCP 6
#define IP_UDP 17
#define DHCP_CLIENT_PORT 68
#define DHCP6_CLIENT_PORT 546
#define ETHERTYPE_IPV6 0x86dd
#define IPV6_BYTES 40u

struct flow_state flow_state;

/* Who polls queue @q: where it is a group, its owner; else the core whose it is, for which the boot core does while it does not run. */
static uint32_t poller_of(uint32_t q, uint64_t running)
{
	const struct flow_state *f = &flow_state;

	if (flow_is_queue())
		return f->owner[q];
	return running >> q % f->cores & 1 ? q % f->cores : 0;
}

uint64_t senders_through(uint32_t pair)
{
	const struct flow_state *f = &flow_state;
	uint64_t senders = 0;

	for (uint32_t c = f->pairs + pair; c < f->cores; c += f->pairs)
		senders |= 1ull << c;
	return senders;
}

static int deal_groups(const uint8_t key[40])
{
	struct flow_state *f = &flow_state;
	bool is_rss = nic_info()->offloads & NIC_RSS;
	struct nic_steering *s = &f->steering;
	uint64_t running = cpu_running() & UINT64_MAX >> (CORES_MAX - f->cores);
	uint32_t next = 0;

	if (!f->pairs || !(running & 1))
		return KERR_INVALID;
	f->mode = FLOW_HASH;
	if (f->cores == 1)
		f->mode = FLOW_ONE;
	else if (f->pairs >= f->cores && (is_rss || nic_info()->queue_is_group))
		f->mode = FLOW_QUEUE;
	for (unsigned g = 0; g < FLOW_GROUPS_MAX; g++) {
		f->owner[g] = (uint8_t)next;
		s->table[g] = (uint16_t)(next % f->pairs);
		next = cpu_after(running, next);
	}
	for (uint32_t q = 0; q < f->pairs; q++) {
		f->core[poller_of(q, running)].queues |= 1ull << q;
		f->keeper[q] = (uint8_t)(running >> q & 1 ? q : 0);
		f->core[f->keeper[q]].senders |= senders_through(q);
	}
	f->core[0].is_alone = running == 1;
	memcpy(s->key, key, sizeof(s->key));
	return is_rss ? nic_steer(s) : 0;
}

static int alloc_slots(void)
{
	struct flow_state *f = &flow_state;
	uint32_t without = f->cores > f->pairs ? f->cores - f->pairs : 0;
	struct flow_slot *slot;

	if (!without)
		return 0;
	f->sends = mem_boot_alloc(f->cores * sizeof(*f->sends), CACHE_LINE);
	f->done = mem_boot_alloc(f->cores * sizeof(*f->done), CACHE_LINE);
	f->slots = mem_boot_alloc(without * FLOW_SLOTS * sizeof(*f->slots), CACHE_LINE);
	if (f->pairs > 1)
		f->done_boot = mem_boot_alloc(f->cores * sizeof(*f->done_boot), CACHE_LINE);
	if (!f->sends || !f->done || !f->slots || (f->pairs > 1 && !f->done_boot))
		return KERR_NO_MEMORY;
	f->slots_end = f->slots + without * FLOW_SLOTS;
	slot = f->slots;
	for (uint32_t c = f->pairs; c < f->cores; c++) {
		for (unsigned i = 0; i < FLOW_SLOTS; i++, slot++) {
			slot->core = c;
			slot->next = f->core[c].slots_free;
			f->core[c].slots_free = slot;
		}
	}
	return 0;
}

int flow_init(uint32_t cores)
{
	struct flow_state *f = &flow_state;
	uint8_t key[40];

	if (cores == 0 || cores > CORES_MAX)
		return KERR_INVALID;
	memset(f, 0, sizeof(*f));
	f->cores = cores;
	f->pairs = nic_info()->queue_pairs;
	f->core = mem_boot_alloc(cores * sizeof(*f->core), CACHE_LINE);
	f->inbox = mem_boot_alloc(cores * sizeof(*f->inbox), CACHE_LINE);
	f->frames = mem_boot_alloc((size_t)cores * cores * sizeof(*f->frames), CACHE_LINE);
	if (!f->core || !f->inbox || !f->frames || alloc_slots())
		return KERR_NO_MEMORY;
	cpu_random(key, sizeof(key));
	hash_init(key);
	return deal_groups(key);
}

uint32_t flow_owner(uint8_t group)
{
	return owner_of(group % FLOW_GROUPS_MAX);
}

bool flow_is_queue(void)
{
	return flow_state.mode == FLOW_QUEUE && nic_info()->queue_is_group;
}

unsigned flow_groups(void)
{
	return flow_is_queue() ? flow_state.pairs : FLOW_GROUPS_MAX;
}

void flow_give(uint8_t group, uint32_t to)
{
	kassert(group < flow_groups() && to < flow_state.cores && owner_of(group) == core_id());
	if (flow_is_queue())
		flow_core()->queues &= ~(1ull << group);
	__atomic_store_n(&flow_state.owner[group], (uint8_t)to, __ATOMIC_RELEASE);
}

void flow_enter(uint8_t group)
{
	if (!flow_is_queue())
		return;
	flow_core()->queues |= 1ull << group;
	flow_interrupt(group);
}

void flow_interrupt(uint16_t queue)
{
	if (nic_irq_core(queue, core_id()))
		log_line("flow: core %u cannot be interrupted by queue %u", core_id(), queue);
}

int flow_steer(void)
{
	struct flow_state *f = &flow_state;

	if (f->mode != FLOW_QUEUE || !(nic_info()->offloads & NIC_RSS))
		return 0;
	for (unsigned g = 0; g < FLOW_GROUPS_MAX; g++) {
		uint32_t core = owner_of(g);

		if (f->steering.table[g] % f->cores != core)
			f->steering.table[g] = (uint16_t)core; /* as many queues as cores at least: it polls that one */
	}
	return nic_steer(&f->steering);
}

uint8_t flow_group_of_tuple(be32_t remote, be32_t local, be16_t remote_port, be16_t local_port)
{
	/* Where the backend picks, the answer will show; tap and most switches learn the queue from what we send. */
	if (flow_state.mode == FLOW_QUEUE && nic_info()->queue_is_group)
		return (uint8_t)core_id();
	return hash_tuple(remote, local, (uint32_t)local_port << 16 | remote_port) % FLOW_GROUPS_MAX;
}

uint8_t flow_group_of_tuple6(const struct ip6 *remote, const struct ip6 *local, be16_t remote_port, be16_t local_port)
{
	uint32_t addresses[8];

	if (flow_is_queue())
		return (uint8_t)core_id();
	memcpy(addresses, remote, sizeof(*remote));
	memcpy(addresses + 4, local, sizeof(*local));
	return hash_tuple6(addresses, (uint32_t)local_port << 16 | remote_port) % FLOW_GROUPS_MAX;
}

static inline uint16_t load16(const uint8_t *p)
{
	uint16_t v;

	__builtin_memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t load32(const uint8_t *p)
{
	uint32_t v;

	__builtin_memcpy(&v, p, sizeof(v));
	return v;
}

/*
 * The ports of an unfragmented TCP or UDP packet over IPv4, found within the first buffer; NULL for all
 * else, which is the boot core's, as are answers of a DHCP server.
 */
static inline const uint8_t *find_ports(const struct buf *b)
{
	const uint8_t *p = b->data + b->off, *ports;
	unsigned ip_bytes;

	if (b->len < ETHERNET_BYTES + 20 + 4 || load16(p + 12) != be16(ETHERTYPE_IPV4) || p[14] >> 4 != 4)
		return NULL;
	ip_bytes = (p[14] & 15u) * 4;
	if (ip_bytes < 20 || ETHERNET_BYTES + ip_bytes + 4 > b->len || load16(p + 20) & be16(IP_FRAGMENT))
		return NULL;
	ports = p + ETHERNET_BYTES + ip_bytes;
	if (p[23] == IP_TCP)
		return ports;
	return p[23] == IP_UDP && load16(ports + 2) != be16(DHCP_CLIENT_PORT) ? ports : NULL;
}

/* TCP or UDP over IPv6 without extension headers: with them, and fragments, it is the boot core's, too. */
static inline bool is_plain_ip6(const struct buf *b)
{
	const uint8_t *p = b->data + b->off;

	if (b->len < ETHERNET_BYTES + IPV6_BYTES + 4 || load16(p + 12) != be16(ETHERTYPE_IPV6) || p[14] >> 4 != 6)
		return false;
	return p[20] == IP_TCP ||
	       (p[20] == IP_UDP && load16(p + ETHERNET_BYTES + IPV6_BYTES + 2) != be16(DHCP6_CLIENT_PORT));
}

uint32_t group_core_of(struct buf *first)
{
	const uint8_t *ports, *ip = first->data + first->off + ETHERNET_BYTES;
	uint32_t addresses[8];

	ports = find_ports(first);
	if (likely(ports)) {
		first->hash = hash_tuple(load32(ip + 12), load32(ip + 16), load32(ports));
	} else if (is_plain_ip6(first)) {
		memcpy(addresses, ip + 8, sizeof(addresses));
		first->hash = hash_tuple6(addresses, load32(ip + IPV6_BYTES));
	} else {
		return 0;
	}
	first->group = first->hash % FLOW_GROUPS_MAX;
	return owner_of(first->group);
}
