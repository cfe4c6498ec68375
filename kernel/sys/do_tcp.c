/* SPDX-License-Identifier: MIT */
/* TCP calls that name ring-3 memory: what is fetched for them, and in which form net gets it. */
#include "kernel/net/net.h"
#include "kernel/sys/do.h"
#include "kernel/sys/fetch.h"

_Static_assert(sizeof(struct ix_endpoint) % 8 == 0 && sizeof(struct ix_connect) % 8 == 0, "fetched by words");

int do_listen(const struct decoded *c, uint64_t *result)
{
	struct ix_endpoint local;

	if (!fetch_words((uint64_t *)(void *)&local, c->arg, sizeof(local) / 8))
		return IX_BAD_ADDRESS;
	if (!do_endpoint_is_sound(&local))
		return IX_BAD_CALL;
	return net_listen(&local, c->len, result);
}

int do_connect(const struct decoded *c, uint64_t *result)
{
	struct ix_connect connect;

	if (!fetch_words((uint64_t *)(void *)&connect, c->arg, sizeof(connect) / 8))
		return IX_BAD_ADDRESS;
	if (!do_endpoint_is_sound(&connect.local) || !do_endpoint_is_sound(&connect.remote))
		return IX_BAD_CALL;
	return net_connect(&connect, c->flags, result);
}

#define NET_FLAGS (IX_SENDV_MORE | IX_SENDV_DONE)

static PERCORE struct net_range ranges[IX_IOV_MAX]; /* of the call that is being executed */

static int send_list(const struct decoded *c, uint64_t *result)
{
	struct net_range list;
	uint64_t total = 0;

	if (c->len == 0 || c->len > IX_IOV_MAX)
		return IX_BAD_LENGTH;
	if (!fetch_range(c->arg, c->len * sizeof(struct ix_iov), &list))
		return IX_BAD_ADDRESS;
	for (unsigned i = 0; i < c->len; i++) {
		const uint8_t *iov = list.data + i * sizeof(struct ix_iov);
		ix_uaddr_t addr = fetch_word(iov + offsetof(struct ix_iov, addr));
		uint64_t len = fetch_word(iov + offsetof(struct ix_iov, len));

		if (len == 0 || len > UINT32_MAX - total)
			return IX_BAD_LENGTH;
		if (!fetch_list_range(addr, len, &ranges[i]))
			return IX_BAD_ADDRESS;
		total += len;
	}
	return net_sendv(c->handle, ranges, (unsigned)c->len, c->flags & NET_FLAGS, result);
}

int do_sendv(const struct decoded *c, uint64_t *result)
{
	struct net_range range;

	if (c->flags & IX_SENDV_LIST)
		return send_list(c, result);
	if (unlikely(c->len - 1 >= UINT32_MAX))
		return IX_BAD_LENGTH;
	if (unlikely(!fetch_list_range(c->arg, c->len, &range)))
		return IX_BAD_ADDRESS;
	return net_send(c->handle, &range, c->flags & NET_FLAGS, result);
}
