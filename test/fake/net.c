/* SPDX-License-Identifier: MIT */
/* What a call of kernel/net leaves in fake_net. */
#include "test/fake/net.h"

#include <string.h>
#include "kernel/abi/status.h"
#include "kernel/base/assert.h"

struct fake_net fake_net;

void fake_net_reset(void)
{
	memset(&fake_net, 0, sizeof(fake_net));
}

static int record(const char *name, ix_handle_t handle, uint64_t a, uint64_t b)
{
	fake_net.name = name;
	fake_net.calls++;
	fake_net.handle = handle;
	fake_net.a = a;
	fake_net.b = b;
	return fake_net.status;
}

static void record_ranges(const struct net_range *ranges, unsigned count)
{
	kassert(count <= IX_IOV_MAX);
	memcpy(fake_net.ranges, ranges, count * sizeof(*ranges));
	fake_net.range_count = count;
	for (unsigned i = 0; i < count; i++)
		if (ranges[i].bytes) {
			(void)READ_ONCE(ranges[i].data[0]);
			(void)READ_ONCE(ranges[i].data[ranges[i].bytes - 1]);
		}
}

static void give(uint64_t *result)
{
	if (fake_net.status == 0)
		*result = fake_net.result;
}

int net_listen(const struct ix_endpoint *local, uint64_t cookie, ix_handle_t *handle)
{
	fake_net.local = *local;
	give(handle);
	return record("listen", 0, cookie, 0);
}

int net_unlisten(ix_handle_t handle)
{
	return record("unlisten", handle, 0, 0);
}

int net_connect(const struct ix_connect *c, unsigned flags, ix_handle_t *handle)
{
	fake_net.local = c->local;
	fake_net.remote = c->remote;
	fake_net.flags = flags;
	give(handle);
	return record("connect", 0, c->cookie, 0);
}

int net_accept(ix_handle_t handle, uint64_t cookie)
{
	return record("accept", handle, cookie, 0);
}

int net_reject(ix_handle_t handle)
{
	return record("reject", handle, 0, 0);
}

int net_sendv(ix_handle_t handle, const struct net_range *ranges, unsigned count, unsigned flags, uint64_t *taken)
{
	record_ranges(ranges, count);
	fake_net.flags = flags;
	give(taken);
	return record("sendv", handle, 0, 0);
}

int net_send(ix_handle_t handle, const struct net_range *range, unsigned flags, uint64_t *taken)
{
	return net_sendv(handle, range, 1, flags, taken);
}

int net_send_back(ix_handle_t handle, uint64_t bytes, unsigned flags, uint64_t *taken)
{
	fake_net.flags = flags;
	give(taken);
	return record("send_back", handle, bytes, 0);
}

int net_recv_done(ix_handle_t handle, uint64_t bytes)
{
	return record("recv_done", handle, bytes, 0);
}

int net_shutdown(ix_handle_t handle)
{
	return record("shutdown", handle, 0, 0);
}

int net_close(ix_handle_t handle)
{
	return record("close", handle, 0, 0);
}

int net_abort(ix_handle_t handle)
{
	return record("abort", handle, 0, 0);
}

int net_set(ix_handle_t handle, uint64_t option, uint64_t value)
{
	return record("set", handle, option, value);
}

int net_release(ix_handle_t handle)
{
	return record("release", handle, 0, 0);
}

uint32_t net_take_moved(void)
{
	return fake_net.status == IX_MOVED;
}

int net_udp_bind(const struct ix_endpoint *local, uint64_t cookie, ix_handle_t *handle)
{
	fake_net.local = *local;
	give(handle);
	return record("udp_bind", 0, cookie, 0);
}

int net_udp_unbind(ix_handle_t handle)
{
	return record("udp_unbind", handle, 0, 0);
}

int net_udp_send(ix_handle_t handle, const struct ix_endpoint *remote, const struct net_range *data, uint64_t *sent)
{
	fake_net.remote = *remote;
	record_ranges(data, 1);
	give(sent);
	return record("udp_send", handle, 0, 0);
}

int net_udp_recv_done(ix_handle_t handle, uint64_t datagrams)
{
	return record("udp_recv_done", handle, datagrams, 0);
}
