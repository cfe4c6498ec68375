/* SPDX-License-Identifier: MIT */
/* The IPv6 layer below lwIP's TCP and UDP, in place of lwIP's own ip6.c and nd6.c. [RFC 8200] */
#include "kernel/net/core.h"

/* What lwIP asks before it sends: no way out without an address. */
struct netif *ip6_route(const ip6_addr_t *src, const ip6_addr_t *dest)
{
	(void)src;
	(void)dest;
	return NULL;
}

const ip_addr_t *ip6_select_source_address(struct netif *netif, const ip6_addr_t *dest)
{
	(void)netif;
	(void)dest;
	return NULL;
}

err_t ip6_output_if(struct pbuf *p, const ip6_addr_t *src, const ip6_addr_t *dest, u8_t hl, u8_t tc, u8_t nexth,
		    struct netif *netif)
{
	return ip6_output_if_src(p, src, dest, hl, tc, nexth, netif);
}

err_t ip6_output_if_src(struct pbuf *p, const ip6_addr_t *src, const ip6_addr_t *dest, u8_t hl, u8_t tc, u8_t nexth,
			struct netif *netif)
{
	(void)p;
	(void)src;
	(void)dest;
	(void)hl;
	(void)tc;
	(void)nexth;
	(void)netif;
	return ERR_RTE;
}

/* ip_input() of lwIP, which nobody calls, refers to it. */
err_t ip6_input(struct pbuf *p, struct netif *inp)
{
	(void)inp;
	pbuf_free(p);
	return ERR_OK;
}

/* lwIP asks for the MSS that it may send. */
u16_t nd6_get_destination_mtu(const ip6_addr_t *dest, struct netif *netif)
{
	(void)dest;
	return netif ? netif->mtu : net_shared.mtu;
}

/* The interface's life: neighbours and addresses are not lwIP's. */
void nd6_restart_netif(struct netif *netif)
{
	(void)netif;
}

void nd6_cleanup_netif(struct netif *netif)
{
	(void)netif;
}
