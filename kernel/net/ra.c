/* SPDX-License-Identifier: MIT */
/*
 * Router advertisements, and asking for them. Only the router in use is believed about prefixes and MTU: the
 * first one that was heard, until it ends or falls silent. Its hop limit and timers are not taken, nor are
 * preferences between routers. [RFC 4861 6.3, RFC 4862 5.5, RFC 7559]
 */
#include "kernel/net/ra.h"

#include "kernel/base/bytes.h"
#include "kernel/conf/conf.h"
#include "kernel/flow/flow.h"
#include "kernel/net/dhcp6.h"
#include "kernel/net/nd.h"
#include "kernel/net/setup6.h"
#include "kernel/net/word.h"

#define MESSAGE_BYTES 16u /* of an advertisement before its options */
#define OPTION_BYTES 8u
#define PREFIX_BYTES 32u
#define MANAGED 0x80u        /* flag of an advertisement: a DHCPv6 server has addresses */
#define PREFIX_ON_LINK 0x80u /* flags of a prefix */
#define PREFIX_AUTONOMOUS 0x40u
#define ID_BITS 64u /* of an Ethernet interface's identifier: the only length a prefix can have for it */
#define OPTIONS_MAX 16u
#define FIRST_WAIT_S 1u /* until the first question is repeated; doubled up to the last */
#define LAST_WAIT_S 3600u
#define TICKS_OF_S(s) ((uint64_t)(s)*1000000 / TIME_TICK_US)

/* Boot core only. */
static struct solicitor {
	struct time_node timer;
	uint32_t wait_s;
} solicitor;

/* ---- questions ---- */
static void solicit(void)
{
	static const struct ip6 all_routers = { { 0x000002ff, 0, 0, 0x02000000 } }; /* ff02::2 */
	static const struct ip6 nobody;
	const struct ip6 *from = ip6_source(&all_routers);
	struct buf *b;

	if (!from || setup6_is_tentative(from))
		from = &nobody; /* [RFC 4429 3.2]: nothing that names our Ethernet address */
	b = icmp6_new(from, &all_routers, ICMP6_ROUTER_SOLICITATION, 8 + (from == &nobody ? 0 : OPTION_BYTES));
	if (!b)
		return;
	if (from != &nobody) {
		icmp6_body(b)[8] = ND_SOURCE_MAC;
		icmp6_body(b)[9] = 1;
		memcpy(icmp6_body(b) + 10, nic_info()->mac, 6);
	}
	icmp6_send(b, ICMP6_AT, NULL);
}

static void on_wait(struct time_node *node)
{
	if (setup6_has_router())
		solicitor.wait_s = FIRST_WAIT_S; /* from the beginning when it has gone */
	else
		solicit();
	time_arm(node, net_self.now_tick + TICKS_OF_S(solicitor.wait_s));
	solicitor.wait_s = MIN(2 * solicitor.wait_s, LAST_WAIT_S);
}

void ra_core0_init(void)
{
	dhcp6_core0_init();
	time_node_init(&solicitor.timer, on_wait);
	solicitor.wait_s = FIRST_WAIT_S;
	on_wait(&solicitor.timer);
}

/* ---- answers ---- */
static void take_prefix(const uint8_t *option)
{
	unsigned bits = option[2], flags = option[3];
	uint32_t valid_s = word_at(option + 4), preferred_s = word_at(option + 8);
	struct ip6 prefix;

	memcpy(&prefix, option + 16, sizeof(prefix));
	if (bits == 0 || bits > 128 || preferred_s > valid_s || !ip6_is_host(&prefix) || ip6_is_link_local(&prefix))
		return;
	if (flags & PREFIX_ON_LINK)
		setup6_prefix(&prefix, bits, valid_s);
	if ((flags & PREFIX_AUTONOMOUS) && bits == ID_BITS) {
		struct ip6 address = setup6_interface_id(&prefix);

		setup6_address(&address, ORIGIN_ADVERTISED, preferred_s, valid_s);
	}
}

static void take_options(const uint8_t *o, unsigned bytes)
{
	for (unsigned count = 0; bytes && count < OPTIONS_MAX; count++) {
		unsigned size = o[1] * 8u;

		if (o[0] == ND_PREFIX && size == PREFIX_BYTES)
			take_prefix(o);
		else if (o[0] == ND_MTU && size == OPTION_BYTES)
			setup6_mtu(word_at(o + 4));
		o += size;
		bytes -= size;
	}
}

void ra_input(const struct icmp6 *m)
{
	const uint8_t *options = m->message + MESSAGE_BYTES;
	uint32_t valid_s;

	if (!net_shared.conf->slaac || m->bytes < MESSAGE_BYTES || !ip6_is_link_local(&m->from) ||
	    !nd_options_are_good(options, m->bytes - MESSAGE_BYTES))
		return;
	valid_s = (uint32_t)m->message[6] << 8 | m->message[7];
	if (!setup6_router(&m->from, m->eth + 6, valid_s))
		return;
	take_options(options, m->bytes - MESSAGE_BYTES);
	if (m->message[5] & MANAGED)
		dhcp6_want();
}
