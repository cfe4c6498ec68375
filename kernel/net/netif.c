/* SPDX-License-Identifier: MIT */
/*
 * The interface of each core to lwIP, and where its address comes from: the manifest, or DHCP on the
 * boot core. All that the cores share about it is in net_shared, announced by its epoch.
 */
#include "kernel/net/netif.h"

#include "kernel/base/bytes.h"
#include "kernel/base/err.h"
#include "kernel/base/fmt.h"
#include "kernel/base/ip6.h"
#include "kernel/base/log.h"
#include "kernel/buf/buf.h"
#include "kernel/conf/conf.h"
#include "kernel/cpu/cpu.h"
#include "kernel/flow/flow.h"
#include "kernel/mem/mem.h"
#include "kernel/net/binding.h"
#include "kernel/net/demux.h"
#include "kernel/net/handle.h"
#include "kernel/net/ip.h"
#include "kernel/net/ip6.h"
#include "kernel/net/moving.h"
#include "kernel/net/neighbour.h"
#include "kernel/net/output.h"
#include "kernel/net/setup6.h"
#include "kernel/net/pressure.h"
#include "kernel/net/tcp_syn.h"
#include "kernel/net/tell.h"

#define HALF_OPEN_MIN 256u
#define TICKS_OF_MS(ms) ((uint64_t)(ms)*1000 / TIME_TICK_US)

/* Boot core. */
static struct boot_core {
	struct time_node dhcp_fine, dhcp_coarse;
	bool is_ready_said;
} boot_core;

/* Our addresses but the link-local one. Return: bytes written, 0 if there is none. */
static size_t list_addresses(char *text, size_t room)
{
	const uint8_t *a = (const uint8_t *)&net_shared.address;
	char one[IP6_TEXT_BYTES];
	size_t at = 0;

	if (net_shared.address)
		at = fmt_text(text, room, "%u.%u.%u.%u", a[0], a[1], a[2], a[3]);
	for (unsigned i = 0; i < net_self.ip6.address_count; i++) {
		if (ip6_is_link_local(&net_self.ip6.addresses[i]))
			continue;
		ip6_text(one, &net_self.ip6.addresses[i]);
		at += fmt_text(text + at, room - at, "%s%s", at ? ", " : "", one);
	}
	return at;
}

void netif_say_ready(void)
{
	const struct conf *conf = net_shared.conf;
	char where[IP6_ADDRESSES * (IP6_TEXT_BYTES + 2) + 16], text[IX_PORTS_MAX * 11 + 1] = "";
	size_t at = 0;

	if (boot_core.is_ready_said || !list_addresses(where, sizeof(where)))
		return;
	for (uint32_t i = 0; i < conf->port_count; i++) {
		const struct ix_manifest_port *p = &conf->ports[i];
		bool is_tcp = p->protocol == IX_PORT_TCP;

		if (!binding_is_taken(is_tcp ? BINDING_TCP : BINDING_UDP, p->port))
			return;
		at += fmt_text(text + at, sizeof(text) - at, "%s%s %u", at ? ", " : "", is_tcp ? "tcp" : "udp",
			       p->port);
	}
	boot_core.is_ready_said = true;
	log_line("ready %s at %s%s%s", conf->name, where, at ? ": " : "", text);
}

static void publish(be32_t address, be32_t mask, be32_t gateway)
{
	net_shared.address = address;
	net_shared.mask = mask;
	net_shared.gateway = gateway;
	binding_announce();
	neighbour_flush();
}

void netif_address_check(void)
{
	be32_t address = ip4_addr_get_u32(netif_ip4_addr(&net_self.netif));
	be32_t mask = ip4_addr_get_u32(netif_ip4_netmask(&net_self.netif));
	be32_t gateway = ip4_addr_get_u32(netif_ip4_gw(&net_self.netif));
	const uint8_t *a = (const uint8_t *)&address;

	if (address == net_shared.address && mask == net_shared.mask && gateway == net_shared.gateway)
		return;
	publish(address, mask, gateway);
	if (address)
		log_line("net: address %u.%u.%u.%u by DHCP", a[0], a[1], a[2], a[3]);
	else
		log_line("net: DHCP lease lost");
	netif_say_ready();
}

