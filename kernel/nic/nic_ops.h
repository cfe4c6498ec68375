/* SPDX-License-Identifier: MIT */
/* What a driver is to probe.c: the functions behind the door, each documented there under nic_NAME(). */
#pragma once
#include "kernel/nic/nic.h"

struct nic_ops {
	int (*start)(uint16_t queue_pairs);
	const struct nic_info *(*info)(void);
	unsigned (*rx_burst)(uint16_t queue, struct buf **out, unsigned max);
	unsigned (*rx_waiting)(uint16_t queue);
	bool (*tx)(uint16_t queue, const struct nic_tx *tx);
	bool (*tx_short)(uint16_t queue, void *token, uint8_t *frame, uint32_t bytes, uint16_t csum_offset);
	uint32_t (*tx_room)(uint16_t queue);
	void (*tx_flush)(uint16_t queue);
	unsigned (*tx_reclaim)(uint16_t queue, void **tokens, unsigned max);
	unsigned (*tx_pending)(uint16_t queue);
	bool (*tx_starved)(uint16_t queue);
	bool (*irq_arm)(uint16_t queue);
	void (*irq_disarm)(uint16_t queue);
	int (*irq_core)(uint16_t queue, uint32_t core);
	int (*steer)(const struct nic_steering *steering);
	void (*check)(void);
	void (*want_reset)(void);
	void (*stats)(struct nic_stats *out);
};

extern const struct nic_ops virtio_net_ops;
