/* SPDX-License-Identifier: MIT */
/*
 * In: a NIC found on PCI. Out: frames received, in bursts, and frames sent, in chains. Who calls: flow
 * only (and main.c to start it). A driver fills struct nic_ops and never calls its user. Start reading
 * at virtio_net.c.
 */
#pragma once
#include "kernel/base/types.h"
#include "kernel/buf/buf.h"

#define NIC_BURST_MAX 64u
#define NIC_TX_SEGS_MAX 48u
#define NIC_QUEUES_MAX 64u

enum nic_offload {
	NIC_RX_CSUM = 1,  /* buf flag BUF_CSUM_GOOD is meaningful */
	NIC_TX_CSUM = 2,  /* NIC_TX_NEEDS_CSUM may be used */
	NIC_TX_TSO4 = 4,  /* NIC_TX_IS_TSO4 may be used, frames up to 65,549 bytes */
	NIC_RSS = 8,      /* the device steers by our table and key */
	NIC_TX_TSO6 = 16, /* NIC_TX_IS_TSO6 may be used, as NIC_TX_TSO4 */
};

enum nic_tx_flags {
	NIC_TX_NEEDS_CSUM = 1, /* csum_start/csum_offset valid; the field holds the pseudo-header sum */
	NIC_TX_IS_TSO4 = 2,    /* header_bytes, mss valid; implies NIC_TX_NEEDS_CSUM */
	NIC_TX_IS_TSO6 = 4,    /* the same over IPv6 */
};

struct nic_seg {
	pa_t pa;
	uint32_t bytes;
};

/* One frame to send: an Ethernet frame as 1..NIC_TX_SEGS_MAX pieces of memory. */
struct nic_tx {
	void *token;           /* given back by nic_tx_reclaim() when the device is done with the memory */
	uint16_t flags;        /* enum nic_tx_flags */
	uint16_t csum_start;   /* bytes from the frame's start */
	uint16_t csum_offset;  /* bytes from csum_start */
	uint16_t header_bytes; /* Ethernet + IP + TCP */
	uint16_t mss;          /* TCP payload per segment */
	uint16_t seg_count;
	struct nic_seg segs[NIC_TX_SEGS_MAX];
};

struct nic_info {
	uint8_t mac[6];
	uint16_t mtu;             /* of the device, 0: not said */
	uint32_t offloads;        /* enum nic_offload */
	uint16_t queue_pairs;     /* in use, 1..NIC_QUEUES_MAX */
	uint16_t queue_pairs_max; /* of the device */
	bool queue_is_group;      /* the backend picks the queue: the group id is the queue index */
	bool is_link_up;          /* as the device last said */
	const char *driver;       /* "virtio-net" */
};

struct nic_stats {
	uint64_t rx_frames, rx_bytes, rx_bad, rx_no_buffer;
	uint64_t tx_frames, tx_bytes, tx_full, tx_kicks;
	uint64_t resets;
};

/* How the device is to pick queues, with NIC_RSS: table[Toeplitz(key, 4-tuple) % 128], else queue 0. */
struct nic_steering {
	uint8_t key[40];
	uint16_t table[128];
};

/**
 * nic_start() - find and start the NIC with up to @queue_pairs pairs
 * Interrupts go to the boot core until nic_irq_core(); with NIC_RSS only queue 0 receives until nic_steer().
 * Return: 0, KERR_NOT_FOUND (no device), KERR_UNSUPPORTED (says on the log what is missing), KERR_TIMEOUT.
 */
int nic_start(uint16_t queue_pairs);
const struct nic_info *nic_info(void);

/**
 * nic_rx_burst() - take received frames off one queue and post fresh buffers
 * @out: room for @max first buffers of frames; [0, return) is filled. @max: 1..NIC_BURST_MAX
 * Return: frames. A damaged frame or an impossible id or length is counted in rx_bad and recycled.
 * Owner: caller, until buf_free_frame(). Context: the core that polls @queue. [virtio-1.2 5.1.6.4]
 */
unsigned nic_rx_burst(uint16_t queue, struct buf **out, unsigned max);

/** nic_rx_waiting() - by the core that polls @queue: buffers in it that have come and were not taken, about as many frames. */
unsigned nic_rx_waiting(uint16_t queue);

/** nic_tx() - queue one frame; no doorbell. Return: false if the ring is full (frame stays the caller's). */
bool nic_tx(uint16_t queue, const struct nic_tx *tx);

#define NIC_TX_ROOM 12u    /* bytes in front of a frame of nic_tx_short() */
#define NIC_TX_HEADERS 34u /* Ethernet and IPv4 without options, which it begins with */

/**
 * nic_tx_short() - nic_tx() of TCP or UDP over IPv4 in one piece of direct-map memory; only with NIC_TX_CSUM
 * @csum_offset: bytes from NIC_TX_HEADERS to the checksum, which holds the pseudo header's sum.
 * The NIC_TX_ROOM bytes in front of @frame, too, are the driver's until the token is back, whatever was in them is lost.
 */
bool nic_tx_short(uint16_t queue, void *token, uint8_t *frame, uint32_t bytes, uint16_t csum_offset);

/** nic_tx_room() - descriptors free: a frame takes one more than it has pieces at most. */
uint32_t nic_tx_room(uint16_t queue);

/** nic_tx_flush() - one doorbell for all frames queued since the last, none if the device polls. */
void nic_tx_flush(uint16_t queue);

/** nic_tx_reclaim() - tokens of finished frames, at most @max. Return: how many (NULL tokens left out). */
unsigned nic_tx_reclaim(uint16_t queue, void **tokens, unsigned max);

/** nic_tx_pending() - frames of @queue whose memory the device still has. */
unsigned nic_tx_pending(uint16_t queue);
/** nic_tx_starved() - whether nic_tx() refused a frame, none has come back since and some are to come: poll on. */
bool nic_tx_starved(uint16_t queue);

/** nic_irq_core() - @queue interrupts core @core, which polls it. KERR_INVALID: its APIC id cannot be addressed. */
int nic_irq_core(uint16_t queue, uint32_t core);

/** nic_steer() - on the boot core, with NIC_RSS: 0, KERR_TIMEOUT or KERR_UNSUPPORTED. Kept over device resets, told after one. */
int nic_steer(const struct nic_steering *steering);

/**
 * nic_irq_arm() - ask for an interrupt at the next received frame
 * Return: true if the queue is already non-empty (do not sleep). nic_irq_disarm() - polling again.
 */
bool nic_irq_arm(uint16_t queue);
void nic_irq_disarm(uint16_t queue);

/** nic_check() - housekeeping, about every 10 ms on the boot core: device reset wanted, link, config change. */
void nic_check(void);

/** nic_want_reset() - any core: have nic_check() reset the device; frames in flight come back as finished. */
void nic_want_reset(void);

/** nic_stats() - sum over queues, about. */
void nic_stats(struct nic_stats *out);
