/* SPDX-License-Identifier: MIT */
/* Device resets: queues are parked by their owners, every token and buffer survives, the service goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "kernel/base/err.h"
#include "kernel/nic/virtio_net.h"
#include "test/unit/nic/nic_setup.h"

static uint8_t data[2000];
static uint8_t seen[2000];
static struct buf *out[NIC_BURST_MAX];
static void *tokens[512];

static bool send(uint16_t queue, uintptr_t token)
{
	struct nic_tx tx = { .token = (void *)token, .seg_count = 1, .segs = { { (uintptr_t)data, 100 } } };

	return nic_tx(queue, &tx);
}

/* What a core's loop does with its queue each round. */
static unsigned turn(uint16_t queue)
{
	percore_id = queue;
	assert_int_equal(nic_rx_burst(queue, out, NIC_BURST_MAX), 0);
	return nic_tx_reclaim(queue, tokens, 512);
}

static void check_works(uint16_t queue)
{
	struct virtio_net_hdr h;

	percore_id = 0;
	fake_device_receive(2 * queue, &(struct virtio_net_hdr){ 0 }, pattern(9, 77), 77);
	assert_int_equal(nic_rx_burst(queue, out, 4), 1);
	assert_true(frame_equals(out[0], 9, 77));
	buf_free(out[0]);
	assert_true(send(queue, 4711));
	nic_tx_flush(queue);
	assert_int_equal(fake_device_send(2 * queue + 1, &h, seen, sizeof(seen)), 100);
	assert_int_equal(nic_tx_reclaim(queue, tokens, 512), 1);
	assert_ptr_equal(tokens[0], 4711);
}

static void test_needs_reset(void **state)
{
	(void)state;
	nic_setup_started(1, 64);
	for (uintptr_t i = 1; i <= 20; i++)
		assert_true(send(0, i));
	nic_tx_flush(0);
	fake_device.status |= VIRTIO_NEEDS_RESET;
	nic_check();
	assert_int_equal(fake_device.resets, 1); /* not while the owner may be at its rings */
	assert_false(send(0, 99));
	assert_int_equal(turn(0), 0);
	assert_true(nic_irq_arm(0)); /* the boot core does not sleep meanwhile */
	nic_check();
	assert_int_equal(fake_device.resets, 2);
	assert_false(send(0, 99)); /* first back what the device had */
	assert_int_equal(nic_tx_pending(0), 20);
	assert_int_equal(nic_tx_reclaim(0, tokens, 7), 7);
	assert_int_equal(nic_tx_reclaim(0, tokens + 7, 512), 13);
	for (uintptr_t i = 0; i < 20; i++)
		for (uintptr_t k = 0; k < i; k++)
			assert_ptr_not_equal(tokens[i], tokens[k]);
	assert_int_equal(nic_tx_pending(0), 0);
	assert_int_equal(posted(0), 64);
	assert_int_equal(fake_device_avail(0), 64);
	check_works(0);
}

static void test_wanted_on_many_cores(void **state)
{
	(void)state;
	nic_setup(4, 64);
	fake_device.offered &= ~VIRTIO_NET_F_RSS;
	assert_int_equal(nic_start(4), 0);
	fake_core_count = 4;
	nic_want_reset();
	nic_check();
	assert_int_equal(fake_wakes[0], 0);
	assert_true(fake_wakes[1] == 1 && fake_wakes[3] == 1);
	for (uint16_t q = 0; q < 3; q++)
		turn(q);
	percore_id = 0;
	nic_check();
	assert_int_equal(fake_device.resets, 1); /* core 3 has not answered */
	turn(3);
	fake_device.pairs = 0;
	percore_id = 0;
	nic_check();
	assert_int_equal(fake_device.resets, 2);
	assert_int_equal(fake_device.pairs, 4);
	for (uint16_t q = 0; q < 4; q++)
		check_works(q);
}

/* Of cores that are parked the boot core stops what they sent by, and nobody wakes them; what they would receive somebody else polls. */
static void test_parked_cores(void **state)
{
	(void)state;
	nic_setup(4, 64);
	fake_device.offered &= ~VIRTIO_NET_F_RSS;
	assert_int_equal(nic_start(4), 0);
	fake_core_count = 4;
	fake_cores = 3;
	nic_want_reset();
	nic_check();
	assert_int_equal(fake_wakes[2] + fake_wakes[3], 0);
	turn(1);
	percore_id = 0;
	assert_int_equal(nic_tx_reclaim(0, tokens, 512), 0);
	nic_check();
	for (uint16_t q = 0; q < 4; q++) {
		assert_int_equal(fake_device.resets, 1); /* not all of them are polled yet */
		if (q != 1)
			assert_int_equal(nic_rx_burst(q, out, NIC_BURST_MAX), 0);
		if (q < 3)
			nic_check();
	}
	fake_cores = 7; /* one comes before that is over: its ring has stopped already */
	nic_check();
	assert_int_equal(fake_device.resets, 2);
	fake_cores = 0;
	for (uint16_t q = 0; q < 4; q++)
		check_works(q);
}

