/* SPDX-License-Identifier: MIT */
/*
 * Who may send what to whom [ovs-fields(7), ovs-actions(7)].
 *
 * Table 0 looks at the source. What comes from a guest's port must carry its MAC and IPv4 address, in ARP and ND, too; IPv6
 * only its link-local address and what routers make of its interface id. All else is dropped and counted (spoofed). What comes
 * from a port that nobody knows is dropped.
 * Table 1 has what guests send. A guest reaches the host and the world behind the other ports, and those guests that allow it
 * and that it allows. All else of another guest's goes to table 2, where it is dropped and counted (forbidden).
 * Table 3 has what host and world send: it goes to the port whose MAC it has; broadcasts and multicasts from there reach all.
 * Nothing is learnt, so nothing can be taught wrong. There are some ten flows a guest, however many others there are.
 */
#include "hostctl/sw/flows.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 512

static void add(struct blob *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct blob *out, const char *fmt, ...)
{
	char text[LINE_BYTES];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (n < 0 || n >= LINE_BYTES)
		abort();
	blob_add(out, text, (size_t)n);
}

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

static void add_source_ip4(struct blob *out, const struct ovs_port *p, const char *mac)
{
	static const uint8_t none[4];
	const uint8_t *a = p->address;

	/* Before it has an address: DHCP [RFC 2131 4.1], and ARP that asks whether an address is free [RFC 5227]. */
	add(out,
	    "table=0,priority=90,in_port=%d,dl_src=%s,udp,nw_src=0.0.0.0,tp_src=68,tp_dst=67,actions=goto_table:1\n",
	    p->number, mac);
	add(out, "table=0,priority=90,in_port=%d,dl_src=%s,arp,arp_spa=0.0.0.0,arp_sha=%s,actions=goto_table:1\n",
	    p->number, mac, mac);
	if (memcmp(a, none, 4) == 0)
		return;
	add(out, "table=0,priority=90,in_port=%d,dl_src=%s,ip,nw_src=%u.%u.%u.%u,actions=goto_table:1\n", p->number,
	    mac, a[0], a[1], a[2], a[3]);
	add(out, "table=0,priority=90,in_port=%d,dl_src=%s,arp,arp_spa=%u.%u.%u.%u,arp_sha=%s,actions=goto_table:1\n",
	    p->number, mac, a[0], a[1], a[2], a[3], mac);
}

/* ND is looked at first: a claim to an address must be to its own, with its own link-layer address [RFC 4861 4.3, 4.4]. */
static void add_source_ip6(struct blob *out, const struct ovs_port *p, const char *mac)
{
	char text[24];
	const char *id = interface_id(p->mac, text);
	const char *own = "::ffff:ffff:ffff:ffff";

	add(out,
	    "table=0,priority=95,in_port=%d,dl_src=%s,icmp6,ipv6_src=::%s/%s,icmp_type=136,nd_target=::%s/%s,nd_tll=%s,"
	    "actions=goto_table:1\n",
	    p->number, mac, id, own, id, own, mac);
	add(out, "table=0,priority=94,cookie=0x%llx,in_port=%d,icmp6,icmp_type=136,actions=drop\n",
	    FLOWS_SPOOFED | (unsigned)p->number, p->number);
	add(out, "table=0,priority=94,cookie=0x%llx,in_port=%d,icmp6,icmp_type=134,actions=drop\n",
	    FLOWS_SPOOFED | (unsigned)p->number, p->number);
	add(out, "table=0,priority=90,in_port=%d,dl_src=%s,ipv6,ipv6_src=::%s/%s,actions=goto_table:1\n", p->number,
	    mac, id, own);
	add(out, "table=0,priority=90,in_port=%d,dl_src=%s,icmp6,ipv6_src=::,icmp_type=135,actions=goto_table:1\n",
	    p->number, mac);
}

static void add_source(struct blob *out, const struct ovs_port *p)
{
	char text[18];
	const char *mac = mac_text(p->mac, text);

	add_source_ip4(out, p, mac);
	add_source_ip6(out, p, mac);
	add(out, "table=0,priority=80,cookie=0x%llx,in_port=%d,actions=drop\n", FLOWS_SPOOFED | (unsigned)p->number,
	    p->number);
}

/* What a guest sends to everybody: host and world, and guests it may talk to. */
static void add_broadcast(struct blob *out, const struct ovs_ports *ports, const struct ovs_port *p)
{
	bool is_first = true;

	add(out, "table=1,priority=70,in_port=%d,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00,actions=", p->number);
	for (unsigned i = 0; i < ports->count; i++) {
		const struct ovs_port *to = &ports->port[i];

		if (to->number < 0 || (is_guest(to) && !may_talk(p, to)))
			continue;
		add(out, "%soutput:%d", is_first ? "" : ",", to->number);
		is_first = false;
	}
	add(out, "%s\n", is_first ? "drop" : "");
}

/* Guest to guest: to those it may talk to; every other's MAC is forbidden. */
static void add_neighbours(struct blob *out, const struct ovs_ports *ports, const struct ovs_port *p)
{
	char text[18];

	for (unsigned i = 0; i < ports->count; i++) {
		const struct ovs_port *to = &ports->port[i];

		if (to->number > 0 && may_talk(p, to))
			add(out, "table=1,priority=60,in_port=%d,dl_dst=%s,actions=output:%d\n", p->number,
			    mac_text(to->mac, text), to->number);
	}
	add(out, "table=1,priority=55,dl_dst=%s,actions=goto_table:2\n", mac_text(p->mac, text));
	add(out, "table=2,priority=50,cookie=0x%llx,in_port=%d,actions=drop\n", FLOWS_FORBIDDEN | (unsigned)p->number,
	    p->number);
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
		add(out, "%soutput:%d", between, ports->port[i].number);
		between = ",";
	}
	add(out, "%s\n", *between == '\0' ? "drop" : "");
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
			add(out, "table=1,priority=50,in_port=%d,dl_dst=%s,actions=output:%d\n", p->number,
			    mac_text(to->mac, text), to->number);
	}
	add(out, "table=1,priority=40,in_port=%d,actions=", p->number);
	add_outputs(out, ports, has_world ? is_world : is_host);
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
			add(out, "table=0,priority=50,in_port=%d,actions=goto_table:3\n", p->number);
		if (is_guest(p) || is_host(p))
			add(out, "table=3,priority=30,dl_dst=%s,actions=output:%d\n", mac_text(p->mac, text),
			    p->number);
		if (is_host(p)) {
			add(out, "table=3,priority=10,in_port=%d,actions=", p->number);
			add_outputs(out, ports, is_world);
		}
	}
	add(out, "table=3,priority=20,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00,actions=");
	add_outputs(out, ports, is_any);
	add(out, "table=3,priority=0,actions=drop\n");
}

char *flows_write(const struct ovs_ports *ports)
{
	struct blob out = { 0 };

	add(&out, "table=0,priority=0,cookie=0x%llx,actions=drop\n", FLOWS_OTHER);
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
