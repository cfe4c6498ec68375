/* SPDX-License-Identifier: MIT */
/*
 * The IP layer below lwIP's TCP, UDP and ICMP, in place of lwIP's own ip4.c: one interface, one address,
 * so a header is written in one go, together with the Ethernet header of the connection's cache.
 * [RFC 791]
 */
#include "kernel/base/bytes.h"
#include "kernel/flow/flow.h"
#include "kernel/net/checksum.h"
#include "kernel/net/demux.h"
#include "kernel/net/neighbour.h"
#include "kernel/net/output.h"

#define VERSION_AND_BYTES 0x45u
#define IP_DONT_FRAGMENT 0x4000u
#define NOTE_BYTES PBUF_LINK_ENCAPSULATION_HLEN

static PERCORE uint16_t next_id;

/* What lwIP asks before it sends: there is one way, once we have an address. */
struct netif *ip4_route(const ip4_addr_t *dest)
{
	(void)dest;
	return ip4_addr_get_u32(netif_ip4_addr(&net_self.netif)) ? &net_self.netif : NULL;
}

/* Whether @bytes fit in front of the payload, behind the pbuf and output.c's note. */
static bool has_room(const struct pbuf *p, unsigned bytes)
{
	return (p->type_internal & PBUF_TYPE_FLAG_STRUCT_DATA_CONTIGUOUS) &&
	       (const char *)p->payload - (const char *)(p + 1) >= (long)(NOTE_BYTES + bytes);
}

static void extend(struct pbuf *p, int bytes)
{
	p->payload = (char *)p->payload - bytes;
	p->len = (u16_t)(p->len + bytes);
	p->tot_len = (u16_t)(p->tot_len + bytes);
}

bool output_link_is_known(struct conn *c)
{
	uint32_t version = neighbour_version();
	uint8_t l2[ETH_BYTES];

	if (likely(c->l2_version == version))
		return true;
	if (!neighbour_link_header(ip4_addr_get_u32(ip_2_ip4(&pcb_of(c)->remote_ip)), l2))
		return false;
	memcpy(c->l2, l2, ETH_BYTES);
	c->l2_version = version;
	return true;
}

/* Puts the Ethernet header in front. Return: false if the neighbour's address is not known. */
static bool put_link_header(struct pbuf *p, be32_t to, struct conn *c)
{
	uint8_t l2[ETH_BYTES];
	const uint8_t *from = c ? c->l2 : l2;

	if (c ? !output_link_is_known(c) : !neighbour_link_header(to, l2))
		return false;
	extend(p, ETH_BYTES);
	memcpy(p->payload, from, ETH_BYTES);
	return true;
}

/* A copy goes to the boot core, which finds the neighbour and sends it. @p begins at the IP header. */
static err_t send_unresolved(struct pbuf *p, bool needs_csum)
{
	struct buf *b = p->tot_len <= BUF_BYTES - ETH_BYTES ? buf_alloc() : NULL;
	struct ip_hdr *ip;

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
	ip = (struct ip_hdr *)(void *)(b->data + ETH_BYTES);
	if (needs_csum) {
		struct tcp_hdr *tcp = (struct tcp_hdr *)(void *)(b->data + ETH_BYTES + IP4_BYTES);
		uint32_t bytes = p->tot_len - IP4_BYTES;

		tcp->chksum = checksum_pseudo(ip->src.addr, ip->dest.addr, IP_PROTOCOL_TCP, bytes);
		tcp->chksum = (uint16_t)~port_chksum(tcp, (int)bytes);
	}
	if (core_id() == 0) {
		neighbour_resolve(b);
	} else if (!flow_hand(0, b)) {
		net_self.stats.dropped_no_buffer++;
		buf_free(b);
	}
	return ERR_OK;
}

err_t ip4_send(struct netif *netif, struct pbuf *p, const ip4_addr_t *to)
{
	bool is_tcp = ((const struct ip_hdr *)p->payload)->_proto == IP_PROTOCOL_TCP;
	struct conn *c = is_tcp ? net_self.tx_conn : NULL;
	err_t err;

	if (unlikely(!has_room(p, ETH_BYTES))) { /* never lwIP's way; the header would overwrite the pbuf */
		net_self.stats.dropped_no_memory++;
		return ERR_BUF;
	}
	if (unlikely(!put_link_header(p, ip4_addr_get_u32(to), c)))
		return send_unresolved(p, is_tcp && !(netif->chksum_flags & NETIF_CHECKSUM_GEN_TCP));
	err = output_frame(p, c, is_tcp);
	if (unlikely(err != ERR_OK))
		extend(p, -(int)ETH_BYTES);
	else if (is_tcp)
		net_self.stats.segments_out++;
	return err;
}

