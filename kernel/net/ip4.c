/* SPDX-License-Identifier: MIT */
/*
 * The IP layer below lwIP's TCP, UDP and ICMP, in place of lwIP's own ip4.c: one interface, one address,
 * so a header is written in one go, together with the Ethernet header of the connection's cache.
 * [RFC 791]
 */
#include "kernel/base/bytes.h"
#include "kernel/net/checksum.h"
#include "kernel/net/ip.h"
#include "kernel/net/ip6.h"

#define VERSION_AND_BYTES 0x45u
#define IP_DONT_FRAGMENT 0x4000u

static PERCORE uint16_t next_id;

/* What lwIP asks before it sends: there is one way, once we have an address. */
struct netif *ip4_route(const ip4_addr_t *dest)
{
	(void)dest;
	return ip4_addr_get_u32(netif_ip4_addr(&net_self.netif)) ? &net_self.netif : NULL;
}

err_t ip4_send(struct netif *netif, struct pbuf *p, const ip4_addr_t *to)
{
	struct ip6 there = ip6_mapped(ip4_addr_get_u32(to));

	(void)netif;
	return ip_send(p, &there, ((const struct ip_hdr *)p->payload)->_proto == IP_PROTOCOL_TCP ? TCP4_AT : 0);
}

/* A header without options, its checksum included. @l4_bytes: behind it. */
static inline void write_ip_header(void *at, be32_t from, be32_t to, unsigned l4_bytes, uint32_t tos_ttl_protocol)
{
	uint32_t head = VERSION_AND_BYTES | (tos_ttl_protocol & 0xff) << 8 |
			(uint32_t)be16((uint16_t)(IP4_BYTES + l4_bytes)) << 16;
	/* TCP finds out what the path takes, and what is never cut needs no name [RFC 1191 3, RFC 6864 4.1]. */
	uint32_t name = tos_ttl_protocol >> 16 == IP_PROTOCOL_TCP ? be16(IP_DONT_FRAGMENT) << 16 : be16(next_id++);
	uint32_t rest = tos_ttl_protocol >> 8;
	uint64_t two[2];

	rest |= (uint32_t)(uint16_t)~checksum_fold_short((uint64_t)head + name + rest + from + to) << 16;
	two[0] = head | (uint64_t)name << 32;
	two[1] = rest | (uint64_t)from << 32;
	memcpy(at, &two[0], sizeof(two[0]));
	memcpy((uint8_t *)at + 8, &two[1], sizeof(two[1]));
	memcpy((uint8_t *)at + 16, &to, sizeof(to));
}

/* What a segment's header has of its connection. */
static inline uint32_t tos_ttl_tcp(const struct tcp_pcb *pcb)
{
	return pcb->tos | (uint32_t)pcb->ttl << 8 | IP_PROTOCOL_TCP << 16;
}

void ip4_put_header(void *at, be32_t from, be32_t to, unsigned l4_bytes, uint8_t protocol)
{
	write_ip_header(at, from, to, l4_bytes, (uint32_t)DEFAULT_TTL << 8 | (uint32_t)protocol << 16);
}

static APART err_t output_segment6(struct pbuf *p, struct conn *c)
{
	const struct tcp_pcb *pcb = pcb_of(c);
	uint8_t *at = (uint8_t *)p->payload - TCP6_AT;

	memcpy(at, c->l2, ETH_BYTES);
	ip6_write_header(at + ETH_BYTES, &pcb->local_ip, &pcb->remote_ip, p->tot_len, tos_ttl_tcp(pcb));
	ip_extend(p, TCP6_AT);
	return output_frame(p, c, TCP6_AT);
}

/* Both headers in one go. */
static WITHIN err_t output_segment4(struct pbuf *p, struct conn *c)
{
	const struct tcp_pcb *pcb = pcb_of(c);
	be32_t from = ip_2_ip4(&pcb->local_ip)->addr, to = ip_2_ip4(&pcb->remote_ip)->addr;
	uint8_t *at = (uint8_t *)p->payload - TCP4_AT;

	memcpy(at, c->l2, ETH_BYTES);
	write_ip_header(at + ETH_BYTES, from, to, p->tot_len, tos_ttl_tcp(pcb));
	if (unlikely(!output_is_short(p))) {
		ip_extend(p, TCP4_AT);
		return output_frame(p, c, TCP4_AT);
	}
	((struct tcp_hdr *)p->payload)->chksum = checksum_pseudo(from, to, IP_PROTOCOL_TCP, p->tot_len);
	ip_extend_one(p, TCP4_AT);
	return output_short(p);
}

err_t output_segment(struct pbuf *p, struct conn *c)
{
	err_t err = likely(IP_IS_V4_VAL(pcb_of(c)->local_ip)) ? output_segment4(p, c) : output_segment6(p, c);

	if (unlikely(err != ERR_OK))
		ip_extend(p, -(int)ETH_BYTES);
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
	if (unlikely(!ip_has_room(p, IP4_BYTES)))
		return ERR_BUF;
	if (unlikely(net_self.is_replaying)) /* it was sent when it was asked for */
		return ERR_OK;
	write_ip_header((uint8_t *)p->payload - IP4_BYTES, src ? src->addr : 0, dest->addr, p->tot_len, rest);
	ip_extend(p, IP4_BYTES);
	if (unlikely(p->tot_len > net_self.netif.mtu && proto != IP_PROTOCOL_TCP))
		return ip4_frag(p, netif, dest);
	return ip4_send(netif, p, dest);
}

err_t ip4_output_if(struct pbuf *p, const ip4_addr_t *src, const ip4_addr_t *dest, u8_t ttl, u8_t tos, u8_t proto,
		    struct netif *netif)
{
	struct conn *c = net_self.tx_conn;

	if (likely(proto == IP_PROTOCOL_TCP && ip_is_ready(p, c, TCP4_AT)))
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
