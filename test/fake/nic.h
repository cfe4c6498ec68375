/* SPDX-License-Identifier: MIT */
/* A NIC as flow sees it: queues of frames to receive, a record of what was sent. Buffers are heap memory. */
#pragma once
#include "kernel/nic/nic.h"

#define FAKE_NIC_DEPTH 4096u

struct fake_nic_queue {
	struct buf *rx[FAKE_NIC_DEPTH];
	unsigned rx_head, rx_tail;
	struct nic_tx tx[64]; /* accepted and not finished */
	unsigned tx_count, tx_flushed, tx_room;
	bool is_armed, is_starved;
	uint32_t core;
};
extern struct fake_nic_queue fake_nic[NIC_QUEUES_MAX];
extern struct nic_info fake_nic_info;
extern struct nic_steering fake_nic_steering;
extern unsigned fake_nic_steered;
extern unsigned fake_buf_out; /* buffers made and not freed */

/** fake_nic_reset() - @pairs empty queues with room for 64 frames to send. */
void fake_nic_reset(uint16_t pairs);

/** fake_nic_receive() - a frame of @bytes waits on @queue; a copy exactly as long, so that ASan sees a step beyond. */
void fake_nic_receive(uint16_t queue, const void *frame, uint16_t bytes);

/** fake_nic_finish() - the device is done with the oldest @count frames of @queue. */
void fake_nic_finish(uint16_t queue, unsigned count);
