/* SPDX-License-Identifier: MIT */
/*
 * Our IPv6 addresses, prefixes and routers, and how long each lasts. Tables are small and first come, first
 * served: what is in use is never driven out by what somebody sends, it only ends with its own lifetime.
 * [RFC 4862 5, RFC 4861 6.3]
 */
#include "kernel/net/setup6.h"

#include "kernel/base/bytes.h"
#include "kernel/base/ip6.h"
#include "kernel/base/log.h"
#include "kernel/conf/conf.h"
#include "kernel/cpu/cpu.h"
#include "kernel/flow/flow.h"
#include "kernel/net/mld.h"
#include "kernel/net/nd.h"
#include "kernel/net/neighbour.h"
#include "kernel/net/netif.h"
#include "kernel/net/ra.h"

#define ROUTERS 3u
#define TICK_TICKS (1000000u / TIME_TICK_US)
#define PROBE_S 1u             /* RetransTimer: so long a claim is waited for [RFC 4862 5.1] */
#define UNCHANGED_BELOW_S 7200 /* nobody cuts an address' rest of life shorter than this [RFC 4862 5.5.3 e] */

struct address {
	struct ip6 ip;
	uint8_t origin; /* enum setup6_origin */
	bool is_used;
	bool is_claimed;    /* and that was said */
	bool is_tentative;  /* until probe_s */
	uint32_t probe_s;   /* when the link was asked */
	uint32_t preferred; /* until then, in seconds; SETUP6_FOREVER */
	uint32_t valid;
};

struct prefix {
	struct ip6 ip;
	uint8_t bits;   /* 0: free */
	bool is_static; /* the manifest's: no router ends it */
	uint32_t valid;
};

struct router {
	struct ip6 ip; /* ::: free */
	uint8_t mac[6];
	bool is_silent;
	uint32_t valid;
};

/* Boot core only. */
static struct setup6 {
	struct address addresses[IP6_ADDRESSES];
	struct prefix prefixes[IP6_PREFIXES];
	struct router routers[ROUTERS];
	struct router *router; /* in use, NULL: none */
	uint16_t mtu;
	struct time_node timer;
} setup;

static uint32_t now_s(void)
{
	return (uint32_t)(net_self.now_tick / TICK_TICKS);
}

static uint32_t until(uint32_t seconds)
{
	uint32_t end = now_s() + seconds;

	return seconds == SETUP6_FOREVER || end < seconds ? SETUP6_FOREVER : end;
}

static bool is_over(uint32_t end)
{
	return end != SETUP6_FOREVER && end <= now_s();
}

/* ---- what all cores see ---- */
static void publish(void)
{
	struct ip6_setup s = { .mtu = setup.mtu };

	for (unsigned i = 0; i < IP6_ADDRESSES; i++) {
		const struct address *a = &setup.addresses[i];

		if (!a->is_used)
			continue;
		if (is_over(a->preferred))
			s.deprecated |= (uint8_t)(1u << s.address_count);
		s.addresses[s.address_count++] = a->ip;
	}
	for (unsigned i = 0; i < IP6_PREFIXES; i++) {
		if (!setup.prefixes[i].bits)
			continue;
		s.prefixes[s.prefix_count] = setup.prefixes[i].ip;
		s.prefix_bits[s.prefix_count++] = setup.prefixes[i].bits;
	}
	if (setup.router)
		s.router = setup.router->ip;
	if (!memcmp(&s, &net_shared.ip6, sizeof(s)))
		return;
	ip6_publish(&s);
	neighbour_rerouted();
	netif_say_ready();
}

static void arm(void)
{
	if (!time_is_armed(&setup.timer))
		time_arm(&setup.timer, net_self.now_tick + TICK_TICKS);
}

/* ---- addresses ---- */
static struct address *address_find(const struct ip6 *ip)
{
	for (unsigned i = 0; i < IP6_ADDRESSES; i++)
		if (setup.addresses[i].is_used && ip6_is_equal(&setup.addresses[i].ip, ip))
			return &setup.addresses[i];
	return NULL;
}

static void say(const struct address *a, const char *what)
{
	char text[IP6_TEXT_BYTES];

	ip6_text(text, &a->ip);
	log_line("net: address %s %s", text, what);
}

static void address_end(struct address *a, const char *why)
{
	say(a, why);
	a->is_used = false;
}

static struct address *free_address(void)
{
	for (unsigned i = 0; i < IP6_ADDRESSES; i++)
		if (!setup.addresses[i].is_used)
			return &setup.addresses[i];
	return NULL;
}

