/* SPDX-License-Identifier: MIT */
/* The order in which a virtio network device is started, step by step. [virtio-1.2 3.1.1, 5.1.5] */
#include "kernel/nic/virtio_net.h"

#include "kernel/base/bytes.h"
#include "kernel/base/err.h"
#include "kernel/base/log.h"
#include "kernel/cpu/cpu.h"
#include "kernel/mem/mem.h"

#define CONFIG_TRIES 16u
#define CTRL_SIZE 64u
#define RX_SIZE_MIN 16u

struct virtio_net virtio_net;

int virtio_net_read_config(struct virtio_net *n, struct virtio_net_config *out)
{
	struct virtio_pci *v = &n->pci;

	for (unsigned i = 0; i < CONFIG_TRIES; i++) {
		uint8_t before = virtio_pci_generation(v);

		for (unsigned b = 0; b < sizeof(out->mac); b++)
			out->mac[b] = (uint8_t)virtio_pci_config(v, b, 1);
		out->status = (uint16_t)virtio_pci_config(v, 6, 2);
		out->max_virtqueue_pairs = (uint16_t)virtio_pci_config(v, 8, 2);
		out->mtu = (uint16_t)virtio_pci_config(v, 10, 2);
		out->speed = virtio_pci_config(v, 12, 4);
		out->duplex = (uint8_t)virtio_pci_config(v, 16, 1);
		out->rss_max_key_size = (uint8_t)virtio_pci_config(v, 17, 1);
		out->rss_max_indirection_table_length = (uint16_t)virtio_pci_config(v, 18, 2);
		out->supported_hash_types = virtio_pci_config(v, 20, 4);
		if (virtio_pci_generation(v) == before)
			return 0;
	}
	return KERR_TIMEOUT;
}

int virtio_net_negotiate(struct virtio_net *n, uint64_t within)
{
	struct virtio_net_config config;
	struct virtio_pci *v = &n->pci;
	int err;

	/* 1. Reset the device. */
	err = virtio_pci_reset(v);
	if (err)
		return err;
	/* 2. The guest has noticed the device. 3. And knows how to drive it. */
	virtio_pci_status_add(v, VIRTIO_ACKNOWLEDGE);
	virtio_pci_status_add(v, VIRTIO_DRIVER);
	/* 4. Read what it offers, and its configuration, which may be read now; accept a part. */
	err = virtio_net_read_config(n, &config);
	if (err)
		return err;
	n->features = virtio_features_choose(virtio_pci_features(v) & within, n->wanted, &config);
	if (!(n->features & VIRTIO_F_VERSION_1)) {
		log_line("virtio-net: device without VERSION_1 (legacy only)");
		virtio_pci_status_add(v, VIRTIO_FAILED);
		return KERR_UNSUPPORTED;
	}
	virtio_pci_accept(v, n->features);
	/* 5. That is the choice. */
	virtio_pci_status_add(v, VIRTIO_FEATURES_OK);
	/* 6. Does the device agree? */
	if (!(virtio_pci_status(v) & VIRTIO_FEATURES_OK)) {
		log_line("virtio-net: device refuses features %lx", (unsigned long)n->features);
		virtio_pci_status_add(v, VIRTIO_FAILED);
		return KERR_UNSUPPORTED;
	}
	return 0;
}

static int enable_queues(struct virtio_net *n)
{
	bool has_event_idx = n->features & VIRTIO_F_EVENT_IDX;
	int err = 0;

	for (uint16_t i = 0; i < n->info.queue_pairs && !err; i++) {
		virtio_rx_prepare(n->rx[i], n->features);
		(void)virtio_tx_prepare(n->tx[i], n->features);
		err = virtq_enable(&n->rx[i]->q, &n->pci, has_event_idx);
		err = err ? err : virtq_enable(&n->tx[i]->q, &n->pci, has_event_idx);
	}
	if (!err && n->features & VIRTIO_NET_F_CTRL_VQ) {
		virtq_clear(&n->ctrl.q);
		err = virtq_enable(&n->ctrl.q, &n->pci, has_event_idx);
	}
	return err;
}

/* How many queues, and who picks them. */
static int choose_queues(struct virtio_net *n)
{
	if (n->is_steering)
		return virtio_ctrl_rss(&n->ctrl, n->info.queue_pairs, &n->steering);
	if (n->features & VIRTIO_NET_F_RSS || n->info.queue_pairs == 1)
		return 0;
	return virtio_ctrl_pairs(&n->ctrl, n->info.queue_pairs);
}

