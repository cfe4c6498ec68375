/* SPDX-License-Identifier: MIT */
/*
 * From an IP packet to a frame, for both families: the Ethernet header comes from the connection's cache,
 * else from the table of neighbours, else the boot core finds it out.
 */
#include "kernel/net/ip.h"

#include "kernel/base/bytes.h"
#include "kernel/cpu/cpu.h"
#include "kernel/flow/flow.h"
#include "kernel/net/checksum.h"
#include "kernel/net/demux.h"
#include "kernel/net/tuple.h"
#include "kernel/net/tcp_ts.h"

bool output_link_is_known(struct conn *c)
{
	uint32_t version = neighbour_version();
	uint8_t l2[ETH_BYTES];
	struct ip6 to;

	if (likely(c->l2_version == version))
		return true;
	to = tuple_remote(pcb_of(c));
	if (!neighbour_link_header(&to, l2))
		return false;
	memcpy(c->l2, l2, ETH_BYTES);
	c->l2_version = version;
	return true;
}

/* Puts the Ethernet header in front. Return: false if the neighbour's address is not known. */
static bool put_link_header(struct pbuf *p, const struct ip6 *to, struct conn *c)
{
	uint8_t l2[ETH_BYTES];
	const uint8_t *from = c ? c->l2 : l2;

	if (c ? !output_link_is_known(c) : !neighbour_link_header(to, l2))
		return false;
	ip_extend(p, ETH_BYTES);
	memcpy(p->payload, from, ETH_BYTES);
	return true;
}

/* What the device would have done. */
static void fill_checksum(uint8_t *frame, unsigned tcp_at, unsigned bytes)
{
	struct tcp_hdr *tcp = (struct tcp_hdr *)(void *)(frame + tcp_at);
	const struct ip_hdr *ip = (const struct ip_hdr *)(const void *)(frame + ETH_BYTES);

	tcp->chksum = tcp_at == TCP4_AT ? checksum_pseudo(ip->src.addr, ip->dest.addr, IP_PROTOCOL_TCP, bytes)
					: checksum_pseudo_ip6(frame + ETH_BYTES, IP_PROTOCOL_TCP, bytes);
	tcp->chksum = (uint16_t)~port_chksum(tcp, (int)bytes);
}

/* A copy goes to the boot core, which finds the neighbour and sends it. @p begins at the IP header. */
static err_t send_unresolved(struct pbuf *p, unsigned tcp_at)
{
	struct buf *b = p->tot_len <= BUF_BYTES - ETH_BYTES ? buf_alloc() : NULL;

	if (!b) {
		net_self.stats.dropped_no_buffer++;
		return ERR_OK; /* as if lost */
	}
	b->off = 0;
	b->len = (uint16_t)(p->tot_len + ETH_BYTES);
	b->next = NULL;
	b->frame_bytes = b->len;
	b->flags = BUF_RESOLVE;
	b->core = (uint8_t)core_id();
	b->count = 1;
	b->segments = 1;
	pbuf_copy_partial(p, b->data + ETH_BYTES, p->tot_len, 0);
	if (tcp_at)
		fill_checksum(b->data, tcp_at, b->len - tcp_at);
	if (core_id() == 0) {
		neighbour_resolve(b);
	} else if (!flow_hand(0, b)) {
		net_self.stats.dropped_no_buffer++;
		buf_free(b);
	}
	return ERR_OK;
}

err_t ip_send(struct pbuf *p, const struct ip6 *to, unsigned tcp_at)
{
	struct conn *c = tcp_at ? net_self.tx_conn : NULL;
	err_t err;

	if (unlikely(!ip_has_room(p, ETH_BYTES))) { /* never lwIP's way; the header would overwrite the pbuf */
		net_self.stats.dropped_no_memory++;
		return ERR_BUF;
	}
	if (unlikely(!put_link_header(p, to, c)))
		return send_unresolved(p, tcp_at);
	err = output_frame(p, c, tcp_at);
	if (unlikely(err != ERR_OK))
		ip_extend(p, -(int)ETH_BYTES);
	else if (tcp_at)
		net_self.stats.segments_out++;
	return err;
}

void output_bare(const struct demux_tuple *t, const struct bare_segment *s)
{
	unsigned bytes = TCP_BYTES + s->option_bytes;
	struct pbuf *p = pbuf_alloc(PBUF_IP, (u16_t)bytes, PBUF_RAM);
	ip_addr_t local, remote;
	struct tcp_hdr *tcp;

	if (!p)
		return;
	tcp = p->payload;
	memset(tcp, 0, TCP_BYTES);
	tcp->src = t->local_port;
	tcp->dest = t->remote_port;
	tcp->seqno = be32(s->seq);
	tcp->ackno = be32(s->ack);
	tcp->wnd = be16(s->window);
	TCPH_HDRLEN_FLAGS_SET(tcp, bytes / 4, s->flags);
	memcpy((uint8_t *)p->payload + TCP_BYTES, s->options, s->option_bytes);
	tuple_put(t, &local, &remote);
	ip_output_if(p, &local, &remote, DEFAULT_TTL, 0, IP_PROTOCOL_TCP, &net_self.netif);
	pbuf_free(p);
}

void output_ack(const struct demux_tuple *t, const struct timewait *w)
{
	struct bare_segment s = { .seq = w->snd_nxt, .ack = w->rcv_nxt, .flags = TCP_ACK };

	if (w->until_ms & TIMEWAIT_HAS_TS)
		s.option_bytes = ts_write(s.options, ts_clock_of(t), w->ts_recent);
	output_bare(t, &s);
}
