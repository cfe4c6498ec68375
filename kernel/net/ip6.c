/* SPDX-License-Identifier: MIT */
/*
 * The IPv6 layer below lwIP's TCP, in place of lwIP's own ip6.c and nd6.c: which addresses are ours, the
 * source of a packet, its header. Neighbours and routers are nd.c's and ra.c's. [RFC 8200, RFC 6724]
 */
#include "kernel/net/ip6.h"

#include "kernel/base/bytes.h"
#include "kernel/cpu/cpu.h"
#include "kernel/net/binding.h"
#include "kernel/net/ip.h"

/* ---- addresses ---- */
bool ip6_is_prefix(const struct ip6 *a, const struct ip6 *b, unsigned bits)
{
	for (unsigned i = 0; i < 4 && bits; i++) {
		unsigned part = MIN(bits, 32u);

		if (be32(a->words[i] ^ b->words[i]) >> (32 - part))
			return false;
		bits -= part;
	}
	return true;
}

bool ip6_is_host(const struct ip6 *a)
{
	bool is_low = !(a->words[0] | a->words[1] | a->words[2]) && be32(a->words[3]) <= 1;

	return !is_low && !ip6_is_multicast(a) && !ip6_is_mapped(a);
}

struct ip6 ip6_solicited(const struct ip6 *a)
{
	return (struct ip6){ { be32(0xff020000), 0, be32(1), be32(0xff000000u | (be32(a->words[3]) & 0xffffffu)) } };
}

bool ip6_is_ours(const struct ip6 *a)
{
	for (unsigned i = 0; i < net_self.ip6.address_count; i++)
		if (ip6_is_equal(a, &net_self.ip6.addresses[i]))
			return true;
	return false;
}

bool ip6_is_for_us(const struct ip6 *a)
{
	static const struct ip6 all_nodes = { { 0x000002ff, 0, 0, 0x01000000 } }; /* ff02::1 */

	if (!ip6_is_multicast(a))
		return ip6_is_ours(a);
	if (ip6_is_equal(a, &all_nodes))
		return true;
	for (unsigned i = 0; i < net_self.ip6.address_count; i++) {
		struct ip6 group = ip6_solicited(&net_self.ip6.addresses[i]);

		if (ip6_is_equal(a, &group))
			return true;
	}
	return false;
}

static unsigned common_bits(const struct ip6 *a, const struct ip6 *b)
{
	for (unsigned i = 0; i < 4; i++) {
		uint32_t differs = be32(a->words[i] ^ b->words[i]);

		if (differs)
			return i * 32 + (unsigned)__builtin_clz(differs);
	}
	return 128;
}

uint16_t ip6_mtu(void)
{
	return net_self.ip6.mtu ? net_self.ip6.mtu : net_shared.mtu;
}

static bool is_link_scope(const struct ip6 *a)
{
	return ip6_is_link_local(a) || (a->words[0] & 0x0fff) == 0x02ff;
}

/* Rules 2 (scope), 3 (deprecated ones last), 8 (longest prefix); the others have nothing to decide here. */
const struct ip6 *ip6_source(const struct ip6 *to)
{
	const struct ip6_setup *s = &net_self.ip6;
	const struct ip6 *best = NULL;
	unsigned best_rank = 0;

	for (unsigned i = 0; i < s->address_count; i++) {
		const struct ip6 *a = &s->addresses[i];
		unsigned rank = 1 + common_bits(a, to) + (s->deprecated >> i & 1 ? 0 : 256);

		if (ip6_is_link_local(a) == is_link_scope(to) && rank > best_rank) {
			best_rank = rank;
			best = a;
		}
	}
	return best;
}

