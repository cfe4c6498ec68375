/* SPDX-License-Identifier: MIT */
/*
 * The NIC of the native port: one queue pair of a DPDK port. Receive buffers are the core's own: the mempool that the
 * driver fills its ring from is kernel/buf, each buffer having one mbuf for life, so nothing is copied on the way in. On
 * the way out frames are copied into mbufs: this driver gives those back only when it sends again, and the core must
 * know when memory is free also if nothing follows.
 */
#include "bench/native/port.h"

#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "bench/native/meter.h"
#include "kernel/base/assert.h"
#include "kernel/base/err.h"
#include "kernel/base/log.h"
#include "kernel/nic/nic.h"

#define PORT 0
#define RING 256
#define TX_MBUFS 1023
#define TX_CACHE 128
#define ETH_BYTES 14
#define FRAME_MAX 1514u
#define RX_CSUM (RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM)
#define TX_CSUM (RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM)

static struct {
	struct nic_info info;
	struct nic_stats stats;
	struct rte_mempool *rx_pool, *tx_pool;
	struct rte_mbuf **mbufs; /* by index of struct buf */
	uint32_t mbuf_count;     /* that the pool has been filled with */
	int buf_off;             /* in an mbuf: its struct buf */
	struct rte_mbuf *batch[NIC_BURST_MAX];
	unsigned batch_count;
	void *done[2 * NIC_BURST_MAX]; /* tokens to be given back */
	unsigned done_count;
	bool is_starved;
	bool wants_checksums;
} port;

void port_want(bool has_checksums)
{
	port.wants_checksums = has_checksums;
}

/* ---- the mempool of receive buffers: its objects are mbufs, what is free and what not says kernel/buf ---- */

static struct buf **buf_of(struct rte_mbuf *m)
{
	return RTE_MBUF_DYNFIELD(m, port.buf_off, struct buf **);
}

static int pool_alloc(struct rte_mempool *pool)
{
	(void)pool;
	return 0;
}

static void pool_free(struct rte_mempool *pool)
{
	(void)pool;
}

static int pool_enqueue(struct rte_mempool *pool, void *const *objects, unsigned n)
{
	(void)pool;
	for (unsigned i = 0; i < n; i++)
		if (likely(port.mbuf_count == buf_total()))
			buf_free(*buf_of(objects[i]));
		else
			port.mbufs[port.mbuf_count++] = objects[i];
	return 0;
}

static int pool_dequeue(struct rte_mempool *pool, void **objects, unsigned n)
{
	struct buf **bufs = (struct buf **)objects;
	unsigned got = buf_alloc_burst(bufs, n);

	(void)pool;
	if (unlikely(got < n)) {
		for (unsigned i = 0; i < got; i++)
			buf_free(bufs[i]);
		port.stats.rx_no_buffer++;
		return -ENOBUFS;
	}
	for (unsigned i = 0; i < n; i++)
		objects[i] = port.mbufs[bufs[i]->index];
	return 0;
}

static unsigned pool_count(const struct rte_mempool *pool)
{
	(void)pool;
	return buf_available();
}

static const struct rte_mempool_ops pool_ops = {
	.name = "ix_buf",
	.alloc = pool_alloc,
	.free = pool_free,
	.enqueue = pool_enqueue,
	.dequeue = pool_dequeue,
	.get_count = pool_count,
};
RTE_MEMPOOL_REGISTER_OPS(pool_ops);

static void bind_mbuf(struct rte_mempool *pool, void *arg, void *object, unsigned index)
{
	struct rte_mbuf *m = object;
	uint32_t off;

	rte_pktmbuf_init(pool, arg, object, index);
	*buf_of(m) = buf_of_user(IX_RX_VA + (uint64_t)index * BUF_BYTES, BUF_BYTES, &off);
	m->buf_addr = (*buf_of(m))->data;
	m->buf_iova = (*buf_of(m))->pa;
	m->buf_len = BUF_BYTES;
	port.mbufs[index] = m;
}

static int make_pools(void)
{
	static const struct rte_mbuf_dynfield field = { .name = "ix_buf",
							.size = sizeof(void *),
							.align = sizeof(void *) };
	struct rte_pktmbuf_pool_private private = { .mbuf_data_room_size = BUF_BYTES };

	port.buf_off = rte_mbuf_dynfield_register(&field);
	port.mbufs = rte_calloc(NULL, buf_total(), sizeof(struct rte_mbuf *), CACHE_LINE);
	port.rx_pool = rte_mempool_create_empty("ix_rx", buf_total(), sizeof(struct rte_mbuf), 0, sizeof(private),
						SOCKET_ID_ANY, 0);
	port.tx_pool = rte_pktmbuf_pool_create("ix_tx", TX_MBUFS, TX_CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
					       SOCKET_ID_ANY);
	if (port.buf_off < 0 || !port.mbufs || !port.rx_pool || !port.tx_pool)
		return KERR_NO_MEMORY;
	if (rte_mempool_set_ops_byname(port.rx_pool, pool_ops.name, NULL))
		return KERR_UNSUPPORTED;
	rte_pktmbuf_pool_init(port.rx_pool, &private);
	if (rte_mempool_populate_default(port.rx_pool) != (int)buf_total())
		return KERR_NO_MEMORY;
	rte_mempool_obj_iter(port.rx_pool, bind_mbuf, NULL);
	return 0;
}

