/* SPDX-License-Identifier: MIT */
/*
 * The one virtio network device: its state, by writer. Queues belong to the cores that poll them, the
 * rest to the boot core; after start the rest is only read, but for the words marked atomic.
 */
#pragma once
#include "kernel/nic/nic_ops.h"
#include "kernel/nic/virtq.h"

#define RX_PAD 2u /* puts the IP header on a multiple of 4 behind virtio and Ethernet headers */
#define RX_ROOM (BUF_BYTES - RX_PAD)
#define RX_CHAIN_MAX 64u     /* buffers in one frame; 33 are the most a 64 KiB frame can need */
#define NIC_FRAME_MAX 65549u /* Ethernet header and the largest IPv4 packet */
#define ETHERNET_BYTES 14u

struct virtio_rx {
	struct virtq q;
	struct buf **slots; /* by descriptor: what the device may write to, NULL if idle */
	uint16_t *idle;     /* stack of descriptors without a buffer */
	uint16_t idle_count;
	uint16_t show_batch; /* fresh buffers that are worth telling the device of */
	bool is_mergeable;   /* num_buffers means something */
	uint8_t csum_flags;  /* header flags that vouch for the checksum */
	uint64_t frames, bytes, bad, no_buffer;
} ALIGNED(64);

#define TX_TABLE (NIC_TX_SEGS_MAX + 1u) /* with the virtio header */

struct virtio_tx_slot {
	void *token;
	uint32_t count;   /* descriptors of the chain that begins here, 0: none does */
	uint32_t is_done; /* the device is done with it, but not with an older one: its descriptors wait */
};

struct virtio_tx {
	struct virtq q;
	struct virtio_tx_slot *slots; /* by head descriptor */
	struct virtio_net_hdr *hdrs;  /* by head descriptor */
	pa_t hdrs_pa;
	pa_t plain_pa;    /* header of a frame without offloads: zeros */
	uintptr_t direct; /* address of physical 0 */
	struct virtq_desc (
		*tables)[TX_TABLE]; /* by head descriptor: a frame in many pieces takes one place in the ring */
	pa_t tables_pa;
	bool has_tables;     /* the device takes them */
	uint32_t head, tail; /* descriptors dealt, descriptors free again; both only grow */
	uint16_t drain_left; /* VIRTQ_DRAINING: frames of before the reset, not given back yet */
	uint16_t drain_at;   /* and the slot to look at next */
	bool is_starved;     /* a frame was refused and none has come back since */
	uint64_t frames, bytes, full, kicks;
} ALIGNED(64);

struct virtio_ctrl {
	struct virtq q;
	struct virtio_ctrl_memory *memory;
};

struct virtio_net {
	struct virtio_pci pci;
	struct nic_info info;
	uint64_t features; /* accepted */
	struct virtio_rx *rx[NIC_QUEUES_MAX];
	struct virtio_tx *tx[NIC_QUEUES_MAX];
	struct virtio_ctrl ctrl;
	struct nic_steering steering;
	uint16_t wanted;       /* queue pairs that start was asked for */
	bool is_steering;      /* steering is to be programmed */
	uint8_t generation;    /* of the configuration last read */
	bool is_stopping;      /* queues were asked to park for a reset */
	tsc_t retry_at;        /* not before, after a reset that failed */
	uint32_t reset_wanted; /* atomic: any core sets it, nic_check() clears it */
	uint64_t resets;
};

extern struct virtio_net virtio_net;

/* ---- virtio_features.c ---- */
/** virtio_features_choose() - what to accept of @offered for @pairs queue pairs; @config as the device shows it. */
uint64_t virtio_features_choose(uint64_t offered, uint16_t pairs, const struct virtio_net_config *config);
/** virtio_features_offloads() - enum nic_offload bits that @accepted means. */
uint32_t virtio_features_offloads(uint64_t accepted);

/* ---- virtio_net.c ---- */
/** virtio_net_go_live() - steps 7 and 8 of the start and what follows: queues told, device live, queues in use. */
int virtio_net_go_live(struct virtio_net *n);
/** virtio_net_negotiate() - steps 1 to 6. @within: features that may be accepted. */
int virtio_net_negotiate(struct virtio_net *n, uint64_t within);
/** virtio_net_read_config() - one consistent copy. 0 or KERR_TIMEOUT. */
int virtio_net_read_config(struct virtio_net *n, struct virtio_net_config *out);

/* ---- virtio_ctrl.c: all on the boot core, waiting up to a second ---- */
int virtio_ctrl_alloc(struct virtio_ctrl *c, uint16_t index, uint16_t size);
/** virtio_ctrl_pairs() - 0, KERR_TIMEOUT, KERR_UNSUPPORTED (the device refused). */
int virtio_ctrl_pairs(struct virtio_ctrl *c, uint16_t pairs);
int virtio_ctrl_rss(struct virtio_ctrl *c, uint16_t pairs, const struct nic_steering *steering);

/* ---- virtio_rx.c, virtio_tx.c ---- */
int virtio_rx_alloc(struct virtio_rx *rx, uint16_t index, uint16_t size);
/** virtio_rx_prepare() - empty ring, then all buffers it had, and more while there are any, offered again. */
void virtio_rx_prepare(struct virtio_rx *rx, uint64_t features);
unsigned virtio_rx_burst(uint16_t queue, struct buf **out, unsigned max);
unsigned virtio_rx_waiting(uint16_t queue);
bool virtio_rx_arm(uint16_t queue);
void virtio_rx_disarm(uint16_t queue);

int virtio_tx_alloc(struct virtio_tx *tx, uint16_t index, uint16_t size);
/** virtio_tx_prepare() - empty ring. Return: state it goes on in, VIRTQ_DRAINING if the device had frames. */
enum virtq_state virtio_tx_prepare(struct virtio_tx *tx, uint64_t features);
bool virtio_tx(uint16_t queue, const struct nic_tx *frame);
bool virtio_tx_short(uint16_t queue, void *token, uint8_t *frame, uint32_t bytes, uint16_t csum_offset);
uint32_t virtio_tx_room(uint16_t queue);
void virtio_tx_flush(uint16_t queue);
unsigned virtio_tx_reclaim(uint16_t queue, void **tokens, unsigned max);
unsigned virtio_tx_pending(uint16_t queue);
bool virtio_tx_starved(uint16_t queue);

/* ---- virtio_reset.c ---- */
void virtio_net_check(void);
void virtio_net_want_reset(void);
/** virtio_net_distrust() - by a queue's owner: the device broke the rules on it; park it, have the device reset. */
void virtio_net_distrust(struct virtq *q);
/** virtio_net_leave() - by a queue's owner when it is not running: park it if that is asked for. */
void virtio_net_leave(struct virtq *q);
