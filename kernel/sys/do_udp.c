/* SPDX-License-Identifier: MIT */
/* UDP calls that name ring-3 memory. A datagram's payload is copied by net before the call returns. */
#include "kernel/net/net.h"
#include "kernel/sys/do.h"
#include "kernel/sys/fetch.h"

#define UDP_PAYLOAD_MAX 65507u /* 65,535 less IPv4 and UDP headers [RFC 768, RFC 791] */

_Static_assert(sizeof(struct ix_udp_send) % 8 == 0, "fetched by words");

int do_udp_bind(const struct decoded *c, uint64_t *result)
{
	struct ix_endpoint local;

	if (!fetch_words((uint64_t *)(void *)&local, c->arg, sizeof(local) / 8))
		return IX_BAD_ADDRESS;
	if (!do_endpoint_is_sound(&local))
		return IX_BAD_CALL;
	return net_udp_bind(&local, c->len, result);
}

int do_udp_sendv(const struct decoded *c, uint64_t *result)
{
	struct net_range data = { .data = NULL };
	struct ix_udp_send send;

	if (!fetch_words((uint64_t *)(void *)&send, c->arg, sizeof(send) / 8))
		return IX_BAD_ADDRESS;
	if (!do_endpoint_is_sound(&send.remote))
		return IX_BAD_CALL;
	if (send.data.len > UDP_PAYLOAD_MAX)
		return IX_BAD_LENGTH;
	if (send.data.len && !fetch_range(send.data.addr, send.data.len, &data))
		return IX_BAD_ADDRESS;
	return net_udp_send(c->handle, &send.remote, &data, result);
}
