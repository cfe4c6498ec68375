/* SPDX-License-Identifier: MIT */
/*
 * The groups that we are in are those that ask for our addresses. One report names all of them, when
 * they change and when a router asks. [RFC 3810 5.2, RFC 4861 7.2.1]
 */
#include "kernel/net/mld.h"

#include "kernel/base/bytes.h"
#include "kernel/cpu/cpu.h"

#define ROUTER_ALERT_BYTES 8u /* hop-by-hop header [RFC 2711] */
#define REPORT_BYTES 8u
#define RECORD_BYTES 20u
#define IS_EXCLUDE 2u /* record types: the answer to a query ... */
#define TO_EXCLUDE 4u /* ... and news */
#define QUERY_BYTES 24u
#define REPEATS 2u /* [RFC 3810 9.1] */
#define REPEAT_MS 1000u
#define TICKS_OF_MS(ms) ((uint64_t)(ms)*1000 / TIME_TICK_US)

/* Boot core only. */
static struct membership {
	struct time_node timer;
	uint32_t news_left; /* reports of a change still to be sent */
	bool is_asked;
} membership;

static bool is_listed(const struct ip6 *groups, unsigned count, const struct ip6 *group)
{
	for (unsigned i = 0; i < count; i++)
		if (ip6_is_equal(&groups[i], group))
			return true;
	return false;
}

static unsigned list_groups(struct ip6 groups[IP6_ADDRESSES])
{
	unsigned count = 0;

	for (unsigned i = 0; i < net_self.ip6.address_count; i++) {
		struct ip6 group = ip6_solicited(&net_self.ip6.addresses[i]);

		if (!is_listed(groups, count, &group))
			groups[count++] = group;
	}
	return count;
}

static void report(unsigned record_type)
{
	static const uint8_t alert[ROUTER_ALERT_BYTES] = { IP_PROTOCOL_ICMP6, 0, 5, 2, 0, 0, 1, 0 };
	static const struct ip6 routers = { { 0x000002ff, 0, 0, 0x16000000 } }; /* ff02::16 */
	struct ip6 groups[IP6_ADDRESSES];
	unsigned count = list_groups(groups), bytes = ROUTER_ALERT_BYTES + REPORT_BYTES + count * RECORD_BYTES;
	const struct ip6 *from = ip6_source(&routers);
	struct buf *b = from && count ? ip6_new(from, &routers, bytes, 1u << 8) : NULL;
	uint8_t *at;

	if (!b)
		return;
	at = b->data + ICMP6_AT;
	memcpy(at, alert, sizeof(alert));
	at += ROUTER_ALERT_BYTES;
	at[0] = ICMP6_MLD2_REPORT;
	at[7] = (uint8_t)count;
	at += REPORT_BYTES;
	for (unsigned i = 0; i < count; i++, at += RECORD_BYTES) {
		at[0] = (uint8_t)record_type;
		memcpy(at + 4, &groups[i], sizeof(groups[i]));
	}
	icmp6_send(b, ICMP6_AT + ROUTER_ALERT_BYTES, NULL);
}

static void on_due(struct time_node *node)
{
	if (membership.news_left) {
		membership.news_left--;
		report(TO_EXCLUDE);
	} else if (membership.is_asked) {
		report(IS_EXCLUDE);
	}
	membership.is_asked = false;
	if (membership.news_left)
		time_arm(node, net_self.now_tick + TICKS_OF_MS(REPEAT_MS));
}

static void arm(uint32_t ms)
{
	if (!time_is_armed(&membership.timer))
		time_arm(&membership.timer, net_self.now_tick + TICKS_OF_MS(ms));
}

void mld_core0_init(void)
{
	time_node_init(&membership.timer, on_due);
}

void mld_report(void)
{
	membership.news_left = REPEATS;
	arm(0);
}

void mld_query(const struct icmp6 *m)
{
	uint32_t wait_ms, random;

	if (m->bytes < QUERY_BYTES || m->ip[7] != 1 || !ip6_is_link_local(&m->from)) /* [RFC 3810 5.1.14] */
		return;
	wait_ms = (uint32_t)m->message[4] << 8 | m->message[5];
	cpu_random(&random, sizeof(random));
	membership.is_asked = true;
	arm(random % (MIN(wait_ms, REPEAT_MS) + 1)); /* sooner than it must be: one report answers many questions */
}
