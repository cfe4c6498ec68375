/* SPDX-License-Identifier: MIT */
/* The host's end of a vhost-user port: DPDK's vhost driver, which copies between its mbufs and the server's rings. */
#include "bench/native/client/wire.h"

#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include "bench/load/client.h"

#define PORT 0
#define RING 256
#define MBUFS 2047
#define CACHE 128
#define PATIENCE_NS 20000000000u /* the server may only be starting */

static struct rte_mempool *pool;
static struct rte_mbuf *in[WIRE_BURST], *out_batch[WIRE_BURST];
static unsigned in_count, out_count;
static uint64_t sum_flags;

int wire_open(int argc, char **argv, bool has_checksums)
{
	static const struct rte_eth_conf conf;
	int used = rte_eal_init(argc, argv);

	if (used < 0)
		die("DPDK does not start");
	pool = rte_pktmbuf_pool_create("client", MBUFS, CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (!pool || rte_eth_dev_count_avail() != 1 || rte_eth_dev_configure(PORT, 1, 1, &conf) ||
	    rte_eth_rx_queue_setup(PORT, 0, RING, 0, NULL, pool) || rte_eth_tx_queue_setup(PORT, 0, RING, 0, NULL) ||
	    rte_eth_dev_start(PORT))
		die("DPDK has no port with a queue pair: name one, --vdev=net_vhost0,iface=SOCKET");
	if (has_checksums)
		sum_flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM;
	return used;
}

unsigned wire_receive(struct wire_frame *out, unsigned max)
{
	rte_pktmbuf_free_bulk(in, in_count);
	in_count = rte_eth_rx_burst(PORT, 0, in, (uint16_t)(max < WIRE_BURST ? max : WIRE_BURST));
	for (unsigned i = 0; i < in_count; i++) {
		if (in[i]->nb_segs != 1)
			die("a frame in several mbufs, which no frame of %u bytes needs", WIRE_FRAME_MAX);
		out[i] = (struct wire_frame){ rte_pktmbuf_mtod(in[i], const uint8_t *), in[i]->data_len };
	}
	return in_count;
}

uint8_t *wire_room(void)
{
	if (out_count == WIRE_BURST)
		wire_flush();
	out_batch[out_count] = rte_pktmbuf_alloc(pool);
	if (!out_batch[out_count])
		die("out of mbufs");
	return rte_pktmbuf_mtod(out_batch[out_count], uint8_t *);
}

void wire_send(uint32_t bytes)
{
	struct rte_mbuf *m = out_batch[out_count++];

	m->data_len = (uint16_t)bytes;
	m->pkt_len = bytes;
	m->l2_len = sizeof(struct rte_ether_hdr);
	m->l3_len = sizeof(struct rte_ipv4_hdr);
	m->ol_flags |= sum_flags;
}

void wire_flush(void)
{
	unsigned sent = 0;
	uint64_t since = 0;

	while (sent < out_count) {
		sent += rte_eth_tx_burst(PORT, 0, out_batch + sent, (uint16_t)(out_count - sent));
		if (sent == out_count)
			break;
		if (!since)
			since = clock_ns();
		else if (clock_ns() - since > PATIENCE_NS)
			die("the server's port takes no frame");
	}
	out_count = 0;
}