/* ---- from the boot core to all ---- */
void ip6_publish(const struct ip6_setup *setup)
{
	uint32_t sequence = net_shared.ip6_sequence;

	__atomic_store_n(&net_shared.ip6_sequence, sequence + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	net_shared.ip6 = *setup;
	store_release(&net_shared.ip6_sequence, sequence + 2);
	binding_announce();
	ip6_sync();
}

void ip6_sync(void)
{
	for (;;) {
		uint32_t before = load_acquire(&net_shared.ip6_sequence);

		net_self.ip6 = net_shared.ip6;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (!(before & 1) && __atomic_load_n(&net_shared.ip6_sequence, __ATOMIC_RELAXED) == before)
			return;
		cpu_pause();
	}
}

/* ---- out ---- */
void ip6_write_header(void *at, const void *from, const void *to, unsigned l4_bytes, uint32_t rest)
{
	uint32_t words[2];

	words[0] = be32(6u << 28 | (rest & 0xff) << 20); /* flow label 0 [RFC 6437 3] */
	words[1] = be16((uint16_t)l4_bytes) | (rest & 0xff0000) | (rest & 0xff00) << 16;
	memcpy(at, words, sizeof(words));
	memcpy((uint8_t *)at + 8, from, sizeof(struct ip6));
	memcpy((uint8_t *)at + 24, to, sizeof(struct ip6));
}

/* What lwIP asks before it sends. */
struct netif *ip6_route(const ip6_addr_t *src, const ip6_addr_t *dest)
{
	struct ip6 to, hop;

	(void)src;
	memcpy(&to, dest, sizeof(to));
	return neighbour_next_hop(&to, &hop) ? &net_self.netif : NULL;
}

err_t ip6_output_if(struct pbuf *p, const ip6_addr_t *src, const ip6_addr_t *dest, u8_t hl, u8_t tc, u8_t nexth,
		    struct netif *netif)
{
	struct conn *c = net_self.tx_conn;

	if (likely(nexth == IP_PROTOCOL_TCP && ip_is_ready(p, c, TCP6_AT)))
		return output_segment(p, c);
	return ip6_output_if_src(p, src, dest, hl, tc, nexth, netif);
}

err_t ip6_output_if_src(struct pbuf *p, const ip6_addr_t *src, const ip6_addr_t *dest, u8_t hl, u8_t tc, u8_t nexth,
			struct netif *netif)
{
	struct ip6_packet k = { .rest = tc | (uint32_t)hl << 8 | (uint32_t)nexth << 16 };

	(void)netif;
	if (unlikely(!src || !dest))
		return ERR_RTE; /* lwIP's way to say "choose" and "there is a header": not used for IPv6 */
	if (unlikely(!ip_has_room(p, IP6_BYTES)))
		return ERR_BUF;
	if (unlikely(net_self.is_replaying)) /* as in ip4.c */
		return ERR_OK;
	memcpy(&k.from, src, sizeof(k.from));
	memcpy(&k.to, dest, sizeof(k.to));
	if (unlikely(p->tot_len + IP6_BYTES > ip6_mtu() && nexth != IP_PROTOCOL_TCP))
		return ip6_send_fragments(p, &k);
	ip6_write_header((uint8_t *)p->payload - IP6_BYTES, &k.from, &k.to, p->tot_len, k.rest);
	ip_extend(p, IP6_BYTES);
	return ip_send(p, &k.to, nexth == IP_PROTOCOL_TCP ? TCP6_AT : 0);
}

/* ---- what else lwIP refers to ---- */
/* lwIP's UDP serves DHCP, which is IPv4's: nothing of it goes out here. */
const ip_addr_t *ip6_select_source_address(struct netif *netif, const ip6_addr_t *dest)
{
	(void)netif;
	(void)dest;
	return NULL;
}

/* ip_input(), which nobody calls. */
err_t ip6_input(struct pbuf *p, struct netif *inp)
{
	(void)inp;
	pbuf_free(p);
	return ERR_OK;
}

/* The MSS that a connection begins with follows from it; what its path takes is path_mtu.c's to find out. */
u16_t nd6_get_destination_mtu(const ip6_addr_t *dest, struct netif *netif)
{
	(void)dest;
	(void)netif;
	return ip6_mtu();
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
