/* SPDX-License-Identifier: MIT */
/*
 * Connections begin and end as ring 3 asks: listen, connect, accept, close, abort. Closing is orderly
 * unless data was never delivered, which makes it a reset [RFC 9293 3.6.1, RFC 1122 4.2.2.13].
 */
#include "kernel/abi/status.h"
#include "kernel/base/bytes.h"
#include "kernel/cpu/cpu.h"
#include "kernel/flow/flow.h"
#include "kernel/net/away.h"
#include "kernel/net/backlog.h"
#include "kernel/net/demux.h"
#include "kernel/net/endpoint.h"
#include "kernel/net/handle.h"
#include "kernel/net/neighbour.h"
#include "kernel/net/tcp_queue.h"
#include "kernel/net/tcp_ts.h"

#define PORT_TRIES 2048u /* one in CORES_MAX is ours */
#define KEEPALIVE_MIN_MS 10u
#define KEEPALIVE_MAX_MS 86400000u

int net_listen(const struct ix_endpoint *local, uint64_t cookie, ix_handle_t *handle)
{
	int status = binding_new(BINDING_TCP, local, cookie, handle);

	if (status == IX_OK)
		net_sync();
	return status;
}

int net_unlisten(ix_handle_t handle)
{
	int status = binding_free(BINDING_TCP, handle);

	if (status == IX_OK)
		net_sync();
	return status;
}

/* ---- connect ---- */
static bool is_tuple_free(const struct demux_tuple *t)
{
	uint32_t hash = demux_hash(t);

	return !demux_find(hash, t) && !timewait_find(hash, t);
}

/*
 * Whether the answers to this port come to this core. Where only the switch knows, ports are dealt to the
 * cores, all that there may ever be, so that no two of them take the same one towards a peer.
 */
static bool is_port_ours(const struct demux_tuple *t)
{
	if (flow_is_queue())
		return away_is_home(be16(t->local_port));
	return flow_owner(tuple_group(t)) == core_id();
}

/*
 * Whether a connection that this core began may have it elsewhere now. So many may that no port is left: then it is better to risk that
 * one of them is to the same peer than to begin none.
 */
static bool may_be_away(const struct demux_tuple *t, unsigned tries)
{
	return tries < PORT_TRIES / 2 && flow_is_queue() && away_has(demux_hash(t));
}

/* A core that has just come has no group yet, one that leaves has none any more. */
static bool is_bare(void)
{
	for (unsigned g = 0; g < flow_groups(); g++)
		if (flow_owner((uint8_t)g) == core_id())
			return false;
	return true;
}

/* Return: false if no port was found. */
static bool choose_port(struct demux_tuple *t)
{
	/* No port is such a core's: the connection begins all the same, and goes where its first answer arrives (stray.c). */
	bool is_any = !flow_is_queue() && is_bare();

	for (unsigned i = 0; i < PORT_TRIES; i++) {
		uint16_t port = (uint16_t)(PORT_FIRST + LWIP_RAND() % PORT_COUNT);

		t->local_port = be16(port);
		if ((is_any || is_port_ours(t)) && is_tuple_free(t) && !binding_is_taken(BINDING_TCP, port) &&
		    !may_be_away(t, i))
			return true;
	}
	return false;
}

/* Addresses of a connection to @remote. Return: false if there is no way. */
static bool choose_ends(const struct ix_connect *wish, struct demux_tuple *t)
{
	struct ip6 remote = endpoint_address(&wish->remote), local = endpoint_address(&wish->local), hop;
	const struct ip6 *from;

	if (ip6_is_zero(&remote) || !neighbour_next_hop(&remote, &hop))
		return false;
	if (!ip6_is_zero(&local) && (!endpoint_is_ours(&local) || ip6_is_mapped(&local) != ip6_is_mapped(&remote)))
		return false;
	if (ip6_is_mapped(&remote)) {
		t->remote = remote.words[3];
		t->local = net_shared.address;
		return t->local != 0;
	}
	from = ip6_is_zero(&local) ? ip6_source(&remote) : &local;
	if (!from || !ip6_is_host(&remote))
		return false;
	t->is_ip6 = 1;
	t->remote6 = remote;
	t->local6 = *from;
	return true;
}

