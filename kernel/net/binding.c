/* SPDX-License-Identifier: MIT */
/*
 * listen and udp_bind are partition-wide: one entry in a shared table, under a lock, announced by
 * net_shared.epoch. Each core reads that word once a turn, copies what has changed, and then creates or closes its own lwIP
 * listeners; cores that start later do so with their first turn. What a core cannot open it tries again each turn.
 * Nobody goes by an entry itself, which others may free and take again at any time: cookie, handle and address of two lives would mix.
 */
#include "kernel/net/binding.h"

#include "kernel/abi/status.h"
#include "kernel/base/bytes.h"
#include "kernel/base/err.h"
#include "kernel/base/lock.h"
#include "kernel/conf/conf.h"
#include "kernel/mem/mem.h"
#include "kernel/net/endpoint.h"
#include "kernel/net/handle.h"
#include "kernel/net/udp.h"

#define PORTS 65536u
#define BACKLOG 1024u /* unless the manifest says otherwise */

struct net_shared net_shared;

static struct binding_table {
	struct lock lock;
	struct binding entries[NET_BINDINGS_MAX];
	uint8_t *by_port[2]; /* protocol, port: index + 1, 0: nobody's */
} table;

/* Entries as this core follows them: an even generation is over, and then the rest is that of its last life. */
static PERCORE struct binding followed[NET_BINDINGS_MAX];

int binding_init(void)
{
	for (unsigned i = 0; i < ARRAY_COUNT(table.by_port); i++) {
		table.by_port[i] = mem_boot_alloc(PORTS, CACHE_LINE);
		if (!table.by_port[i])
			return KERR_NO_MEMORY;
	}
	return 0;
}

void binding_announce(void)
{
	__atomic_fetch_add(&net_shared.epoch, 1, __ATOMIC_RELEASE);
}

static bool is_alive(const struct binding *b)
{
	return load_acquire(&b->generation) & 1;
}

static enum net_kind kind_of(enum binding_protocol protocol)
{
	return protocol == BINDING_TCP ? NET_LISTENER : NET_UDP;
}

/* What the manifest says of the port, else what it says of all. */
static void take_options(struct binding *b)
{
	const struct ix_manifest_port *p = b->protocol == BINDING_TCP ? conf_port(net_shared.conf, IX_PORT_TCP, b->port)
								      : NULL;

	b->rto_floor_ms = p && p->rto_floor_ms ? (uint16_t)p->rto_floor_ms : net_shared.rto_floor_ms;
	b->ecn = (uint8_t)(p ? p->ecn : IX_ECN_OFF);
	b->backlog = p && p->backlog ? p->backlog : BACKLOG;
	b->half_open = p && p->half_open ? MIN(p->half_open, net_shared.half_open) : net_shared.half_open;
}

static int take(enum binding_protocol protocol, const struct binding *wanted, ix_handle_t *handle)
{
	for (unsigned i = 0; i < NET_BINDINGS_MAX; i++) {
		struct binding *b = &table.entries[i];

		if (is_alive(b))
			continue;
		*handle = handle_new_shared(kind_of(protocol), b);
		if (!*handle)
			return IX_NO_MEMORY;
		b->protocol = (uint8_t)protocol;
		b->port = wanted->port;
		b->address = wanted->address;
		b->cookie = wanted->cookie;
		b->handle = *handle;
		take_options(b);
		store_release(&b->generation, b->generation + 1);
		store_release(&table.by_port[protocol][b->port], (uint8_t)(i + 1));
		return IX_OK;
	}
	return IX_NO_MEMORY;
}

int binding_new(enum binding_protocol protocol, const struct ix_endpoint *local, uint64_t cookie, ix_handle_t *handle)
{
	struct binding wanted = { .port = local->port, .cookie = cookie };
	int status;

	wanted.address = endpoint_address(local);
	if (!ip6_is_zero(&wanted.address) && !endpoint_is_ours(&wanted.address))
		return IX_UNREACHABLE;
	if (wanted.port == 0)
		return IX_BAD_CALL;
	lock_take(&table.lock);
	status = table.by_port[protocol][wanted.port] ? IX_IN_USE : take(protocol, &wanted, handle);
	lock_give(&table.lock);
	if (status == IX_OK)
		binding_announce();
	return status;
}

static void release(struct binding *b)
{
	store_release(&table.by_port[b->protocol][b->port], 0);
	net_handle_free(b->handle);
	store_release(&b->generation, b->generation + 1);
}

int binding_free(enum binding_protocol protocol, ix_handle_t handle)
{
	struct binding *b;

	lock_take(&table.lock);
	b = net_handle_find(handle, kind_of(protocol));
	if (b)
		release(b);
	lock_give(&table.lock);
	if (!b)
		return IX_BAD_HANDLE;
	binding_announce();
	return IX_OK;
}