/* ---- DHCP ---- */
static void on_dhcp_fine(struct time_node *node)
{
	dhcp_fine_tmr();
	netif_address_check();
	time_arm(node, net_self.now_tick + TICKS_OF_MS(DHCP_FINE_TIMER_MSECS));
}

static void on_dhcp_coarse(struct time_node *node)
{
	dhcp_coarse_tmr();
	netif_address_check();
	time_arm(node, net_self.now_tick + TICKS_OF_MS(DHCP_COARSE_TIMER_MSECS));
}

static int address_start(void)
{
	const struct conf *conf = net_shared.conf;
	be32_t mask = conf->prefix_bits ? be32(0xffffffffu << (32 - conf->prefix_bits)) : 0;

	neighbour_core0_init();
	setup6_core0_init();
	if (conf->address) {
		publish(conf->address, mask, conf->gateway);
		return 0;
	}
	time_node_init(&boot_core.dhcp_fine, on_dhcp_fine);
	time_node_init(&boot_core.dhcp_coarse, on_dhcp_coarse);
	time_arm(&boot_core.dhcp_fine, net_self.now_tick + TICKS_OF_MS(DHCP_FINE_TIMER_MSECS));
	time_arm(&boot_core.dhcp_coarse, net_self.now_tick + TICKS_OF_MS(DHCP_COARSE_TIMER_MSECS));
	return dhcp_start(&net_self.netif) == ERR_OK ? 0 : KERR_NO_MEMORY;
}

/* ---- life ---- */
static err_t on_netif_init(struct netif *netif)
{
	netif->name[0] = 'i';
	netif->name[1] = 'x';
	netif->mtu = net_shared.mtu;
	netif->hwaddr_len = 6;
	memcpy(netif->hwaddr, nic_info()->mac, 6);
	netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_LINK_UP;
	netif->output = ip4_send;
	NETIF_SET_CHECKSUM_CTRL(netif, output_core_init());
	return ERR_OK;
}

static err_t no_input(struct pbuf *p, struct netif *netif)
{
	(void)netif;
	pbuf_free(p);
	return ERR_OK;
}

int net_init(const struct conf *conf)
{
	uint32_t cores = cpu_core_limit();
	int err;

	net_shared.conf = conf;
	net_shared.half_open = MAX(HALF_OPEN_MIN, conf->connections / 8);
	limit_init(conf->connections, cores);
	net_shared.rto_floor_ms = (uint16_t)conf->rto_floor_ms;
	net_shared.has_timestamps = conf->tcp_timestamps;
	net_shared.mtu = (uint16_t)conf->mtu;
	if (nic_info()->mtu && nic_info()->mtu < net_shared.mtu)
		net_shared.mtu = nic_info()->mtu;
	net_shared.epoch = 1;
	syn_init();
	err = handle_init(conf->connections);
	if (!err)
		err = demux_init(conf->connections, cores);
	if (!err)
		err = timewait_init(conf->connections, cores);
	return err ? err : binding_init();
}

static void on_tick(struct time_node *node)
{
	(void)node; /* that the loop has turned is all it is for */
}

static void clock_read(void)
{
	net_self.now_tick = time_now();
	net_self.now_ms = (uint32_t)(net_self.now_tick * TIME_TICK_US / 1000);
	tcp_ticks = net_self.now_ms;
}

