/* SPDX-License-Identifier: MIT */
/* Layouts and numbers of [virtio-1.2] that this kernel uses: 2.7 split rings, 4.1 PCI, 5.1 network device. */
#pragma once
#include "kernel/base/types.h"

/* ---- PCI ids [4.1.2] ---- */
#define VIRTIO_VENDOR 0x1af4
#define VIRTIO_NET_DEVICE 0x1041
#define VIRTIO_NET_TRANSITIONAL 0x1000

/* ---- vendor capabilities [4.1.4] ---- */
#define VIRTIO_CAP_ID 0x09
#define VIRTIO_CAP_LEN 2     /* 1 R: bytes of the capability */
#define VIRTIO_CAP_TYPE 3    /* 1 R: one of VIRTIO_CAP_* */
#define VIRTIO_CAP_BAR 4     /* 1 R: 0..5, others reserved */
#define VIRTIO_CAP_OFFSET 8  /* 4 R: in the BAR */
#define VIRTIO_CAP_LENGTH 12 /* 4 R: bytes in the BAR */
#define VIRTIO_CAP_BYTES 16
#define VIRTIO_CAP_MULTIPLIER 16 /* 4 R: of notify offsets, VIRTIO_CAP_NOTIFY only */
#define VIRTIO_CAP_NOTIFY_BYTES 20
#define VIRTIO_CAP_COMMON 1
#define VIRTIO_CAP_NOTIFY 2
#define VIRTIO_CAP_DEVICE 4

/* ---- common configuration [4.1.4.3] ---- */
struct virtio_common {
	le32_t device_feature_select; /* RW */
	le32_t device_feature;        /* R */
	le32_t driver_feature_select; /* RW */
	le32_t driver_feature;        /* RW */
	le16_t config_msix_vector;    /* RW */
	le16_t num_queues;            /* R */
	uint8_t device_status;        /* RW */
	uint8_t config_generation;    /* R */
	le16_t queue_select;          /* RW */
	le16_t queue_size;            /* RW: largest after reset */
	le16_t queue_msix_vector;     /* RW */
	le16_t queue_enable;          /* RW */
	le16_t queue_notify_off;      /* R */
	le32_t queue_desc[2];         /* RW: low and high half, as below */
	le32_t queue_driver[2];       /* RW */
	le32_t queue_device[2];       /* RW */
};
_Static_assert(sizeof(struct virtio_common) == 56, "[virtio-1.2 4.1.4.3]");
_Static_assert(offsetof(struct virtio_common, queue_select) == 22, "[virtio-1.2 4.1.4.3]");
_Static_assert(offsetof(struct virtio_common, queue_device) == 48, "[virtio-1.2 4.1.4.3]");

#define VIRTIO_NO_VECTOR 0xffff

/* ---- device status [2.1] ---- */
#define VIRTIO_ACKNOWLEDGE 1
#define VIRTIO_DRIVER 2
#define VIRTIO_DRIVER_OK 4
#define VIRTIO_FEATURES_OK 8
#define VIRTIO_NEEDS_RESET 64
#define VIRTIO_FAILED 128

/* ---- feature bits [5.1.3, 6] ---- */
#define VIRTIO_NET_F_CSUM (1ull << 0)
#define VIRTIO_NET_F_GUEST_CSUM (1ull << 1)
#define VIRTIO_NET_F_MTU (1ull << 3)
#define VIRTIO_NET_F_MAC (1ull << 5)
#define VIRTIO_NET_F_GUEST_TSO4 (1ull << 7)
#define VIRTIO_NET_F_GUEST_TSO6 (1ull << 8)
#define VIRTIO_NET_F_HOST_TSO4 (1ull << 11)
#define VIRTIO_NET_F_HOST_TSO6 (1ull << 12)
#define VIRTIO_NET_F_MRG_RXBUF (1ull << 15)
#define VIRTIO_NET_F_STATUS (1ull << 16)
#define VIRTIO_NET_F_CTRL_VQ (1ull << 17)
#define VIRTIO_NET_F_MQ (1ull << 22)
#define VIRTIO_F_INDIRECT_DESC (1ull << 28)
#define VIRTIO_F_EVENT_IDX (1ull << 29)
#define VIRTIO_F_VERSION_1 (1ull << 32)
#define VIRTIO_F_ACCESS_PLATFORM (1ull << 33)
#define VIRTIO_F_ORDER_PLATFORM (1ull << 36)
#define VIRTIO_NET_F_RSS (1ull << 60)

