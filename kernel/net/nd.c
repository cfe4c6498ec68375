/* SPDX-License-Identifier: MIT */
/*
 * Neighbour solicitations and advertisements. Nothing that a stranger sends makes an entry: an answer goes
 * to the Ethernet address that asked. [RFC 4861 7, RFC 4862 5.4]
 */
#include "kernel/net/nd.h"

#include "kernel/base/bytes.h"
#include "kernel/flow/flow.h"
#include "kernel/net/neighbour.h"
#include "kernel/net/setup6.h"

#define MESSAGE_BYTES 24u /* type to target */
#define OPTION_BYTES 8u   /* one with an Ethernet address */
#define SOLICITED 0x40u   /* flags of an advertisement */
#define OVERRIDE 0x20u

bool nd_options_are_good(const uint8_t *options, unsigned bytes)
{
	while (bytes) {
		if (bytes < 8 || !options[1] || options[1] * 8u > bytes)
			return false;
		bytes -= options[1] * 8u;
		options += options[1] * 8u;
	}
	return true;
}

const uint8_t *nd_option(const uint8_t *options, unsigned bytes, unsigned type)
{
	while (bytes >= 8 && options[1] && options[1] * 8u <= bytes) {
		if (options[0] == type)
			return options;
		bytes -= options[1] * 8u;
		options += options[1] * 8u;
	}
	return NULL;
}

static void put_option(uint8_t *at, unsigned type)
{
	at[0] = (uint8_t)type;
	at[1] = 1;
	memcpy(at + 2, nic_info()->mac, 6);
}

/* ---- questions ---- */
static void solicit(const struct ip6 *from, const struct ip6 *target, const uint8_t *mac)
{
	/* An address that may be another's must not get into anybody's table [RFC 4429 3.3]. */
	bool says_mac = !ip6_is_zero(from) && !setup6_is_tentative(from);
	struct ip6 to = mac ? *target : ip6_solicited(target);
	struct buf *b = icmp6_new(from, &to, ICMP6_NEIGHBOUR_SOLICITATION,
				  MESSAGE_BYTES + (says_mac ? OPTION_BYTES : 0));

	if (!b)
		return;
	memcpy(icmp6_body(b) + 8, target, sizeof(*target));
	if (says_mac)
		put_option(icmp6_body(b) + MESSAGE_BYTES, ND_SOURCE_MAC);
	icmp6_send(b, ICMP6_AT, mac);
}

void nd_ask(const struct ip6 *address, const uint8_t *mac)
{
	const struct ip6 *from = ip6_source(address);

	if (!from && net_self.ip6.address_count)
		from = &net_self.ip6.addresses[0];
	if (from)
		solicit(from, address, mac);
}

void nd_probe(const struct ip6 *address)
{
	static const struct ip6 nobody;

	solicit(&nobody, address, NULL);
}

/* ---- answers ---- */
static void advertise(const struct ip6 *address, const struct ip6 *to, unsigned flags, const uint8_t *mac)
{
	struct buf *b = icmp6_new(address, to, ICMP6_NEIGHBOUR_ADVERTISEMENT, MESSAGE_BYTES + OPTION_BYTES);

	if (!b)
		return;
	icmp6_body(b)[4] = (uint8_t)(flags | (setup6_is_tentative(address) ? 0 : OVERRIDE));
	memcpy(icmp6_body(b) + 8, address, sizeof(*address));
	put_option(icmp6_body(b) + MESSAGE_BYTES, ND_TARGET_MAC);
	icmp6_send(b, ICMP6_AT, mac);
}

static const struct ip6 all_nodes = { { 0x000002ff, 0, 0, 0x01000000 } }; /* ff02::1 */

void nd_announce(const struct ip6 *address)
{
	advertise(address, &all_nodes, 0, NULL);
}

static bool read_target(const struct icmp6 *m, struct ip6 *target)
{
	if (m->bytes < MESSAGE_BYTES || !nd_options_are_good(m->message + MESSAGE_BYTES, m->bytes - MESSAGE_BYTES))
		return false;
	memcpy(target, m->message + 8, sizeof(*target));
	return !ip6_is_multicast(target);
}

void nd_solicitation(const struct icmp6 *m)
{
	const uint8_t *mac = NULL;
	bool is_probe = ip6_is_zero(&m->from);
	struct ip6 target;

	if (!read_target(m, &target) || !ip6_is_ours(&target))
		return;
	mac = nd_option(m->message + MESSAGE_BYTES, m->bytes - MESSAGE_BYTES, ND_SOURCE_MAC);
	if (is_probe) {
		struct ip6 group = ip6_solicited(&target);

		if (mac || !ip6_is_equal(&m->to, &group)) /* [RFC 4861 7.1.1] */
			return;
		if (memcmp(m->eth + 6, nic_info()->mac, 6) != 0)
			setup6_claimed(&target, m->eth + 6, false);
		if (ip6_is_ours(&target))
			advertise(&target, &all_nodes, 0, NULL);
		return;
	}
	if (mac)
		neighbour_learn(&m->from, mac + 2);
	advertise(&target, &m->from, SOLICITED, mac ? mac + 2 : m->eth + 6);
}

void nd_advertisement(const struct icmp6 *m)
{
	const uint8_t *mac;
	struct ip6 target;

	if (!read_target(m, &target) || (ip6_is_multicast(&m->to) && (m->message[4] & SOLICITED)))
		return;
	if (ip6_is_ours(&target)) {
		setup6_claimed(&target, m->eth + 6, true);
		return;
	}
	mac = nd_option(m->message + MESSAGE_BYTES, m->bytes - MESSAGE_BYTES, ND_TARGET_MAC);
	neighbour_learn(&target, mac ? mac + 2 : m->eth + 6); /* an answer to one may leave it out */
}

void nd_neighbour_gone(const struct ip6 *address)
{
	if (!ip6_is_mapped(address))
		setup6_router_silent(address);
}