int virtio_net_go_live(struct virtio_net *n)
{
	int err;

	/* 7. Device-specific setup: the queues. */
	err = enable_queues(n);
	if (err) {
		virtio_pci_status_add(&n->pci, VIRTIO_FAILED);
		return err;
	}
	/* 8. Live. */
	virtio_pci_status_add(&n->pci, VIRTIO_DRIVER_OK);
	for (uint16_t i = 0; i < n->info.queue_pairs; i++)
		(void)virtq_show(&n->rx[i]->q);
	err = choose_queues(n);
	if (err)
		return err;
	for (uint16_t i = 0; i < n->info.queue_pairs; i++) {
		enum virtq_state tx_state = n->tx[i]->drain_left ? VIRTQ_DRAINING : VIRTQ_RUNNING;

		store_release(&n->rx[i]->q.state, VIRTQ_RUNNING);
		store_release(&n->tx[i]->q.state, tx_state);
	}
	return 0;
}

static void fill_info(struct virtio_net *n, const struct virtio_net_config *c)
{
	struct nic_info *info = &n->info;

	info->driver = "virtio-net";
	info->queue_pairs_max = n->features & VIRTIO_NET_F_MQ ? c->max_virtqueue_pairs : 1;
	info->queue_pairs = MIN(n->wanted, MIN(info->queue_pairs_max, NIC_QUEUES_MAX));
	if (info->queue_pairs > n->pci.pci.msix_count) {
		log_line("virtio-net: %u interrupt vectors for %u queue pairs", n->pci.pci.msix_count,
			 info->queue_pairs);
		info->queue_pairs = n->pci.pci.msix_count;
	}
	info->offloads = virtio_features_offloads(n->features);
	info->queue_is_group = info->queue_pairs > 1 && !(info->offloads & NIC_RSS);
	info->mtu = n->features & VIRTIO_NET_F_MTU ? c->mtu : 0;
	info->is_link_up = !(n->features & VIRTIO_NET_F_STATUS) || (c->status & VIRTIO_NET_S_LINK_UP);
	if (n->features & VIRTIO_NET_F_MAC) {
		memcpy(info->mac, c->mac, sizeof(info->mac));
	} else {
		cpu_random(info->mac, sizeof(info->mac));
		info->mac[0] = (info->mac[0] & 0xfe) | 2; /* one station, locally administered */
	}
}

/* The size to use of queue @index, 0 if it cannot serve. */
static uint16_t queue_size(struct virtio_net *n, uint16_t index)
{
	uint16_t size = virtio_pci_queue_size(&n->pci, index);

	if (size == 0 || size > VIRTQ_SIZE_MAX || (size & (size - 1)) || index >= virtio_pci_queue_count(&n->pci)) {
		log_line("virtio-net: queue %u has %u descriptors", index, size);
		return 0;
	}
	return MIN(size, VIRTQ_SIZE_USED_MAX);
}

/*
 * How many descriptors of @size for frames in: those of all queues hold half of the buffers at most, since answers are made of the
 * others. The device takes fewer than it offers. [virtio-1.2 4.1.4.3]
 */
static uint16_t rx_size(const struct virtio_net *n, uint16_t size)
{
	while (size > RX_SIZE_MIN && (uint32_t)size * n->info.queue_pairs > buf_total() / 2)
		size /= 2;
	return size;
}

/* Queue 2i receives, 2i+1 sends, control comes after all the device could have. [virtio-1.2 5.1.2] */
static int alloc_pair(struct virtio_net *n, uint16_t i)
{
	uint16_t rx = queue_size(n, 2 * i), tx_size = queue_size(n, 2 * i + 1);
	int err;

	if (rx < 4 || tx_size <= NIC_TX_SEGS_MAX)
		return KERR_UNSUPPORTED;
	n->rx[i] = mem_boot_alloc(sizeof(*n->rx[i]), CACHE_LINE);
	n->tx[i] = mem_boot_alloc(sizeof(*n->tx[i]), CACHE_LINE);
	if (!n->rx[i] || !n->tx[i])
		return KERR_NO_MEMORY;
	err = virtio_rx_alloc(n->rx[i], 2 * i, rx_size(n, rx));
	err = err ? err : virtio_tx_alloc(n->tx[i], 2 * i + 1, tx_size);
	n->rx[i]->q.msix_entry = i;
	return err ? err : pci_msix_set(&n->pci.pci, i, CPU_VECTOR_NIC + (uint8_t)i, cpu_apic_id(core_id()));
}