/* Return: NULL if there are as many as there may be. */
static struct address *address_begin(const struct ip6 *ip, enum setup6_origin origin)
{
	static const char *const says[ORIGIN_NR] = { NULL, NULL, "by DHCP", "by router advertisement" };
	struct address *a = free_address();

	if (!a)
		return NULL;
	*a = (struct address){ .ip = *ip,
			       .origin = (uint8_t)origin,
			       .is_used = true,
			       .is_tentative = true,
			       .probe_s = now_s(),
			       .preferred = SETUP6_FOREVER,
			       .valid = SETUP6_FOREVER };
	publish(); /* from here on answers reach us */
	mld_report();
	nd_probe(ip);
	if (says[origin])
		say(a, says[origin]);
	arm();
	return a;
}

void setup6_address(const struct ip6 *ip, enum setup6_origin origin, uint32_t preferred_s, uint32_t valid_s)
{
	struct address *a = address_find(ip);
	uint32_t rest = a && a->valid != SETUP6_FOREVER ? a->valid - now_s() : SETUP6_FOREVER;

	if (!a && valid_s) {
		a = address_begin(ip, origin);
		rest = 0;
	}
	if (!a || a->origin != origin)
		return;
	if (origin == ORIGIN_ADVERTISED && valid_s <= UNCHANGED_BELOW_S && valid_s < rest)
		valid_s = rest <= UNCHANGED_BELOW_S ? rest : UNCHANGED_BELOW_S;
	a->valid = until(valid_s);
	a->preferred = until(MIN(preferred_s, valid_s));
	if (is_over(a->valid))
		address_end(a, "is taken back");
	publish();
	arm();
}

bool setup6_is_tentative(const struct ip6 *ip)
{
	const struct address *a = address_find(ip);

	return a && a->is_tentative;
}

void setup6_claimed(const struct ip6 *ip, const uint8_t mac[6], bool is_claim)
{
	struct address *a = address_find(ip);

	if (!a || (!is_claim && !a->is_tentative))
		return;
	if (!a->is_claimed)
		log_line("net: host %02x:%02x:%02x:%02x:%02x:%02x claims an address of ours", mac[0], mac[1], mac[2],
			 mac[3], mac[4], mac[5]);
	a->is_claimed = true;
	/* What the manifest says stays, and so does what was ours before: a claim costs nothing. */
	if (!a->is_tentative || a->origin == ORIGIN_STATIC)
		return;
	address_end(a, "is in use elsewhere");
	publish();
}

struct ip6 setup6_interface_id(const struct ip6 *prefix)
{
	const uint8_t *mac = nic_info()->mac;
	uint8_t id[8] = { mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5] };
	struct ip6 ip = *prefix;

	memcpy(&ip.words[2], id, sizeof(id));
	return ip;
}

/* ---- prefixes and routers ---- */
void setup6_prefix(const struct ip6 *ip, unsigned bits, uint32_t valid_s)
{
	struct prefix *p = NULL;

	for (unsigned i = 0; i < IP6_PREFIXES; i++) {
		struct prefix *q = &setup.prefixes[i];

		if (q->bits == bits && ip6_is_prefix(&q->ip, ip, bits)) {
			p = q;
			break;
		}
		if (!q->bits && !p)
			p = q;
	}
	if (!p || p->is_static || (!p->bits && !valid_s))
		return;
	p->ip = *ip;
	p->bits = valid_s ? (uint8_t)bits : 0;
	p->valid = until(valid_s);
	publish();
	arm();
}

void setup6_mtu(unsigned mtu)
{
	if (mtu < IP6_MTU_MIN || mtu > net_shared.mtu)
		return;
	setup.mtu = (uint16_t)mtu;
	publish();
}

bool setup6_has_router(void)
{
	return setup.router && !setup.router->is_silent;
}

static bool is_free(const struct router *r)
{
	return ip6_is_zero(&r->ip);
}

/* The first that answers; if none does, the one there was [RFC 4861 6.3.6]. */
static void choose_router(void)
{
	if (setup.router && !is_free(setup.router) && !setup.router->is_silent)
		return;
	if (setup.router && is_free(setup.router))
		setup.router = NULL;
	for (unsigned i = 0; i < ROUTERS; i++) {
		struct router *r = &setup.routers[i];

		if (is_free(r) || (setup.router && r->is_silent))
			continue;
		setup.router = r;
		if (!r->is_silent)
			break;
	}
	publish();
}