static void test_steering_survives(void **state)
{
	struct nic_steering s = { .key = { 5 }, .table = { 1 } };

	(void)state;
	nic_setup_started(2, 64);
	assert_int_equal(nic_steer(&s), 0);
	nic_want_reset();
	nic_check();
	turn(0);
	turn(1);
	percore_id = 0;
	nic_check();
	assert_int_equal(fake_device.rss_commands, 2);
	assert_int_equal(fake_device.rss.table[0], 1);
	check_works(1);
}

/* What is wanted while the device is down is told when it is back, and nobody waits for an answer meanwhile. */
static void test_steering_meanwhile(void **state)
{
	struct nic_steering s = { .key = { 5 }, .table = { 1 } };

	(void)state;
	nic_setup_started(2, 64);
	fake_device.never_resets = true;
	nic_want_reset();
	nic_check();
	turn(0);
	turn(1);
	percore_id = 0;
	nic_check();
	assert_int_equal(nic_steer(&s), 0);
	assert_int_equal(fake_device.rss_commands, 0);
	fake_device.never_resets = false;
	virtio_net.retry_at = 0;
	nic_check();
	assert_int_equal(fake_device.rss_commands, 1);
	assert_int_equal(fake_device.rss.table[0], 1);
	check_works(1);
}

/* A command that is not answered in time may be answered later, in place of the next one: not with this device. */
static void test_steering_unanswered(void **state)
{
	struct nic_steering s = { .key = { 5 }, .table = { 1 } };

	(void)state;
	nic_setup_started(2, 64);
	fake_device.is_mute = true;
	assert_int_equal(nic_steer(&s), KERR_TIMEOUT);
	fake_device.is_mute = false;
	nic_check();
	turn(0);
	turn(1);
	percore_id = 0;
	nic_check();
	assert_int_equal(fake_device.resets, 2);
	assert_int_equal(fake_device.rss.table[0], 1);
	check_works(1);
	s.table[0] = 0;
	assert_int_equal(nic_steer(&s), 0);
	assert_int_equal(fake_device.rss.table[0], 0);
}

static void test_liar_is_reset(void **state)
{
	struct nic_stats s;

	(void)state;
	nic_setup_started(1, 64);
	for (unsigned i = 1; i <= 5; i++) {
		fake_device_push(0, 4096, 60);
		fake_device_publish(0);
		assert_int_equal(nic_rx_burst(0, out, 4), 0);
		nic_check();
		turn(0);
		nic_check();
		nic_stats(&s);
		assert_int_equal(s.resets, i);
		check_works(0);
	}
	fake_device.queues[0].used += 65; /* more than it ever had */
	fake_device_publish(0);
	assert_int_equal(nic_rx_burst(0, out, 4), 0);
	nic_check();
	turn(0);
	nic_check();
	check_works(0);
	assert_int_equal(posted(0), 64);
}

static void test_reset_fails_then_works(void **state)
{
	(void)state;
	nic_setup_started(1, 64);
	assert_true(send(0, 1));
	nic_tx_flush(0);
	fake_device.never_resets = true;
	nic_want_reset();
	nic_check();
	turn(0);
	nic_check();
	assert_false(send(0, 2));
	turn(0);
	fake_device.never_resets = false;
	assert_true(virtio_net.retry_at > 0);
	virtio_net.retry_at = UINT64_MAX;
	nic_check(); /* too early */
	assert_int_equal(fake_device.resets, 1);
	virtio_net.retry_at = 0;
	nic_check();
	assert_int_equal(fake_device.resets, 2);
	assert_int_equal(nic_tx_reclaim(0, tokens, 512), 1);
	check_works(0);
}

static void test_comes_back_with_less(void **state)
{
	(void)state;
	nic_setup_started(1, 64);
	fake_device.offered &= ~VIRTIO_NET_F_HOST_TSO4;
	nic_want_reset();
	nic_check();
	turn(0);
	nic_check();
	assert_false(fake_device.status & VIRTIO_DRIVER_OK);
	assert_false(send(0, 1));
	fake_device.offered = UINT64_MAX;
	virtio_net.retry_at = 0;
	nic_check();
	check_works(0);
}

