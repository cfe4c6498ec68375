/* SPDX-License-Identifier: MIT */
/*
 * Who may send what to whom [ovs-fields(7), ovs-actions(7)].
 *
 * Table 0 looks at the source. What comes from a guest's port must carry its MAC and its addresses, in ARP and ND, too, and must
 * not be what only routers and servers say. All else goes to table 4, where it is dropped and counted (spoofed).
 * Table 1 has what guests send. A guest reaches the host and the world behind the other ports, and those guests that allow it
 * and that it allows. What is for another guest, by its MAC or, through whoever would pass it on, by its address, goes to table
 * 2, where it is dropped and counted (forbidden). What is for everybody has to pass the guest's meter (meters.c).
 * Table 3 has what host and world send: it goes to the port whose MAC it has; broadcasts and multicasts from there reach all.
 * Nothing is learnt from guests, so nothing can be taught wrong. An address that a DHCP server of host or world sends to the MAC
 * of a guest that asks for one leaves a flow in table 5, where no frame ever comes: states.c reads it there. There are some twenty flows a guest, however many others there are.
 */
#include "hostctl/sw/flows.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OWN6_TEXT 48
#define OFFERED_S 600u /* that an offer is remembered */

static bool is_guest(const struct ovs_port *p)
{
	return p->guest[0] != '\0';
}