/* ---- split ring [2.7.5, 2.7.6, 2.7.8] ---- */
struct virtq_desc {
	le64_t addr;  /* physical */
	le32_t len;   /* bytes */
	le16_t flags; /* VIRTQ_DESC_* */
	le16_t next;  /* valid with VIRTQ_DESC_NEXT */
};
_Static_assert(sizeof(struct virtq_desc) == 16, "[virtio-1.2 2.7.5]");
#define VIRTQ_DESC_NEXT 1
#define VIRTQ_DESC_WRITE 2    /* the device writes, else it reads */
#define VIRTQ_DESC_INDIRECT 4 /* what it points at is a table of descriptors [2.7.5.3] */

struct virtq_avail {
	le16_t flags; /* VIRTQ_AVAIL_NO_INTERRUPT, 0 with event indices */
	le16_t idx;
	le16_t ring[]; /* size of these, then used_event */
};
#define VIRTQ_AVAIL_NO_INTERRUPT 1

struct virtq_used_elem {
	le32_t id;  /* head of the descriptor chain */
	le32_t len; /* bytes written by the device */
};
_Static_assert(sizeof(struct virtq_used_elem) == 8, "[virtio-1.2 2.7.8]");

struct virtq_used {
	le16_t flags; /* VIRTQ_USED_NO_NOTIFY, 0 with event indices */
	le16_t idx;
	struct virtq_used_elem ring[]; /* size of these, then le16 avail_event */
};
_Static_assert(offsetof(struct virtq_used, ring) == 4, "[virtio-1.2 2.7.8]");
#define VIRTQ_USED_NO_NOTIFY 1
#define VIRTQ_SIZE_MAX 32768u /* [2.7] */

/* ---- network device: configuration [5.1.4] ---- */
struct virtio_net_config {
	uint8_t mac[6];
	le16_t status;              /* VIRTIO_NET_S_*, with F_STATUS */
	le16_t max_virtqueue_pairs; /* 1..0x8000, with F_MQ or F_RSS */
	le16_t mtu;                 /* with F_MTU */
	le32_t speed;
	uint8_t duplex;
	uint8_t rss_max_key_size;                /* with F_RSS */
	le16_t rss_max_indirection_table_length; /* with F_RSS */
	le32_t supported_hash_types;             /* with F_RSS */
};
_Static_assert(sizeof(struct virtio_net_config) == 24, "[virtio-1.2 5.1.4]");
#define VIRTIO_NET_S_LINK_UP 1

/* ---- network device: header before each frame [5.1.6] ---- */
struct virtio_net_hdr {
	uint8_t flags;    /* VIRTIO_NET_HDR_F_* */
	uint8_t gso_type; /* VIRTIO_NET_HDR_GSO_* */
	le16_t hdr_len;
	le16_t gso_size; /* payload bytes a segment */
	le16_t csum_start;
	le16_t csum_offset;
	le16_t num_buffers; /* by the device, with F_MRG_RXBUF */
};
_Static_assert(sizeof(struct virtio_net_hdr) == 12, "[virtio-1.2 5.1.6]");
#define VIRTIO_NET_HDR_F_NEEDS_CSUM 1
#define VIRTIO_NET_HDR_F_DATA_VALID 2
#define VIRTIO_NET_HDR_GSO_TCPV4 1
#define VIRTIO_NET_HDR_GSO_TCPV6 4
#define VIRTIO_NET_HDR_GSO_ECN 0x80

/* ---- network device: control queue [5.1.6.5] ---- */
struct virtio_net_ctrl {
	uint8_t class;
	uint8_t command;
};
#define VIRTIO_NET_OK 0
#define VIRTIO_NET_CTRL_MQ 4
#define VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET 0 /* le16 pairs */
#define VIRTIO_NET_CTRL_MQ_RSS_CONFIG 1

#define VIRTIO_NET_RSS_TABLE 128u
#define VIRTIO_NET_RSS_KEY 40u
struct virtio_net_rss { /* [5.1.6.5.7.1], with our table and key sizes */
	le32_t hash_types;
	le16_t table_mask;
	le16_t unclassified_queue;
	le16_t table[VIRTIO_NET_RSS_TABLE];
	le16_t max_tx_vq;
	uint8_t key_bytes;
	uint8_t key[VIRTIO_NET_RSS_KEY];
} __attribute__((packed));
_Static_assert(sizeof(struct virtio_net_rss) == 8 + 256 + 3 + 40, "[virtio-1.2 5.1.6.5.7.1]");
#define VIRTIO_NET_HASH_TCPV4 2u
#define VIRTIO_NET_HASH_UDPV4 4u
#define VIRTIO_NET_HASH_TCPV6 16u
#define VIRTIO_NET_HASH_UDPV6 32u
#define VIRTIO_NET_HASHES \
	(VIRTIO_NET_HASH_TCPV4 | VIRTIO_NET_HASH_UDPV4 | VIRTIO_NET_HASH_TCPV6 | VIRTIO_NET_HASH_UDPV6)
