/* SPDX-License-Identifier: MIT */
/* Starting the device: the order of the steps, which features are taken, queues and steering, refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "kernel/base/err.h"
#include "kernel/nic/virtio_net.h"
#include "test/unit/nic/nic_setup.h"

static void test_one_pair(void **state)
{
	const struct nic_info *info;

	(void)state;
	nic_setup(1, 256);
	assert_int_equal(nic_start(4), 0);
	info = nic_info();
	assert_int_equal(fake_device.status,
			 VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK | VIRTIO_DRIVER_OK);
	assert_int_equal(info->queue_pairs, 1);
	assert_false(info->queue_is_group);
	assert_int_equal(info->offloads, NIC_RX_CSUM | NIC_TX_CSUM | NIC_TX_TSO4 | NIC_TX_TSO6);
	assert_int_equal(info->mtu, 1500);
	assert_memory_equal(info->mac, fake_device.config.mac, 6);
	assert_true(info->is_link_up);
	assert_int_equal(posted(0), 256);
	assert_int_equal(fake_device_avail(0), 256);
	assert_int_equal(fake_device.queues[0].doorbell, 0); /* rung once for the first buffers */
	assert_int_equal(fake_device.queues[0].told.msix_entry, 0);
	assert_int_equal(fake_device.queues[1].told.msix_entry, VIRTIO_NO_VECTOR);
	assert_false(fake_device.accepted & (VIRTIO_NET_F_MQ | VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_RSS));
}

static void test_many_pairs(void **state)
{
	(void)state;
	nic_setup(8, 64);
	fake_device.offered &= ~VIRTIO_NET_F_RSS;
	assert_int_equal(nic_start(4), 0);
	assert_int_equal(nic_info()->queue_pairs, 4);
	assert_int_equal(nic_info()->queue_pairs_max, 8);
	assert_true(nic_info()->queue_is_group);
	assert_int_equal(fake_device.pairs, 4);
	assert_true(fake_device.queues[7].is_enabled && !fake_device.queues[8].is_enabled);
	assert_true(fake_device.queues[16].is_enabled); /* control: behind all that could be */
	assert_int_equal(nic_irq_core(3, 3), 0);
	assert_int_equal(fake_device.msix_core[3], 3);
}

static void test_rss(void **state)
{
	struct nic_steering s = { .key = { 1, 2, 3 }, .table = { 3, 2, 1, 0 } };

	(void)state;
	nic_setup_started(4, 64);
	assert_true(nic_info()->offloads & NIC_RSS);
	assert_false(nic_info()->queue_is_group);
	assert_int_equal(fake_device.rss_commands, 0);
	assert_int_equal(nic_steer(&s), 0);
	assert_int_equal(fake_device.rss_commands, 1);
	assert_int_equal(fake_device.rss.max_tx_vq, 4);
	assert_int_equal(fake_device.rss.table_mask, 127);
	assert_int_equal(fake_device.rss.hash_types, VIRTIO_NET_HASHES);
	assert_int_equal(fake_device.rss.key_bytes, 40);
	assert_memory_equal(fake_device.rss.key, s.key, 40);
	assert_memory_equal(fake_device.rss.table, s.table, 256);
	fake_device.ctrl_answer = 1;
	assert_int_equal(nic_steer(&s), KERR_UNSUPPORTED);
}

static void test_rss_too_small(void **state)
{
	(void)state;
	nic_setup(4, 64);
	fake_device.config.rss_max_indirection_table_length = 64;
	assert_int_equal(nic_start(4), 0);
	assert_false(nic_info()->offloads & NIC_RSS);
	assert_int_equal(fake_device.pairs, 4);
}

static void test_feature_rules(void **state)
{
	struct virtio_net_config c = { .max_virtqueue_pairs = 8 };

	(void)state;
	assert_false(virtio_features_choose(~VIRTIO_NET_F_CSUM, 1, &c) & VIRTIO_NET_F_HOST_TSO4);
	assert_false(virtio_features_choose(~VIRTIO_NET_F_GUEST_CSUM, 1, &c) & VIRTIO_NET_F_GUEST_TSO4);
	assert_false(virtio_features_choose(~VIRTIO_NET_F_MRG_RXBUF, 1, &c) & VIRTIO_NET_F_GUEST_TSO4);
	assert_false(virtio_features_choose(~VIRTIO_NET_F_CTRL_VQ, 4, &c) & VIRTIO_NET_F_MQ);
	assert_true(virtio_features_choose(UINT64_MAX, 4, &c) & VIRTIO_NET_F_MQ);
	c.max_virtqueue_pairs = 0x8000; /* its control queue would have no number */
	assert_false(virtio_features_choose(UINT64_MAX, 4, &c) & VIRTIO_NET_F_MQ);
	/* Nothing that this driver does not know. */
	assert_int_equal(virtio_features_choose(1ull << 34 | 1ull << 27 | 1ull << 35, 4, &c), 0);
}

static void test_refusals(void **state)
{
	(void)state;
	nic_setup(1, 0);
	assert_int_equal(nic_start(1), KERR_NOT_FOUND);
	nic_setup(1, 256);
	fake_device.offered = ~VIRTIO_F_VERSION_1;
	assert_int_equal(nic_start(1), KERR_UNSUPPORTED);
	assert_true(fake_device.status & VIRTIO_FAILED);
	nic_setup(1, 256);
	fake_device.refuses_features = true;
	assert_int_equal(nic_start(1), KERR_UNSUPPORTED);
	nic_setup(1, 256);
	fake_device.never_resets = true;
	assert_int_equal(nic_start(1), KERR_TIMEOUT);
	nic_setup(4, 256);
	fake_device.offered &= ~VIRTIO_NET_F_RSS;
	fake_device.is_mute = true;
	assert_int_equal(nic_start(4), KERR_TIMEOUT);
	nic_setup(4, 256);
	fake_device.offered &= ~VIRTIO_NET_F_RSS;
	fake_device.ctrl_answer = 1;
	assert_int_equal(nic_start(4), KERR_UNSUPPORTED);
	nic_setup(1, 100); /* no power of two */
	assert_int_equal(nic_start(1), KERR_UNSUPPORTED);
	nic_setup(1, 32); /* a frame of 48 pieces would not fit */
	assert_int_equal(nic_start(1), KERR_UNSUPPORTED);
}

/* As many descriptors as there are buffers would leave none to answer with. */
static void test_queues_leave_buffers(void **state)
{
	(void)state;
	nic_setup(8, 256);
	assert_int_equal(nic_start(8), 0);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(virtio_net.rx[i]->q.size, BUFFERS / 2 / 8);
	assert_int_equal(posted(0), BUFFERS / 2);
	nic_setup(4, 256);
	assert_int_equal(nic_start(4), 0);
	assert_int_equal(virtio_net.rx[3]->q.size, 256);
}

static void test_without_mac(void **state)
{
	(void)state;
	nic_setup(1, 256);
	fake_device.offered &= ~(VIRTIO_NET_F_MAC | VIRTIO_NET_F_MTU);
	assert_int_equal(nic_start(1), 0);
	assert_int_equal(nic_info()->mac[0] & 3, 2);
	assert_int_equal(nic_info()->mtu, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_pair),      cmocka_unit_test(test_many_pairs),
		cmocka_unit_test(test_rss),           cmocka_unit_test(test_rss_too_small),
		cmocka_unit_test(test_feature_rules), cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_without_mac),   cmocka_unit_test(test_queues_leave_buffers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