static void test_reset_while_draining(void **state)
{
	(void)state;
	nic_setup_started(1, 64);
	for (uintptr_t i = 1; i <= 10; i++)
		assert_true(send(0, i));
	nic_want_reset();
	nic_check();
	turn(0);
	nic_check();
	assert_int_equal(nic_tx_reclaim(0, tokens, 4), 4);
	nic_want_reset();
	nic_check();
	assert_int_equal(turn(0), 0);
	nic_check();
	assert_int_equal(nic_tx_reclaim(0, tokens, 512), 6);
	check_works(0);
}

static void test_link(void **state)
{
	(void)state;
	nic_setup_started(1, 64);
	fake_device.config.status = 0;
	nic_check();
	assert_true(nic_info()->is_link_up); /* the generation says when to look */
	fake_device.generation++;
	nic_check();
	assert_false(nic_info()->is_link_up);
	fake_device.config.status = VIRTIO_NET_S_LINK_UP;
	fake_device.generation++;
	nic_check();
	assert_true(nic_info()->is_link_up);
	assert_int_equal(fake_device.resets, 1);
}

/* A back end that died: what it had not published it has not done, and the next one begins there. */
static void backend_dies(uint16_t queue)
{
	struct fake_queue *q = &fake_device.queues[queue];
	const struct virtq_used *used = (const struct virtq_used *)(uintptr_t)q->told.used;

	q->used = used->idx;
	q->avail_seen = used->idx;
	fake_device.config.status = 0;
	fake_device.generation++;
	nic_check();
	assert_false(nic_info()->is_link_up);
}

static void backend_returns(void)
{
	fake_device.config.status = VIRTIO_NET_S_LINK_UP;
	fake_device.generation++;
	nic_check();
	assert_true(nic_info()->is_link_up);
}

/*
 * A vhost-user back end dies in the middle of its work and comes back, as when a switch is restarted. The device is not
 * reset; what was under way is neither lost nor given back twice, and the rings go on where they were.
 */
static void test_backend_dies(void **state)
{
	struct virtio_net_hdr h = { .num_buffers = 1 };
	uint16_t head;

	(void)state;
	nic_setup_started(1, 64);
	for (uintptr_t i = 1; i <= 20; i++)
		assert_true(send(0, i));
	nic_tx_flush(0);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(fake_device_send(1, &h, seen, sizeof(seen)), 100);
	/* It has sent two more, and half received two frames, when it dies. */
	for (unsigned i = 0; i < 2; i++) {
		fake_device_push(1, fake_device_pop(1), 0);
		head = fake_device_pop(0);
		(void)fake_device_write(0, head, pattern(1, 60), 60);
		fake_device_push(0, head, 60);
	}
	backend_dies(0);
	backend_dies(1);
	assert_int_equal(turn(0), 8);
	/* The core goes on sending until the ring is full. */
	for (uintptr_t i = 21; i <= 28; i++)
		assert_true(send(0, i));
	nic_tx_flush(0);
	assert_int_equal(turn(0), 0);
	assert_int_equal(nic_tx_pending(0), 20);
	backend_returns();
	for (uintptr_t i = 9; i <= 28; i++) {
		assert_int_equal(fake_device_send(1, &h, seen, sizeof(seen)), 100); /* the two a second time */
		assert_int_equal(nic_tx_reclaim(0, tokens, 512), 1);
		assert_ptr_equal(tokens[0], i);
	}
	assert_int_equal(fake_device_avail(1), 0);
	for (unsigned i = 0; i < 200; i++) {
		fake_device_receive(0, &(struct virtio_net_hdr){ .num_buffers = 1 }, pattern(i, 100), 100);
		assert_int_equal(nic_rx_burst(0, out, 4), 1);
		assert_true(frame_equals(out[0], i, 100));
		buf_free(out[0]);
	}
	assert_int_equal(posted(0), 64);
	check_works(0);
	assert_int_equal(fake_device.resets, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_needs_reset),
		cmocka_unit_test(test_wanted_on_many_cores),
		cmocka_unit_test(test_parked_cores),
		cmocka_unit_test(test_steering_survives),
		cmocka_unit_test(test_steering_meanwhile),
		cmocka_unit_test(test_steering_unanswered),
		cmocka_unit_test(test_liar_is_reset),
		cmocka_unit_test(test_reset_fails_then_works),
		cmocka_unit_test(test_comes_back_with_less),
		cmocka_unit_test(test_reset_while_draining),
		cmocka_unit_test(test_link),
		cmocka_unit_test(test_backend_dies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