static int tuple_wanted(const struct ix_connect *wish, struct demux_tuple *t)
{
	if (!choose_ends(wish, t))
		return IX_UNREACHABLE;
	if (!wish->remote.port)
		return IX_BAD_CALL;
	t->remote_port = be16(wish->remote.port);
	t->local_port = be16(wish->local.port);
	if (wish->local.port)
		return is_tuple_free(t) ? IX_OK : IX_IN_USE;
	return choose_port(t) ? IX_OK : IX_NO_MEMORY;
}

static int begin(struct conn *c, const struct demux_tuple *t)
{
	struct tcp_pcb *pcb = pcb_of(c);
	ip_addr_t remote;
	err_t err;

	tuple_put(t, &pcb->local_ip, &remote);
	pcb->local_port = be16(t->local_port); /* preset: lwIP's own search would walk every connection */
	ip_addr_copy(pcb->remote_ip, remote);
	ts_init(c);
	net_self.tx_conn = c;
	err = tcp_connect(pcb, &remote, be16(t->remote_port), NULL);
	net_self.tx_conn = NULL;
	tcp_active_pcbs = NULL;
	if (err != ERR_OK)
		return err == ERR_RTE ? IX_UNREACHABLE : IX_NO_MEMORY;
	return demux_insert(pcb) ? IX_OK : IX_NO_MEMORY;
}

int net_connect(const struct ix_connect *wish, unsigned flags, ix_handle_t *handle)
{
	struct demux_tuple t = { 0 };
	struct tcp_pcb *pcb;
	struct conn *c;
	int status = tuple_wanted(wish, &t);

	if (status != IX_OK)
		return status;
	if (!handle_has_room() || !limit_has_room())
		return IX_NO_MEMORY;
	pcb = tcp_new();
	if (!pcb)
		return IX_NO_MEMORY;
	conn_init(pcb);
	c = conn_of(pcb);
	limit_take(c);
	status = begin(c, &t);
	if (status != IX_OK) {
		tcp_abort(pcb);
		return status;
	}
	c->handle = net_handle_new(NET_CONNECTION, c);
	c->cookie = wish->cookie;
	c->flags |= CONN_ACCEPTED | (flags & IX_CONNECT_PINNED ? CONN_PINNED : 0);
	conn_after(c);
	*handle = c->handle;
	return IX_OK;
}

/* ---- knocks ---- */
int net_accept(ix_handle_t handle, uint64_t cookie)
{
	struct conn *c = conn_find(handle);

	if (!c)
		return handle_missing(handle);
	if (c->flags & (CONN_ACCEPTED | CONN_CLOSING))
		return IX_BAD_CALL;
	backlog_leave(c);
	c->cookie = cookie;
	c->flags |= CONN_ACCEPTED;
	conn_mark(c);
	return IX_OK;
}

int net_reject(ix_handle_t handle)
{
	struct conn *c = conn_find(handle);

	if (!c)
		return handle_missing(handle);
	if (c->flags & (CONN_ACCEPTED | CONN_CLOSING))
		return IX_BAD_CALL;
	backlog_leave(c);
	c->flags |= CONN_CLOSING;
	conn_abort(c, IX_DEAD_ABORTED);
	return IX_OK;
}

/* ---- the end ---- */
static void shut(struct tcp_pcb *pcb)
{
	tcp_shutdown(pcb, 0, 1);
}

static void close_pcb(struct tcp_pcb *pcb)
{
	tcp_close(pcb);
}

