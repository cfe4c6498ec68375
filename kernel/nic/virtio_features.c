/* SPDX-License-Identifier: MIT */
/* Which offered features are worth having, and which only together with others. [virtio-1.2 5.1.3.1] */
#include "kernel/nic/virtio_net.h"

/*
 * Not taken: UDP and ECN segmentation, filters, coalescing, packed rings. ACCESS_PLATFORM and ORDER_PLATFORM cost
 * nothing: our addresses are physical and our fences real.
 */
#define WANTED                                                                                                         \
	(VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_MTU | VIRTIO_NET_F_MAC | VIRTIO_NET_F_GUEST_TSO4 | \
	 VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_GUEST_TSO6 | VIRTIO_NET_F_HOST_TSO6 | VIRTIO_NET_F_MRG_RXBUF |          \
	 VIRTIO_NET_F_STATUS | VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_MQ | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX |  \
	 VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_ORDER_PLATFORM | VIRTIO_NET_F_RSS)
#define PAIRS_MAX 0x7fffu /* the control queue's number must fit */

uint64_t virtio_features_choose(uint64_t offered, uint16_t pairs, const struct virtio_net_config *config)
{
	uint64_t f = offered & WANTED;

	if (!(f & VIRTIO_NET_F_CSUM))
		f &= ~(VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6);
	/* A frame of 64 KiB can only arrive in several of our buffers. */
	if (!(f & VIRTIO_NET_F_GUEST_CSUM) || !(f & VIRTIO_NET_F_MRG_RXBUF))
		f &= ~(VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6);
	if (!(f & VIRTIO_NET_F_CTRL_VQ) || pairs < 2 || config->max_virtqueue_pairs < 2 ||
	    config->max_virtqueue_pairs > PAIRS_MAX)
		f &= ~VIRTIO_NET_F_MQ;
	if (!(f & VIRTIO_NET_F_MQ)) {
		f &= ~(VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_RSS);
		return f;
	}
	if (config->rss_max_key_size < VIRTIO_NET_RSS_KEY ||
	    config->rss_max_indirection_table_length < VIRTIO_NET_RSS_TABLE ||
	    (config->supported_hash_types & VIRTIO_NET_HASHES) != VIRTIO_NET_HASHES)
		f &= ~VIRTIO_NET_F_RSS;
	return f;
}

uint32_t virtio_features_offloads(uint64_t accepted)
{
	uint32_t o = 0;

	if (accepted & VIRTIO_NET_F_GUEST_CSUM)
		o |= NIC_RX_CSUM;
	if (accepted & VIRTIO_NET_F_CSUM)
		o |= NIC_TX_CSUM;
	if (accepted & VIRTIO_NET_F_HOST_TSO4)
		o |= NIC_TX_TSO4;
	if (accepted & VIRTIO_NET_F_HOST_TSO6)
		o |= NIC_TX_TSO6;
	if (accepted & VIRTIO_NET_F_RSS)
		o |= NIC_RSS;
	return o;
}
