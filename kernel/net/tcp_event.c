/* SPDX-License-Identifier: MIT */
/*
 * What lwIP reports while it works on one connection: data, acknowledgements, beginnings and ends. Here
 * they are only written down; nothing of lwIP is called from inside its own code.
 */
#include "kernel/net/backlog.h"
#include "kernel/net/core.h"

static void on_recv(struct conn *c, struct pbuf *p)
{
	if (!p)
		c->flags |= CONN_EOF;
	while (p) {
		struct pbuf *next = p->next;

		p->next = NULL;
		p->tot_len = p->len;
		if (!p->len || !tcp_rx_take(c, buf_of_pbuf(p), p->payload, p->len))
			pbuf_free(p);
		p = next;
	}
	if (c->flags & CONN_ACCEPTED)
		conn_mark(c);
}

static void on_sent(struct conn *c, u16_t bytes)
{
	c->acked += bytes;
	tcp_out_release(c);
}

/* The listener may have gone since the request came, and its port may belong to another one now, as this core knows. */
static bool is_listened_for(const struct conn *c, const struct tcp_pcb *pcb)
{
	const struct binding *b = binding_find(BINDING_TCP, pcb->local_port);

	return b && b->cookie == c->cookie;
}

static err_t on_accept(struct conn *c, struct tcp_pcb *pcb, err_t err)
{
	if (err != ERR_OK || !pcb) {
		net_self.stats.dropped_no_memory++;
		return ERR_MEM;
	}
	if (!is_listened_for(c, pcb))
		return ERR_VAL;
	if (!limit_take(c))
		return ERR_MEM;
	c->handle = net_handle_new(NET_CONNECTION, c);
	if (!c->handle)
		return ERR_MEM;
	net_self.stats.accepted++;
	backlog_established(c);
	conn_established(c, CONN_KNOCK);
	return ERR_OK;
}

/* @c: its pcb may be freed already, after tcp_abort(), or not yet, after a reset. */
static void on_err(struct conn *c, err_t err)
{
	if (err == ERR_CLSD)
		return; /* both directions are done; ring 3 still has to close its handle */
	if (!c->reason && err == ERR_RST)
		c->reason = pcb_of(c)->state == SYN_SENT ? IX_DEAD_REFUSED : IX_DEAD_RESET;
	if (!c->reason)
		c->reason = IX_DEAD_ABORTED;
	conn_end(c);
	conn_free_if_done(c);
}

/* Called by lwIP. @arg: the connection; of an accepted one that could not be allocated, the listener's binding. */
err_t lwip_tcp_event(void *arg, struct tcp_pcb *pcb, enum lwip_event event, struct pbuf *p, u16_t size, err_t err)
{
	switch (event) {
	case LWIP_EVENT_RECV:
		on_recv(arg, p);
		break;
	case LWIP_EVENT_SENT:
		on_sent(arg, size);
		break;
	case LWIP_EVENT_ACCEPT:
		return on_accept(arg, pcb, err);
	case LWIP_EVENT_CONNECTED:
		conn_established(arg, CONN_CONNECTED);
		break;
	case LWIP_EVENT_ERR:
		on_err(arg, err);
		break;
	case LWIP_EVENT_POLL:
		break;
	}
	return ERR_OK;
}