static struct router *router_find(const struct ip6 *ip)
{
	for (unsigned i = 0; i < ROUTERS; i++)
		if (!is_free(&setup.routers[i]) && ip6_is_equal(&setup.routers[i].ip, ip))
			return &setup.routers[i];
	return NULL;
}

static struct router *router_new(void)
{
	for (unsigned i = 0; i < ROUTERS; i++)
		if (is_free(&setup.routers[i]))
			return &setup.routers[i];
	return NULL;
}

bool setup6_router(const struct ip6 *ip, const uint8_t mac[6], uint32_t valid_s)
{
	struct router *r = router_find(ip);
	uint8_t known[6];

	if (!r && valid_s) {
		r = router_new();
		if (!r)
			return false;
		*r = (struct router){ .ip = *ip };
		memcpy(r->mac, mac, sizeof(r->mac));
	}
	if (!r)
		return false;
	if (neighbour_mac(ip, known))
		memcpy(r->mac, known, sizeof(r->mac));
	if (memcmp(r->mac, mac, sizeof(r->mac)) != 0) {
		neighbour_learn(ip, mac); /* a second claim: the first one is asked */
		return false;
	}
	r->is_silent = false;
	if (r->valid != SETUP6_FOREVER) { /* else the manifest's: no advertisement ends it */
		r->valid = until(valid_s);
		if (!valid_s)
			r->ip = (struct ip6){ 0 };
	}
	choose_router();
	arm();
	return setup.router == r;
}

void setup6_router_silent(const struct ip6 *ip)
{
	struct router *r = router_find(ip);

	if (!r)
		return;
	r->is_silent = true;
	choose_router();
}

/* ---- time ---- */
/* Return: whether anything can still end. */
static bool age(void)
{
	bool has_more = false;

	for (unsigned i = 0; i < IP6_ADDRESSES; i++) {
		struct address *a = &setup.addresses[i];

		if (!a->is_used)
			continue;
		if (a->is_tentative && now_s() - a->probe_s > PROBE_S) {
			a->is_tentative = false;
			nd_announce(&a->ip);
		}
		if (is_over(a->valid))
			address_end(a, "has ended");
		has_more |= a->is_used && (a->is_tentative || a->valid != SETUP6_FOREVER);
	}
	for (unsigned i = 0; i < IP6_PREFIXES; i++) {
		if (setup.prefixes[i].bits && is_over(setup.prefixes[i].valid))
			setup.prefixes[i].bits = 0;
		has_more |= setup.prefixes[i].bits && setup.prefixes[i].valid != SETUP6_FOREVER;
	}
	for (unsigned i = 0; i < ROUTERS; i++) {
		struct router *r = &setup.routers[i];

		if (!is_free(r) && is_over(r->valid))
			r->ip = (struct ip6){ 0 };
		has_more |= !is_free(r);
	}
	return has_more;
}

static void on_second(struct time_node *node)
{
	bool has_more = age();

	choose_router();
	publish();
	/* So that one that has died is noticed although only connections with cached headers use it. */
	if (setup.router)
		neighbour_want(&setup.router->ip);
	if (has_more)
		time_arm(node, net_self.now_tick + TICK_TICKS);
}

static void static_prefix(const struct ip6 *ip, unsigned bits)
{
	setup6_prefix(ip, bits, SETUP6_FOREVER); /* the first of all: there is room */
	setup.prefixes[0].is_static = true;
}

void setup6_core0_init(void)
{
	const struct conf *conf = net_shared.conf;
	struct ip6 link = { { be32(0xfe800000), 0, 0, 0 } };

	time_node_init(&setup.timer, on_second);
	if (!conf->slaac && ip6_is_zero(&conf->address6))
		return;
	if (net_shared.mtu < IP6_MTU_MIN) {
		log_line("net: no IPv6 with an MTU of %u, it takes %u", net_shared.mtu, IP6_MTU_MIN);
		return;
	}
	mld_core0_init();
	link = setup6_interface_id(&link);
	setup6_address(&link, ORIGIN_LINK_LOCAL, SETUP6_FOREVER, SETUP6_FOREVER);
	if (!ip6_is_zero(&conf->address6)) {
		setup6_address(&conf->address6, ORIGIN_STATIC, SETUP6_FOREVER, SETUP6_FOREVER);
		if (conf->prefix6_bits)
			static_prefix(&conf->address6, conf->prefix6_bits);
	}
	if (!ip6_is_zero(&conf->gateway6)) {
		setup.routers[0] = (struct router){ .ip = conf->gateway6, .valid = SETUP6_FOREVER };
		setup.router = &setup.routers[0];
		publish();
	}
	if (conf->slaac)
		ra_core0_init();
}