/* ---- start ---- */

static int configure(const struct rte_eth_dev_info *device)
{
	static struct rte_eth_conf conf; /* large for a stack */

	if (port.wants_checksums) {
		if ((device->rx_offload_capa & RX_CSUM) != RX_CSUM || (device->tx_offload_capa & TX_CSUM) != TX_CSUM) {
			log_line("nic: %s has no checksum offload: start without", device->driver_name);
			return KERR_UNSUPPORTED;
		}
		conf.rxmode.offloads = RX_CSUM;
		conf.txmode.offloads = TX_CSUM;
		port.info.offloads = NIC_RX_CSUM | NIC_TX_CSUM;
	}
	if (rte_eth_dev_configure(PORT, 1, 1, &conf) || rte_eth_rx_queue_setup(PORT, 0, RING, 0, NULL, port.rx_pool) ||
	    rte_eth_tx_queue_setup(PORT, 0, RING, 0, NULL) || rte_eth_dev_start(PORT)) {
		log_line("nic: DPDK cannot start %s with one queue pair", device->driver_name);
		return KERR_UNSUPPORTED;
	}
	return 0;
}

int nic_start(uint16_t queue_pairs)
{
	struct rte_eth_dev_info device;
	struct rte_ether_addr mac;
	int err;

	kassert(queue_pairs == 1);
	if (rte_eth_dev_count_avail() != 1 || rte_eth_dev_info_get(PORT, &device) || rte_eth_macaddr_get(PORT, &mac)) {
		log_line("nic: DPDK has no port: name one, --vdev=net_virtio_user0,path=SOCKET");
		return KERR_NOT_FOUND;
	}
	err = make_pools();
	if (err) {
		log_line("nic: no memory for %u mbufs: raise -m", buf_total());
		return err;
	}
	memcpy(port.info.mac, mac.addr_bytes, sizeof(port.info.mac));
	port.info.queue_pairs = port.info.queue_pairs_max = 1;
	port.info.is_link_up = true;
	port.info.driver = device.driver_name;
	return configure(&device);
}

const struct nic_info *nic_info(void)
{
	return &port.info;
}

/* ---- receive ---- */

/* The frame in @m as the chain of buffers that it lies in. */
static struct buf *take(struct rte_mbuf *m)
{
	struct buf *first = *buf_of(m), *b = first;
	uint64_t sum = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;

	first->frame_bytes = m->pkt_len;
	first->flags = sum == RTE_MBUF_F_RX_L4_CKSUM_GOOD || sum == RTE_MBUF_F_RX_L4_CKSUM_NONE ? BUF_CSUM_GOOD : 0;
	first->segments = 1;
	first->count = m->nb_segs;
	first->group = 0;
	first->core = 0;
	first->hash = 0;
	for (;;) {
		b->off = m->data_off;
		b->len = m->data_len;
		m = m->next;
		b->next = m ? *buf_of(m) : NULL;
		if (likely(!m))
			return first;
		b = b->next;
	}
}

unsigned nic_rx_burst(uint16_t queue, struct buf **out, unsigned max)
{
	struct rte_mbuf **mbufs = (struct rte_mbuf **)out;
	unsigned n;

	meter_turn();
	n = rte_eth_rx_burst(PORT, queue, mbufs, (uint16_t)max);
	if (!n)
		return 0;
	for (unsigned i = 0; i < n; i++) {
		port.stats.rx_bytes += mbufs[i]->pkt_len;
		out[i] = take(mbufs[i]);
	}
	port.stats.rx_frames += n;
	meter_worked(n);
	return n;
}

unsigned nic_rx_waiting(uint16_t queue)
{
	int n = rte_eth_rx_queue_count(PORT, queue);

	return n > 0 ? (unsigned)n : 0; /* not every driver says */
}

/* ---- send ---- */

