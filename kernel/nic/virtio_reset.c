/* SPDX-License-Identifier: MIT */
/*
 * A device that broke the rules, asked for a reset or lost its backend is stopped, reset and started
 * again with the features it had. Rings change hands by their state word: the boot core asks, each
 * owner parks its ring the next time it looks at it, and only then are the rings rebuilt. Nobody waits.
 */
#include "kernel/base/err.h"
#include "kernel/base/log.h"
#include "kernel/cpu/cpu.h"
#include "kernel/nic/virtio_net.h"

#define RETRY_US 1000000u /* a reset that fails may have waited as long */

void virtio_net_want_reset(void)
{
	store_release(&virtio_net.reset_wanted, 1);
}

void virtio_net_distrust(struct virtq *q)
{
	virtq_park(q);
	virtio_net_want_reset();
}

void virtio_net_leave(struct virtq *q)
{
	if (load_acquire(&q->state) == VIRTQ_STOPPING)
		virtq_park(q);
}

/* Ask the owner to park @q unless it has; true when it has. */
static bool is_stopped(struct virtq *q)
{
	uint32_t state = load_acquire(&q->state);

	if (state == VIRTQ_PARKED)
		return true;
	if (state != VIRTQ_STOPPING)
		(void)__atomic_compare_exchange_n(&q->state, &state, VIRTQ_STOPPING, false, __ATOMIC_ACQ_REL,
						  __ATOMIC_RELAXED);
	return false;
}

static bool are_queues_stopped(struct virtio_net *n)
{
	bool all = true;

	for (uint16_t i = 0; i < n->info.queue_pairs; i++) {
		all = is_stopped(&n->rx[i]->q) && all;
		if (!is_stopped(&n->tx[i]->q) && i < cpu_core_limit() && !(cpu_running() >> i & 1))
			virtq_park(
				&n->tx[i]->q); /* its core does not turn, and another one polls what it would receive */
		all = is_stopped(&n->tx[i]->q) && all;
	}
	return all;
}

/* Cores that sleep or are in ring 3 would not look at their queues, to park them or to take back what they sent. */
static void wake_others(void)
{
	for (uint64_t left = cpu_running() & ~(1ull << core_id()); left; left &= left - 1)
		cpu_wake((uint32_t)__builtin_ctzll(left));
}

static void restart(struct virtio_net *n)
{
	uint64_t had = n->features;
	int err;

	/* Clear first: what is found wrong from here on is news. */
	store_release(&n->reset_wanted, 0);
	err = virtio_net_negotiate(n, had);
	if (!err && n->features != had) {
		log_line("virtio-net: device came back without features %lx", (unsigned long)(had & ~n->features));
		err = KERR_UNSUPPORTED;
	}
	n->features = had;
	err = err ? err : virtio_net_go_live(n);
	n->resets++;
	if (err) {
		/* Left parked, to be tried again. */
		n->retry_at = cpu_tsc() + cpu_us_to_tsc(RETRY_US);
		if ((n->resets & (n->resets - 1)) == 0)
			log_line("virtio-net: reset %lu failed (%d)", (unsigned long)n->resets, err);
		return;
	}
	n->is_stopping = false;
	wake_others();
	if ((n->resets & (n->resets - 1)) == 0)
		log_line("virtio-net: device was reset (%lu so far)", (unsigned long)n->resets);
}

static void note_config(struct virtio_net *n)
{
	struct virtio_net_config config;
	bool is_up;

	n->generation = virtio_pci_generation(&n->pci);
	if (virtio_net_read_config(n, &config))
		return;
	is_up = !(n->features & VIRTIO_NET_F_STATUS) || (config.status & VIRTIO_NET_S_LINK_UP);
	if (is_up != n->info.is_link_up)
		log_line("virtio-net: link is %s", is_up ? "up" : "down");
	n->info.is_link_up = is_up;
}

void virtio_net_check(void)
{
	struct virtio_net *n = &virtio_net;

	if (!n->is_stopping) {
		if (virtio_pci_generation(&n->pci) != n->generation)
			note_config(n);
		if (virtio_pci_status(&n->pci) & VIRTIO_NEEDS_RESET)
			virtio_net_want_reset();
		if (likely(!load_acquire(&n->reset_wanted)))
			return;
		n->is_stopping = true;
	}
	if (!are_queues_stopped(n))
		wake_others();
	else if (cpu_tsc() >= n->retry_at)
		restart(n);
}
