/* SPDX-License-Identifier: MIT */
/* Which drivers there are; the first that finds its device serves all calls of the door from then on. */
#include "kernel/base/err.h"
#include "kernel/base/log.h"
#include "kernel/nic/nic_ops.h"

static const struct nic_ops *const drivers[] = { &virtio_net_ops };
static const struct nic_ops *nic_driver;

int nic_start(uint16_t queue_pairs)
{
	for (unsigned i = 0; i < ARRAY_COUNT(drivers); i++) {
		int err = drivers[i]->start(queue_pairs);

		if (err == KERR_NOT_FOUND)
			continue;
		if (!err)
			nic_driver = drivers[i];
		return err;
	}
	log_line("nic: no network device that this kernel knows (virtio-net-pci is one)");
	return KERR_NOT_FOUND;
}

const struct nic_info *nic_info(void)
{
	return nic_driver->info();
}

unsigned nic_rx_burst(uint16_t queue, struct buf **out, unsigned max)
{
	return nic_driver->rx_burst(queue, out, max);
}

unsigned nic_rx_waiting(uint16_t queue)
{
	return nic_driver->rx_waiting(queue);
}

bool nic_tx(uint16_t queue, const struct nic_tx *tx)
{
	return nic_driver->tx(queue, tx);
}

bool nic_tx_short(uint16_t queue, void *token, uint8_t *frame, uint32_t bytes, uint16_t csum_offset)
{
	return nic_driver->tx_short(queue, token, frame, bytes, csum_offset);
}

uint32_t nic_tx_room(uint16_t queue)
{
	return nic_driver->tx_room(queue);
}

void nic_tx_flush(uint16_t queue)
{
	nic_driver->tx_flush(queue);
}

unsigned nic_tx_reclaim(uint16_t queue, void **tokens, unsigned max)
{
	return nic_driver->tx_reclaim(queue, tokens, max);
}

unsigned nic_tx_pending(uint16_t queue)
{
	return nic_driver->tx_pending(queue);
}

bool nic_tx_starved(uint16_t queue)
{
	return nic_driver->tx_starved(queue);
}

bool nic_irq_arm(uint16_t queue)
{
	return nic_driver->irq_arm(queue);
}

void nic_irq_disarm(uint16_t queue)
{
	nic_driver->irq_disarm(queue);
}

int nic_irq_core(uint16_t queue, uint32_t core)
{
	return nic_driver->irq_core(queue, core);
}

int nic_steer(const struct nic_steering *steering)
{
	return nic_driver->steer(steering);
}

void nic_check(void)
{
	nic_driver->check();
}

void nic_want_reset(void)
{
	nic_driver->want_reset();
}

void nic_stats(struct nic_stats *out)
{
	nic_driver->stats(out);
}
