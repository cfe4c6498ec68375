/* SPDX-License-Identifier: MIT */
/*
 * What only the boot core does, because it is rare: ARP, ND, ping, DHCP, datagrams to closed ports, errors
 * that others report, and packets of other cores whose neighbour is not known yet.
 */
#include "kernel/net/arp.h"
#include "kernel/net/icmp.h"
#include "kernel/net/input.h"
#include "kernel/net/ip6.h"
#include "kernel/net/neighbour.h"
#include "kernel/net/netif.h"
#include "kernel/net/output.h"

/* ICMP, and UDP that lwIP serves (DHCP) or refuses. */
static void ip4_in(struct buf *b)
{
	const uint8_t *ip = b->data + b->off + ETH_BYTES;
	uint16_t checks = net_self.netif.chksum_flags;

	/* The UDP checksum of a packet that never left the host's memory may not be filled in. */
	if (b->flags & BUF_CSUM_GOOD)
		net_self.netif.chksum_flags = (uint16_t)(checks & ~NETIF_CHECKSUM_CHECK_UDP);
	ip4_input(input_pbufs(b, ETH_BYTES, (unsigned)ip[2] << 8 | ip[3]), &net_self.netif);
	net_self.netif.chksum_flags = checks;
	netif_address_check();
}

void slow_path_input(struct buf *b)
{
	const uint8_t *eth = b->data + b->off;
	unsigned type = (unsigned)eth[12] << 8 | eth[13];

	if (b->flags & BUF_RESOLVE) {
		neighbour_resolve(b);
	} else if (type == ETH_TYPE_ARP) {
		arp_input(b);
	} else if (type == ETH_TYPE_IP6) {
		ip6_slow_input(b);
	} else if (icmp_is_tcp_error(b)) {
		icmp_error_input(b);
	} else {
		ip4_in(b);
	}
}
