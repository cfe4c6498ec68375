/* SPDX-License-Identifier: MIT */
/*
 * UDP sockets: bound once for all cores; each core handles the datagrams that arrive on it and gives them
 * back when the handler has returned, with one call a socket and round.
 */
#include "lib/ix/core.h"
#include <string.h>

#define DATAGRAM_MAX 65507        /* 65535 - IPv4 header - UDP header */
#define RX_BYTES_MAX (1ull << 44) /* no guest has more memory, and nothing else lies there */

static struct ix_udp sockets[IX_UDPS_MAX];
static uint32_t socket_count;

int ix_udp_bind(uint16_t port, void (*on_datagram)(struct ix_udp *u, const struct ix_datagram *d), void *user,
		struct ix_udp **socket)
{
	struct ix_endpoint local = { .port = port }, *at;
	struct ix_core *core = ix_this_core();
	uint32_t index = __atomic_fetch_add(&socket_count, 1, __ATOMIC_RELAXED);
	struct ix_udp *u = &sockets[index % IX_UDPS_MAX];
	int status;

	if (index >= IX_UDPS_MAX)
		return IX_NO_MEMORY;
	*u = (struct ix_udp){ .on_datagram = on_datagram, .user = user, .index = index };
	at = ix_batch_arena(core, sizeof(*at));
	*at = local;
	status = ix_batch_now(core, IX_OP_UDP_BIND, (uintptr_t)at, (uintptr_t)u | COOKIE_UDP, &u->handle);
	*socket = u;
	return status;
}

void *ix_udp_user(const struct ix_udp *u)
{
	return u->user;
}

int ix_udp_send(struct ix_udp *u, const struct ix_endpoint *to, const void *data, size_t bytes)
{
	struct ix_core *core = ix_this_core();
	bool is_lent = (uintptr_t)data - IX_RX_VA < RX_BYTES_MAX;
	struct ix_udp_send *ask;

	if (bytes > DATAGRAM_MAX)
		return IX_BAD_LENGTH;
	/* What ring 0 lent stays where it is until the call is executed; anything else may be a stack. */
	ask = ix_batch_arena(core, sizeof(*ask) + (is_lent ? 0 : bytes));
	ask->remote = *to;
	ask->data = (struct ix_iov){ .addr = (uintptr_t)(is_lent ? data : ask + 1), .len = bytes };
	if (!is_lent)
		memcpy(ask + 1, data, bytes);
	ix_batch_call(core, IX_OP_UDP_SENDV, u->handle, (uintptr_t)ask, 0);
	return IX_OK;
}

void ix_udp_run(struct ix_core *core)
{
	const struct ix_event_array *events = core->events;

	for (uint32_t i = 0; i < core->datagram_count; i++) {
		const struct ix_event *ev = &events->events[core->datagrams[i]];
		const struct ix_peer *peer = &events->peers[ev->detail];
		struct ix_udp *u = (struct ix_udp *)(ev->cookie & ~(uint64_t)COOKIE_MASK);
		struct ix_datagram d = {
			.remote = &peer->remote, .local = &peer->local, .data = (const void *)ev->addr, .bytes = ev->len
		};

		core->udp_done[u->index]++;
		u->on_datagram(u, &d);
	}
	core->datagram_count = 0;
	for (uint32_t i = 0; i < IX_UDPS_MAX; i++) {
		if (!core->udp_done[i])
			continue;
		ix_batch_call(core, IX_OP_UDP_RECV_DONE, sockets[i].handle, 0, core->udp_done[i]);
		core->udp_done[i] = 0;
	}
}
