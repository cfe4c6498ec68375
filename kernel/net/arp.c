/* SPDX-License-Identifier: MIT */
/* ARP on the wire: questions, answers, announcements; what is learned goes to neighbour.c. [RFC 826] */
#include "kernel/net/arp.h"

#include "kernel/base/bytes.h"
#include "kernel/flow/flow.h"
#include "kernel/net/ip6.h"
#include "kernel/net/neighbour.h"
#include "kernel/net/output.h"

#define ARP_BYTES 28u

/* On the wire, behind the Ethernet header. */
struct arp {
	be16_t hardware, protocol;
	uint8_t hardware_bytes, protocol_bytes;
	be16_t op;
	uint8_t sender_mac[6];
	uint8_t sender[4];
	uint8_t target_mac[6];
	uint8_t target[4];
};
_Static_assert(sizeof(struct arp) == ARP_BYTES, "wire format");

static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static const uint8_t nobody[6];

static void send_arp(uint16_t op, const uint8_t *to_mac, const uint8_t *target_mac, be32_t target)
{
	struct buf *b = buf_alloc();
	struct arp *a;

	if (!b)
		return;
	b->off = 0;
	b->len = ETH_BYTES + ARP_BYTES;
	neighbour_put_header(b->data, to_mac, ETH_TYPE_ARP);
	a = (struct arp *)(void *)(b->data + ETH_BYTES);
	a->hardware = be16(1);
	a->protocol = be16(ETH_TYPE_IP4);
	a->hardware_bytes = 6;
	a->protocol_bytes = 4;
	a->op = be16(op);
	memcpy(a->sender_mac, nic_info()->mac, 6);
	memcpy(a->sender, &net_shared.address, 4);
	memcpy(a->target_mac, target_mac, 6);
	memcpy(a->target, &target, 4);
	output_buf(b);
}

void arp_ask(be32_t address, const uint8_t *mac)
{
	send_arp(1, mac ? mac : broadcast, nobody, address);
}

void arp_announce(void)
{
	if (net_shared.address)
		send_arp(1, broadcast, nobody, net_shared.address);
}

void arp_input(struct buf *b)
{
	const struct arp *a = (const struct arp *)(const void *)(b->data + b->off + ETH_BYTES);
	be32_t sender, target;
	struct ip6 who;

	if (b->len < ETH_BYTES + ARP_BYTES || a->hardware != be16(1) || a->protocol != be16(ETH_TYPE_IP4) ||
	    a->hardware_bytes != 6 || a->protocol_bytes != 4 || !net_shared.address)
		goto out;
	memcpy(&sender, a->sender, sizeof(sender));
	memcpy(&target, a->target, sizeof(target));
	if (sender == net_shared.address)
		goto out; /* somebody claims our address: not believed, not answered (Limits) */
	who = ip6_mapped(sender);
	neighbour_learn(&who, a->sender_mac);
	if (a->op == be16(1) && target == net_shared.address)
		send_arp(2, a->sender_mac, a->sender_mac, sender);
out:
	buf_free_frame(b);
}