static const char *mac_text(const uint8_t mac[6], char text[18])
{
	snprintf(text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	return text;
}

/* Both say so, or it is not. */
static bool allows(const struct ovs_port *from, const struct ovs_port *to)
{
	for (unsigned i = 0; i < from->allow_count; i++)
		if (strcmp(from->allow[i], to->guest) == 0)
			return true;
	return false;
}

static bool may_talk(const struct ovs_port *a, const struct ovs_port *b)
{
	return a != b && is_guest(a) && is_guest(b) && allows(a, b) && allows(b, a);
}

/* The interface identifier of a MAC [RFC 4291 appendix A] as the low half of an IPv6 address. */
static const char *interface_id(const uint8_t mac[6], char text[24])
{
	snprintf(text, 24, "%x:%x:%x:%x", (mac[0] ^ 2) << 8 | mac[1], mac[2] << 8 | 0xff, 0xfe00 | mac[3],
		 mac[4] << 8 | mac[5]);
	return text;
}

static const char *ip4_text(const uint8_t a[4], char text[16])
{
	snprintf(text, 16, "%u.%u.%u.%u", a[0], a[1], a[2], a[3]);
	return text;
}

static bool is_set(const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (bytes[i] != 0)
			return true;
	return false;
}

static void add_source_ip4(struct blob *out, const struct ovs_port *p, const char *mac)
{
	char own[16];

	/* Before it has an address: DHCP [RFC 2131 4.1], and ARP that asks whether an address is free [RFC 5227]. */
	if (p->is_dhcp)
		blob_print(out,
			   "table=0,priority=97,in_port=%d,dl_src=%s,udp,nw_src=0.0.0.0,tp_src=68,tp_dst=67,"
			   "actions=goto_table:1\n",
			   p->number, mac);
	if (p->is_dhcp)
		blob_print(out,
			   "table=0,priority=90,in_port=%d,dl_src=%s,arp,arp_spa=0.0.0.0,arp_sha=%s,actions=goto_table:"
			   "1\n",
			   p->number, mac, mac);
	if (!is_set(p->address, 4))
		return;
	ip4_text(p->address, own);
	blob_print(out, "table=0,priority=90,in_port=%d,dl_src=%s,ip,nw_src=%s,actions=goto_table:1\n", p->number, mac,
		   own);
	blob_print(out, "table=0,priority=90,in_port=%d,dl_src=%s,arp,arp_spa=%s,arp_sha=%s,actions=goto_table:1\n",
		   p->number, mac, own, mac);
	blob_print(out,
		   "table=0,priority=90,in_port=%d,dl_src=%s,arp,arp_spa=0.0.0.0,arp_tpa=%s,arp_sha=%s,actions=goto_"
		   "table:1\n",
		   p->number, mac, own, mac);
}

/* What it may say as @own. A claim to an address must be to its own, with its own link-layer address [RFC 4861 4.3, 4.4]. */
static void add_source_ip6(struct blob *out, const struct ovs_port *p, const char *mac, const char *own)
{
	char from[48];

	snprintf(from, sizeof(from), "in_port=%d,dl_src=%s", p->number, mac);
	blob_print(out,
		   "table=0,priority=96,%s,icmp6,ipv6_src=%s,icmp_type=136,icmp_code=0,nd_target=%s,nd_tll=%s,"
		   "actions=goto_table:1\n",
		   from, own, own, mac);
	blob_print(
		out,
		"table=0,priority=96,%s,icmp6,ipv6_src=%s,icmp_type=135,icmp_code=0,nd_sll=%s,actions=goto_table:1\n",
		from, own, mac);
	blob_print(out,
		   "table=0,priority=96,%s,icmp6,ipv6_src=%s,icmp_type=135,icmp_code=0,nd_sll=00:00:00:00:00:00,"
		   "actions=goto_table:1\n",
		   from, own);
	blob_print(out,
		   "table=0,priority=96,%s,icmp6,ipv6_src=::,icmp_type=135,icmp_code=0,nd_target=%s,"
		   "nd_sll=00:00:00:00:00:00,actions=goto_table:1\n",
		   from, own);
	blob_print(out, "table=0,priority=93,%s,udp6,ipv6_src=%s,ip_frag=yes,actions=goto_table:1\n", from, own);
	blob_print(out, "table=0,priority=93,%s,ipv6,ipv6_src=%s,ip_frag=later,actions=goto_table:1\n", from, own);
	blob_print(out, "table=0,priority=90,%s,ipv6,ipv6_src=%s,actions=goto_table:1\n", from, own);
}

/* The IPv6 addresses that are @p's, as text to match: what routers make of its interface id, and those that it was given. */
static unsigned own_ip6(const struct ovs_port *p, char own[2][OWN6_TEXT])
{
	char text[24];

	snprintf(own[0], OWN6_TEXT, "::%s/::ffff:ffff:ffff:ffff", interface_id(p->mac, text));
	if (!is_set(p->address6, 16))
		return 1;
	inet_ntop(AF_INET6, p->address6, own[1], OWN6_TEXT);
	return 2;
}

static void add_source(struct blob *out, const struct ovs_port *p)
{
	char text[18], own[2][OWN6_TEXT];
	const char *mac = mac_text(p->mac, text);
	unsigned owns = own_ip6(p, own);

	add_source_ip4(out, p, mac);
	for (unsigned i = 0; i < owns; i++)
		add_source_ip6(out, p, mac, own[i]);
	/* Before its address is known to be free it asks for routers and says which groups it hears [RFC 4861 4.1, RFC 3590]. */
	blob_print(out,
		   "table=0,priority=90,in_port=%d,dl_src=%s,icmp6,ipv6_src=::,icmp_type=133,actions=goto_table:1\n",
		   p->number, mac);
	blob_print(out,
		   "table=0,priority=90,in_port=%d,dl_src=%s,icmp6,ipv6_src=::,icmp_type=143,actions=goto_table:1\n",
		   p->number, mac);
	blob_print(out, "table=4,priority=50,cookie=0x%llx,in_port=%d,actions=drop\n",
		   FLOWS_SPOOFED | (unsigned)p->number, p->number);
}

/*
 * What no guest says, of whatever port it is: frames with a tag, which would leave by a port to the world as another network's;
 * what DHCP servers and routers say; ND in words that are not its own, or where it cannot be seen: in fragments whose first does
 * not show that they are a datagram [RFC 6980], or behind headers that end too soon, of which OVS says that nothing follows.
 */
static void add_refused(struct blob *out)
{
	static const char *const what[] = {
		"priority=100,vlan_tci=0x1000/0x1000",
		"priority=95,udp,tp_src=67",
		"priority=95,udp6,tp_src=547",
		"priority=95,icmp6,icmp_type=130",
		"priority=95,icmp6,icmp_type=134",
		"priority=95,icmp6,icmp_type=135",
		"priority=95,icmp6,icmp_type=136",
		"priority=95,icmp6,icmp_type=137",
		"priority=92,ipv6,ip_frag=yes",
		"priority=92,ipv6,nw_proto=0",
		"priority=0",
	};

	for (unsigned i = 0; i < sizeof(what) / sizeof(what[0]); i++)
		blob_print(out, "table=0,%s,actions=goto_table:4\n", what[i]);
	blob_print(out, "table=4,priority=0,cookie=0x%llx,actions=drop\n", FLOWS_OTHER);
	/* The host takes its loopback address from there, for published ports [bridge.c]. */
	blob_print(out, "table=1,priority=75,ip,nw_dst=127.0.0.0/8,actions=goto_table:2\n");
	blob_print(out, "table=3,priority=40,ip,nw_dst=127.0.0.0/8,actions=drop\n");
}

/* What a guest sends to everybody: host and world, and guests it may talk to. */
static void add_broadcast(struct blob *out, const struct ovs_ports *ports, const struct ovs_port *p)
{
	bool is_first = true;

	blob_print(out,
		   "table=1,priority=70,in_port=%d,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00,actions=", p->number);
	for (unsigned i = 0; i < ports->count; i++) {
		const struct ovs_port *to = &ports->port[i];

		if (to->number < 0 || (is_guest(to) && !may_talk(p, to)))
			continue;
		if (is_first)
			blob_print(out, "meter:%d", p->number);
		blob_print(out, ",output:%d", to->number);
		is_first = false;
	}
	blob_print(out, "%s\n", is_first ? "drop" : "");
}

/* Guest to guest: to those it may talk to; every other's MAC is forbidden, and so is its address by way of a router. */
static void add_neighbours(struct blob *out, const struct ovs_ports *ports, const struct ovs_port *p)
{
	char text[18], own[2][OWN6_TEXT];
	unsigned owns = own_ip6(p, own);

	for (unsigned i = 0; i < ports->count; i++) {
		const struct ovs_port *to = &ports->port[i];

		if (to->number > 0 && may_talk(p, to))
			blob_print(out, "table=1,priority=60,in_port=%d,dl_dst=%s,actions=output:%d\n", p->number,
				   mac_text(to->mac, text), to->number);
	}
	blob_print(out, "table=1,priority=55,dl_dst=%s,actions=goto_table:2\n", mac_text(p->mac, text));
	if (is_set(p->address, 4))
		blob_print(out, "table=1,priority=56,ip,nw_dst=%s,actions=goto_table:2\n", ip4_text(p->address, text));
	for (unsigned i = 0; i < owns; i++)
		blob_print(out, "table=1,priority=56,ipv6,ipv6_dst=%s,actions=goto_table:2\n", own[i]);
	blob_print(out, "table=2,priority=50,cookie=0x%llx,in_port=%d,actions=drop\n",
		   FLOWS_FORBIDDEN | (unsigned)p->number, p->number);
}

static bool is_host(const struct ovs_port *p)
{
	return strcmp(p->name, SW_HOST_PORT) == 0;
}

/* "output:A,output:B" of those that @wanted says, or "drop", and the line's end. */
static void add_outputs(struct blob *out, const struct ovs_ports *ports, bool (*wanted)(const struct ovs_port *p))
{
	const char *between = "";

	for (unsigned i = 0; i < ports->count; i++) {
		if (ports->port[i].number < 0 || !wanted(&ports->port[i]))
			continue;
		blob_print(out, "%soutput:%d", between, ports->port[i].number);
		between = ",";
	}
	blob_print(out, "%s\n", *between == '\0' ? "drop" : "");
}

static bool is_any(const struct ovs_port *p)
{
	(void)p;
	return true;
}

static bool is_world(const struct ovs_port *p)
{
	return !is_guest(p) && !is_host(p);
}

/* The rest of what a guest sends: to the host by its MAC, else to the world, which is the host where there is no other port. */
static void add_outward(struct blob *out, const struct ovs_ports *ports, const struct ovs_port *p)
{
	bool has_world = false;
	char text[18];

	for (unsigned i = 0; i < ports->count; i++) {
		const struct ovs_port *to = &ports->port[i];

		has_world |= is_world(to) && to->number > 0;
		if (is_host(to) && to->number > 0)
			blob_print(out, "table=1,priority=50,in_port=%d,dl_dst=%s,actions=output:%d\n", p->number,
				   mac_text(to->mac, text), to->number);
	}
	blob_print(out, "table=1,priority=40,in_port=%d,actions=", p->number);
	add_outputs(out, ports, has_world ? is_world : is_host);
}

/* What a DHCP server sends to @p, who keeps its MAC in the destination and the address in question beside it [RFC 2131 4.1]. */
static void add_offers(struct blob *out, const struct ovs_port *p)
{
	char text[18];

	blob_print(
		out,
		"table=3,priority=35,udp,dl_dst=%s,tp_src=67,tp_dst=68,actions=learn(table=5,hard_timeout=%u,limit=%u,"
		"cookie=0x%llx,"
		"eth_type=0x800,in_port=%d,NXM_OF_IP_SRC[]=NXM_OF_IP_DST[]),output:%d\n",
		mac_text(p->mac, text), OFFERED_S, SW_OFFERED_MAX, FLOWS_OFFERED | (unsigned)p->number, p->number,
		p->number);
}

/*
 * What host and world send. No frame goes back where it came from [ovs-actions(7) output], and none from one port of the
 * world to another: that would be a loop where both lead to one network.
 */
static void add_inward(struct blob *out, const struct ovs_ports *ports)
{
	char text[18];

	for (unsigned i = 0; i < ports->count; i++) {
		const struct ovs_port *p = &ports->port[i];

		if (p->number <= 0)
			continue;
		if (!is_guest(p))
			blob_print(out, "table=0,priority=200,in_port=%d,actions=goto_table:3\n", p->number);
		if (is_guest(p) || is_host(p))
			blob_print(out, "table=3,priority=30,dl_dst=%s,actions=output:%d\n", mac_text(p->mac, text),
				   p->number);
		if (is_guest(p) && p->is_dhcp)
			add_offers(out, p);
		if (is_host(p)) {
			blob_print(out, "table=3,priority=10,in_port=%d,actions=", p->number);
			add_outputs(out, ports, is_world);
		}
	}
	blob_print(out, "table=3,priority=20,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00,actions=");
	add_outputs(out, ports, is_any);
	blob_print(out, "table=3,priority=0,actions=drop\n");
}

char *flows_write(const struct ovs_ports *ports)
{
	struct blob out = { 0 };

	add_refused(&out);
	for (unsigned i = 0; i < ports->count; i++) {
		const struct ovs_port *p = &ports->port[i];

		if (!is_guest(p) || p->number < 0)
			continue;
		add_source(&out, p);
		add_broadcast(&out, ports, p);
		add_neighbours(&out, ports, p);
		add_outward(&out, ports, p);
	}
	add_inward(&out, ports);
	blob_add(&out, "", 1);
	return (char *)out.data;
}