static int alloc_queues(struct virtio_net *n)
{
	uint16_t ctrl_index = 2 * n->info.queue_pairs_max;
	int err = 0;

	for (uint16_t i = 0; i < n->info.queue_pairs && !err; i++)
		err = alloc_pair(n, i);
	if (!err && n->features & VIRTIO_NET_F_CTRL_VQ)
		err = virtio_ctrl_alloc(&n->ctrl, ctrl_index, MIN(queue_size(n, ctrl_index), CTRL_SIZE));
	return err;
}

static int start(uint16_t wanted)
{
	static const uint16_t ids[] = { VIRTIO_NET_DEVICE, VIRTIO_NET_TRANSITIONAL };
	struct virtio_net *n = &virtio_net;
	struct virtio_net_config config;
	struct pci_dev dev;
	int err;

	if (!pci_find(VIRTIO_VENDOR, ids, ARRAY_COUNT(ids), 0, &dev))
		return KERR_NOT_FOUND;
	n->wanted = MAX(wanted, 1);
	err = virtio_pci_open(&n->pci, &dev);
	err = err ? err : virtio_net_negotiate(n, UINT64_MAX);
	err = err ? err : virtio_net_read_config(n, &config);
	if (err)
		return err;
	n->generation = virtio_pci_generation(&n->pci);
	fill_info(n, &config);
	err = alloc_queues(n);
	err = err ? err : virtio_net_go_live(n);
	if (err)
		return err;
	log_line("virtio-net: %02x:%02x.%u, %u of %u queue pairs of %u, features %lx", dev.bus, dev.dev, dev.fn,
		 n->info.queue_pairs, n->info.queue_pairs_max, n->rx[0]->q.size, (unsigned long)n->features);
	return 0;
}

static const struct nic_info *info(void)
{
	return &virtio_net.info;
}

static int irq_core(uint16_t queue, uint32_t core)
{
	return pci_msix_set(&virtio_net.pci.pci, queue, CPU_VECTOR_NIC + (uint8_t)queue, cpu_apic_id(core));
}

static int steer(const struct nic_steering *steering)
{
	struct virtio_net *n = &virtio_net;

	n->steering = *steering;
	n->is_steering = true;
	return n->is_stopping ? 0 : choose_queues(n); /* the device is told when it is back */
}

static void stats(struct nic_stats *out)
{
	const struct virtio_net *n = &virtio_net;

	*out = (struct nic_stats){ .resets = n->resets };
	for (uint16_t i = 0; i < n->info.queue_pairs; i++) {
		const struct virtio_rx *rx = n->rx[i];
		const struct virtio_tx *tx = n->tx[i];

		out->rx_frames += READ_ONCE(rx->frames);
		out->rx_bytes += READ_ONCE(rx->bytes);
		out->rx_bad += READ_ONCE(rx->bad);
		out->rx_no_buffer += READ_ONCE(rx->no_buffer);
		out->tx_frames += READ_ONCE(tx->frames);
		out->tx_bytes += READ_ONCE(tx->bytes);
		out->tx_full += READ_ONCE(tx->full);
		out->tx_kicks += READ_ONCE(tx->kicks);
	}
}

const struct nic_ops virtio_net_ops = {
	.start = start,
	.info = info,
	.rx_burst = virtio_rx_burst,
	.rx_waiting = virtio_rx_waiting,
	.tx = virtio_tx,
	.tx_short = virtio_tx_short,
	.tx_room = virtio_tx_room,
	.tx_flush = virtio_tx_flush,
	.tx_reclaim = virtio_tx_reclaim,
	.tx_pending = virtio_tx_pending,
	.tx_starved = virtio_tx_starved,
	.irq_arm = virtio_rx_arm,
	.irq_disarm = virtio_rx_disarm,
	.irq_core = irq_core,
	.steer = steer,
	.check = virtio_net_check,
	.want_reset = virtio_net_want_reset,
	.stats = stats,
};
