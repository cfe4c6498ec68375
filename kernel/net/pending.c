/* SPDX-License-Identifier: MIT */
/* The calls of the door that are not served yet. */
#include "kernel/abi/status.h"
#include "kernel/net/handle.h"
#include "kernel/base/bytes.h"
#include "kernel/conf/conf.h"
#include "kernel/flow/flow.h"
int net_init(const struct conf *conf)
{
	return handle_init(conf->connections);
}
int net_core_init(void)
{
	return 0;
}
be32_t net_address(void)
{
	return 0;
}
void net_tx_reclaim(void)
{
}
void net_input(struct buf **frames, unsigned count)
{
	while (count--)
		buf_free_frame(*frames++);
}
void net_output(void)
{
}
void net_events(void)
{
}
bool net_has_events(void)
{
	return false;
}
int net_listen(const struct ix_endpoint *l, uint64_t c, ix_handle_t *h)
{
	(void)l;
	(void)c;
	(void)h;
	return IX_UNSUPPORTED;
}
int net_unlisten(ix_handle_t h)
{
	(void)h;
	return IX_UNSUPPORTED;
}
int net_connect(const struct ix_connect *c, ix_handle_t *h)
{
	(void)c;
	(void)h;
	return IX_UNSUPPORTED;
}
int net_accept(ix_handle_t h, uint64_t c)
{
	(void)h;
	(void)c;
	return IX_UNSUPPORTED;
}
int net_reject(ix_handle_t h)
{
	(void)h;
	return IX_UNSUPPORTED;
}
int net_sendv(ix_handle_t h, const struct net_range *r, unsigned c, unsigned f, uint64_t *t)
{
	(void)h;
	(void)r;
	(void)c;
	(void)f;
	(void)t;
	return IX_UNSUPPORTED;
}
int net_recv_done(ix_handle_t h, uint64_t b)
{
	(void)h;
	(void)b;
	return IX_UNSUPPORTED;
}
int net_shutdown(ix_handle_t h)
{
	(void)h;
	return IX_UNSUPPORTED;
}
int net_close(ix_handle_t h)
{
	(void)h;
	return IX_UNSUPPORTED;
}
int net_abort(ix_handle_t h)
{
	(void)h;
	return IX_UNSUPPORTED;
}
int net_set(ix_handle_t h, uint64_t o, uint64_t v)
{
	(void)h;
	(void)o;
	(void)v;
	return IX_UNSUPPORTED;
}
int net_udp_bind(const struct ix_endpoint *l, uint64_t c, ix_handle_t *h)
{
	(void)l;
	(void)c;
	(void)h;
	return IX_UNSUPPORTED;
}
int net_udp_unbind(ix_handle_t h)
{
	(void)h;
	return IX_UNSUPPORTED;
}
int net_udp_send(ix_handle_t h, const struct ix_endpoint *r, const struct net_range *d, uint64_t *s)
{
	(void)h;
	(void)r;
	(void)d;
	(void)s;
	return IX_UNSUPPORTED;
}
int net_udp_recv_done(ix_handle_t h, uint64_t d)
{
	(void)h;
	(void)d;
	return IX_UNSUPPORTED;
}
void net_partition_end(void)
{
}
unsigned net_partition_pending_tx(void)
{
	return 0;
}
void net_partition_start(void)
{
}
void net_stats(struct net_stats *out)
{
	memset(out, 0, sizeof(*out));
}