/* What the device is to sum: TCP and UDP by its own means, anything else here. */
static void describe_sum(struct rte_mbuf *m, uint16_t start, uint16_t offset)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	uint64_t family = frame[ETH_BYTES] >> 4 == 4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6;

	m->l2_len = ETH_BYTES;
	m->l3_len = start - ETH_BYTES;
	if (likely(offset == offsetof(struct rte_tcp_hdr, cksum))) {
		m->ol_flags |= family | RTE_MBUF_F_TX_TCP_CKSUM;
	} else {
		kassert(offset == offsetof(struct rte_udp_hdr, dgram_cksum));
		m->ol_flags |= family | RTE_MBUF_F_TX_UDP_CKSUM;
	}
}

static void send_batch(void)
{
	unsigned sent = rte_eth_tx_burst(PORT, 0, port.batch, (uint16_t)port.batch_count);

	port.stats.tx_kicks++;
	port.batch_count -= sent;
	for (unsigned i = 0; i < port.batch_count; i++)
		port.batch[i] = port.batch[i + sent];
	if (!sent)
		return; /* the ring is full: to look at it again is to poll */
	port.is_starved = false;
	meter_worked(0);
}

/* Room for one more frame and its token. */
static bool has_room(void)
{
	if (port.batch_count == ARRAY_COUNT(port.batch))
		send_batch();
	return port.batch_count < ARRAY_COUNT(port.batch) && port.done_count < ARRAY_COUNT(port.done);
}

/* An empty mbuf, NULL: there is no room for a frame. */
static struct rte_mbuf *new_frame(void)
{
	struct rte_mbuf *m = has_room() ? rte_pktmbuf_alloc(port.tx_pool) : NULL;

	if (unlikely(!m)) {
		port.is_starved = true;
		port.stats.tx_full++;
	}
	return m;
}

static void queue_frame(struct rte_mbuf *m, void *token)
{
	port.batch[port.batch_count++] = m;
	port.done[port.done_count++] = token;
	port.stats.tx_frames++;
	port.stats.tx_bytes += m->pkt_len;
}

bool nic_tx(uint16_t queue, const struct nic_tx *tx)
{
	struct rte_mbuf *m = new_frame();
	uint8_t *to;

	(void)queue;
	if (unlikely(!m))
		return false;
	to = rte_pktmbuf_mtod(m, uint8_t *);
	for (unsigned i = 0; i < tx->seg_count; i++) {
		const struct nic_seg *s = &tx->segs[i];

		kassert(s->bytes <= FRAME_MAX - m->data_len);
		rte_memcpy(to + m->data_len, (const void *)(uintptr_t)s->pa, s->bytes);
		m->data_len = (uint16_t)(m->data_len + s->bytes);
	}
	m->pkt_len = m->data_len;
	if (tx->flags & NIC_TX_NEEDS_CSUM)
		describe_sum(m, tx->csum_start, tx->csum_offset);
	queue_frame(m, tx->token);
	return true;
}

bool nic_tx_short(uint16_t queue, void *token, uint8_t *frame, uint32_t bytes, uint16_t csum_offset)
{
	struct rte_mbuf *m = new_frame();

	(void)queue;
	if (unlikely(!m))
		return false;
	kassert(bytes <= FRAME_MAX);
	rte_memcpy(rte_pktmbuf_mtod(m, uint8_t *), frame, bytes);
	m->data_len = (uint16_t)bytes;
	m->pkt_len = bytes;
	describe_sum(m, NIC_TX_HEADERS, csum_offset);
	queue_frame(m, token);
	return true;
}

/* What is sent is copied, so the core gains nothing by cutting trains. */
uint32_t nic_tx_room(uint16_t queue)
{
	(void)queue;
	return 0;
}

void nic_tx_flush(uint16_t queue)
{
	(void)queue;
	if (port.batch_count)
		send_batch();
}

unsigned nic_tx_reclaim(uint16_t queue, void **tokens, unsigned max)
{
	unsigned n = 0;

	(void)queue;
	while (port.done_count && n < max) {
		tokens[n] = port.done[--port.done_count];
		n += tokens[n] != NULL;
	}
	return n;
}

unsigned nic_tx_pending(uint16_t queue)
{
	(void)queue;
	return port.done_count;
}

bool nic_tx_starved(uint16_t queue)
{
	(void)queue;
	return port.is_starved && port.batch_count;
}

/* ---- what a port without interrupts, steering and resets says ---- */

int nic_irq_core(uint16_t queue, uint32_t core)
{
	(void)queue, (void)core;
	return 0;
}

int nic_steer(const struct nic_steering *steering)
{
	(void)steering;
	return KERR_UNSUPPORTED;
}

/* This core polls for ever. */
bool nic_irq_arm(uint16_t queue)
{
	(void)queue;
	return true;
}

void nic_irq_disarm(uint16_t queue)
{
	(void)queue;
}

void nic_check(void)
{
}

void nic_want_reset(void)
{
	log_line("nic: a DPDK port is not reset");
}

void nic_stats(struct nic_stats *out)
{
	*out = port.stats;
}