int net_core_init(void)
{
	limit_core_init();
	list_init(&net_self.half_open);
	list_init(&net_self.ooseq);
	moving_core_init();
	time_node_init(&net_self.tick, on_tick);
	clock_read();
	if (demux_core_init())
		return KERR_NO_MEMORY;
	timewait_core_init();
	lwip_init();
	net_self.ext_id = tcp_ext_arg_alloc_id();
	if (!netif_add(&net_self.netif, NULL, NULL, NULL, NULL, on_netif_init, no_input))
		return KERR_NO_MEMORY;
	netif_set_default(&net_self.netif);
	netif_set_up(&net_self.netif);
	tell_core_init();
	return core_id() == 0 ? address_start() : 0;
}

be32_t net_address(void)
{
	return READ_ONCE(net_shared.address);
}

static __attribute__((noinline)) void take_shared(uint32_t epoch)
{
	ip4_addr_t address = { net_shared.address }, mask = { net_shared.mask }, gateway = { net_shared.gateway };

	if (ip4_addr_get_u32(netif_ip4_addr(&net_self.netif)) != address.addr)
		netif_set_addr(&net_self.netif, &address, &mask, &gateway);
	ip6_sync();
	net_self.epoch_seen = binding_sync() ? epoch : epoch - 1;
	pressure_sync();
	if (core_id() == 0)
		netif_say_ready();
}

void net_sync(void)
{
	uint32_t epoch = load_acquire(&net_shared.epoch);

	if (unlikely(epoch != net_self.epoch_seen))
		take_shared(epoch);
}

void net_park(void)
{
	limit_park();
	buf_park();
}

void net_tx_reclaim(void)
{
	clock_read();
	net_sync();
	net_self.is_sending_blocked = false;
	output_reclaim();
	while (net_self.grace_bufs) {
		struct buf *b = net_self.grace_bufs;

		net_self.grace_bufs = rx_of(b)->next;
		rx_put(b);
	}
}

void net_who(struct net_who *out)
{
	uint32_t mask = be32(net_shared.mask);

	*out = (struct net_who){ .address = net_shared.address, .is_ready = boot_core.is_ready_said };
	out->prefix = mask ? 32u - (uint32_t)__builtin_ctz(mask) : 0;
	for (unsigned i = 0; i < net_self.ip6.address_count; i++) {
		if (ip6_is_link_local(&net_self.ip6.addresses[i]))
			continue;
		out->address6 = net_self.ip6.addresses[i];
		out->prefix6 = memcmp(&out->address6, &net_shared.conf->address6, sizeof(out->address6)) == 0
				       ? net_shared.conf->prefix6_bits
				       : 64; /* made of a router's prefix */
		break;
	}
}

void net_drain(bool is_on)
{
	WRITE_ONCE(net_shared.is_draining, is_on);
}

bool net_is_draining(void)
{
	return net_shared.is_draining;
}

/* ---- partition death and restart ---- */
static void end_known(void *object)
{
	struct conn *c = object;

	if (c->flags & CONN_KNOCK)
		c->flags &= ~CONN_KNOCK; /* so that its handle survives conn_abort() */
	if (!(c->flags & CONN_GONE))
		conn_abort(c, IX_DEAD_ABORTED);
	conn_told_dead(c);
}

static void end_unknown(struct conn *c)
{
	conn_abort(c, IX_DEAD_ABORTED);
}

void netif_end_conn(struct conn *c)
{
	if (c->handle)
		end_known(c);
	else
		end_unknown(c);
}

void net_partition_end(void)
{
	net_self.is_down = true;
	net_self.has_ended = true;
	net_self.down_ms = net_self.now_ms;
	moving_end();
	binding_free_all();
	net_sync();
	handle_each(NET_CONNECTION, end_known);
	demux_each(end_unknown);
	while (net_self.grace_bufs) {
		struct buf *b = net_self.grace_bufs;

		net_self.grace_bufs = rx_of(b)->next;
		rx_put(b);
	}
}

unsigned net_partition_pending_tx(void)
{
	return net_self.tx_refs;
}

void net_partition_start(void)
{
	net_self.is_down = false;
	if (core_id() == 0)
		boot_core.is_ready_said = false;
}

void net_stats(struct net_stats *out)
{
	*out = net_self.stats;
}