void binding_free_all(void)
{
	lock_take(&table.lock);
	for (unsigned i = 0; i < NET_BINDINGS_MAX; i++)
		if (is_alive(&table.entries[i]))
			release(&table.entries[i]);
	lock_give(&table.lock);
	binding_announce();
}

bool binding_is_taken(enum binding_protocol protocol, uint16_t port)
{
	return load_acquire(&table.by_port[protocol][port]);
}

const struct binding *binding_find(enum binding_protocol protocol, uint16_t port)
{
	unsigned index = load_acquire(&table.by_port[protocol][port]);
	const struct binding *b;

	if (!index)
		return NULL;
	b = &followed[index - 1];
	return b->generation & 1 && b->port == port && b->protocol == protocol ? b : NULL;
}

const struct binding *binding_of(enum binding_protocol protocol, ix_handle_t handle)
{
	const struct binding *entry = net_handle_find(handle, kind_of(protocol)), *b;

	if (!entry)
		return NULL;
	b = &followed[entry - table.entries];
	if (unlikely(b->handle != handle)) /* another core has made it in this turn */
		net_sync();
	return b->handle == handle && b->generation & 1 ? b : NULL;
}

unsigned binding_index(const struct binding *b)
{
	return (unsigned)(b - followed);
}

const struct binding *binding_at(unsigned index)
{
	return &followed[index];
}

/* Half-open connections name their listener, and lwIP would not find them: its lists are empty. */
static void abort_half_open(const struct tcp_pcb *listener)
{
	struct list *node = net_self.half_open.next;

	while (node != &net_self.half_open) {
		struct conn *c = CONTAINER_OF(node, struct conn, link);

		node = node->next;
		if (pcb_of(c)->local_port == listener->local_port)
			conn_abort(c, IX_DEAD_ABORTED);
	}
}

static void close_listener(unsigned i)
{
	struct tcp_pcb *listener = net_self.listeners[i];

	if (!listener)
		return;
	abort_half_open(listener);
	tcp_close(listener);
	net_self.listeners[i] = NULL;
}

/*
 * Return: false if there is no memory. What has been made by then has no connection that an event could be about, so it is closed, not
 * aborted.
 */
static bool open_listener(unsigned i)
{
	struct binding *b = &followed[i];
	ip_addr_t address = IPADDR_ANY_TYPE_INIT; /* of both families */
	struct tcp_pcb *pcb = tcp_new(), *listener;

	if (!pcb)
		return false;
	if (ip6_is_mapped(&b->address)) {
		ip_addr_set_ip4_u32_val(address, b->address.words[3]);
	} else if (!ip6_is_zero(&b->address)) {
		memcpy(ip_2_ip6(&address), &b->address, sizeof(b->address));
		IP_SET_TYPE_VAL(address, IPADDR_TYPE_V6);
	}
	tcp_ext_arg_set(pcb, net_self.ext_id, NULL);
	tcp_ext_arg_set_callbacks(pcb, net_self.ext_id, &conn_ext_callbacks);
	listener = tcp_bind(pcb, &address, b->port) == ERR_OK ? tcp_listen(pcb) : NULL;
	if (!listener) {
		tcp_close(pcb);
		return false;
	}
	tcp_arg(listener, b);
	net_self.listeners[i] = listener;
	return true;
}

/* Return: false if it has to be tried again: another core changes the entry just now, or there is no memory. */
static bool follow(unsigned i, uint32_t generation)
{
	const struct binding *entry = &table.entries[i];
	struct binding b = *entry;

	fence_compiler(); /* loads are not reordered by the processor [SDM 3A 8.2.2] */
	if (READ_ONCE(entry->generation) != generation)
		return false;
	b.generation = generation;
	followed[i] = b;
	return b.protocol != BINDING_TCP || open_listener(i);
}

/* A port may have gone from one entry to another: what is over is closed before anything is opened. */
bool binding_sync(void)
{
	uint32_t generation[NET_BINDINGS_MAX];
	bool is_done = true;
	uint64_t begun = 0;

	for (unsigned i = 0; i < NET_BINDINGS_MAX; i++) {
		generation[i] = load_acquire(&table.entries[i].generation);
		if (generation[i] == followed[i].generation)
			continue;
		followed[i].generation = generation[i] & ~1u;
		close_listener(i);
		udp_socket_reset(i);
		begun |= (uint64_t)(generation[i] & 1) << i;
	}
	for (; begun; begun &= begun - 1) {
		unsigned i = (unsigned)__builtin_ctzll(begun);

		if (follow(i, generation[i]))
			continue;
		followed[i].generation = 0; /* which no entry in use has */
		is_done = false;
	}
	return is_done;
}