/* A header without options, its checksum included. @l4_bytes: behind it. */
static inline void write_ip_header(void *at, be32_t from, be32_t to, unsigned l4_bytes, uint32_t tos_ttl_protocol)
{
	uint32_t words[5];

	words[0] = VERSION_AND_BYTES | (tos_ttl_protocol & 0xff) << 8 |
		   (uint32_t)be16((uint16_t)(IP4_BYTES + l4_bytes)) << 16;
	/* TCP finds out what the path takes, and what is never cut needs no name [RFC 1191 3, RFC 6864 4.1]. */
	words[1] = tos_ttl_protocol >> 16 == IP_PROTOCOL_TCP ? be16(IP_DONT_FRAGMENT) << 16 : be16(next_id++);
	words[2] = tos_ttl_protocol >> 8;
	words[3] = from;
	words[4] = to;
	words[2] |=
		(uint32_t)(uint16_t)~checksum_fold_short((uint64_t)words[0] + words[1] + words[2] + words[3] + words[4])
		<< 16;
	memcpy(at, words, sizeof(words));
}

/* Both headers in one go. */
err_t output_segment(struct pbuf *p, struct conn *c)
{
	const struct tcp_pcb *pcb = pcb_of(c);
	uint8_t *at = (uint8_t *)p->payload - ETH_BYTES - IP4_BYTES;
	err_t err;

	memcpy(at, c->l2, ETH_BYTES);
	write_ip_header(at + ETH_BYTES, ip_2_ip4(&pcb->local_ip)->addr, ip_2_ip4(&pcb->remote_ip)->addr, p->tot_len,
			pcb->tos | (uint32_t)pcb->ttl << 8 | IP_PROTOCOL_TCP << 16);
	extend(p, ETH_BYTES + IP4_BYTES);
	err = output_frame(p, c, true);
	if (unlikely(err != ERR_OK))
		extend(p, -(int)ETH_BYTES);
	else
		net_self.stats.segments_out++;
	return err;
}

/* lwIP's name and arguments; @dest LWIP_IP_HDRINCL: the header is there already. */
err_t ip4_output_if_src(struct pbuf *p, const ip4_addr_t *src, const ip4_addr_t *dest, u8_t ttl, u8_t tos, u8_t proto,
			struct netif *netif)
{
	uint32_t rest = tos | (uint32_t)ttl << 8 | (uint32_t)proto << 16;
	ip4_addr_t there;

	if (unlikely(dest == LWIP_IP_HDRINCL)) {
		memcpy(&there, (const uint8_t *)p->payload + 16, sizeof(there));
		return ip4_send(netif, p, &there);
	}
	if (unlikely(!has_room(p, IP4_BYTES)))
		return ERR_BUF;
	if (unlikely(net_self.is_replaying)) /* it was sent when it was asked for */
		return ERR_OK;
	write_ip_header((uint8_t *)p->payload - IP4_BYTES, src ? src->addr : 0, dest->addr, p->tot_len, rest);
	extend(p, IP4_BYTES);
	if (unlikely(p->tot_len > netif->mtu && proto != IP_PROTOCOL_TCP))
		return ip4_frag(p, netif, dest);
	return ip4_send(netif, p, dest);
}

err_t ip4_output_if(struct pbuf *p, const ip4_addr_t *src, const ip4_addr_t *dest, u8_t ttl, u8_t tos, u8_t proto,
		    struct netif *netif)
{
	struct conn *c = net_self.tx_conn;

	if (likely(c && proto == IP_PROTOCOL_TCP && c->l2_version == neighbour_version() &&
		   has_room(p, ETH_BYTES + IP4_BYTES)))
		return output_segment(p, c);
	if (unlikely(dest != LWIP_IP_HDRINCL && (!src || !src->addr)))
		src = netif_ip4_addr(netif);
	return ip4_output_if_src(p, src, dest, ttl, tos, proto, netif);
}

/* A packet that input.c has checked, to lwIP's ICMP and UDP. */
err_t ip4_input(struct pbuf *p, struct netif *inp)
{
	const struct ip_hdr *ip = p->payload;
	uint16_t header = IPH_HL_BYTES(ip);
	bool is_udp = ip->_proto == IP_PROTOCOL_UDP;

	ip_data.current_netif = inp;
	ip_data.current_input_netif = inp;
	ip_data.current_ip4_header = ip;
	ip_data.current_ip_header_tot_len = header;
	ip_addr_copy_from_ip4(ip_data.current_iphdr_src, ip->src);
	ip_addr_copy_from_ip4(ip_data.current_iphdr_dest, ip->dest);
	pbuf_remove_header(p, header);
	if (is_udp)
		udp_input(p, inp);
	else
		icmp_input(p, inp);
	return ERR_OK;
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
	if (net_self.netif.chksum_flags & NETIF_CHECKSUM_GEN_TCP) {
		tcp->chksum = tuple_checksum(t, IP_PROTOCOL_TCP, bytes);
		tcp->chksum = (uint16_t)~port_chksum(tcp, (int)bytes);
	}
	tuple_put(t, &local, &remote);
	ip_output_if(p, &local, &remote, DEFAULT_TTL, 0, IP_PROTOCOL_TCP, &net_self.netif);
	pbuf_free(p);
}

void output_ack(const struct demux_tuple *t, uint32_t seq, uint32_t ack)
{
	struct bare_segment s = { .seq = seq, .ack = ack, .flags = TCP_ACK };

	output_bare(t, &s);
}