int net_shutdown(ix_handle_t handle)
{
	struct conn *c = conn_find(handle);

	if (!c)
		return handle_missing(handle);
	if (!(c->flags & CONN_ACCEPTED))
		return IX_BAD_CALL;
	if (c->flags & (CONN_CLOSING | CONN_SHUT | CONN_GONE | CONN_DEAD))
		return IX_CLOSED;
	if (pcb_of(c)->state < ESTABLISHED)
		return IX_BAD_CALL;
	c->flags |= CONN_SHUT;
	net_self.tx_conn = c;
	tcp_queue_end(pcb_of(c), shut);
	net_self.tx_conn = NULL;
	conn_touch(c);
	return IX_OK;
}

/* What ring 3 was told of counts as received: without this lwIP would reset. */
static void credit_window(struct conn *c)
{
	uint32_t bytes = c->recved + c->rx_lent;

	c->recved = 0;
	while (bytes) {
		uint32_t part = MIN(bytes, 0xffffu);

		tcp_recved(pcb_of(c), (u16_t)part);
		bytes -= part;
	}
}

static void close_orderly(struct conn *c)
{
	struct tcp_pcb *pcb = pcb_of(c);
	bool is_freed = pcb->state == SYN_SENT;

	net_self.tx_conn = c;
	if (is_freed) {
		tcp_close(pcb);
	} else {
		credit_window(c);
		if (!tcp_fast_close(c))
			tcp_queue_end(pcb, close_pcb);
	}
	net_self.tx_conn = NULL;
	if (!is_freed)
		conn_touch(c);
}

int net_close(ix_handle_t handle)
{
	struct conn *c = conn_find(handle);

	if (!c)
		return handle_missing(handle);
	if (!(c->flags & CONN_ACCEPTED))
		return IX_BAD_CALL;
	if (c->flags & CONN_CLOSING)
		return IX_CLOSED;
	c->flags |= CONN_CLOSING | CONN_SHUT;
	if (c->flags & CONN_GONE)
		conn_end(c);
	else if (c->rx_untold)
		conn_abort(c, IX_DEAD_ABORTED);
	else
		close_orderly(c);
	return IX_OK;
}

int net_abort(ix_handle_t handle)
{
	struct conn *c = conn_find(handle);

	if (!c)
		return handle_missing(handle);
	c->flags |= CONN_CLOSING | CONN_SHUT;
	if (!(c->flags & CONN_DEAD))
		conn_abort(c, IX_DEAD_ABORTED);
	return IX_OK;
}

/* ---- the rest ---- */
static int set_keepalive(struct conn *c, uint64_t value)
{
	struct tcp_pcb *pcb = pcb_of(c);

	if (value == 0) {
		ip_reset_option(pcb, SOF_KEEPALIVE);
		return IX_OK;
	}
	if (value < KEEPALIVE_MIN_MS || value > KEEPALIVE_MAX_MS)
		return IX_BAD_CALL;
	ip_set_option(pcb, SOF_KEEPALIVE);
	pcb->keep_idle = (u32_t)value;
	pcb->keep_intvl = (u32_t)MIN(value, (uint64_t)TCP_KEEPINTVL_DEFAULT);
	return IX_OK;
}

int net_set(ix_handle_t handle, uint64_t option, uint64_t value)
{
	struct conn *c = conn_find(handle);
	int status = IX_OK;

	if (!c)
		return handle_missing(handle);
	if (c->flags & CONN_GONE)
		return IX_CLOSED;
	if (option == IX_SET_NODELAY && value <= 1) {
		if (value)
			tcp_nagle_disable(pcb_of(c));
		else
			tcp_nagle_enable(pcb_of(c));
	} else if (option == IX_SET_KEEPALIVE) {
		status = set_keepalive(c, value);
	} else if (option == IX_SET_RTO_FLOOR && value >= 5 && value <= 1000) {
		c->rto_floor_ms = (uint16_t)value;
	} else {
		status = IX_BAD_CALL;
	}
	if (status == IX_OK)
		timers_post(c);
	return status;
}
