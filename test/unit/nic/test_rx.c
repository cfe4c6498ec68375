/* SPDX-License-Identifier: MIT */
/* Receiving: every byte arrives, no buffer is lost, and a device that lies costs frames, not memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "kernel/nic/virtio_net.h"
#include "test/unit/nic/nic_setup.h"

static struct buf *out[NIC_BURST_MAX];

static uint64_t bad(void)
{
	struct nic_stats s;

	nic_stats(&s);
	return s.rx_bad;
}

static void test_frames(void **state)
{
	(void)state;
	nic_setup_started(1, 256);
	for (unsigned round = 0; round < 1000; round++) {
		unsigned n = round % 7 + 1;

		for (unsigned i = 0; i < n; i++)
			receive_plain(round + i, 14 + (round * 13 + i) % 1500);
		assert_int_equal(nic_rx_burst(0, out, NIC_BURST_MAX), n);
		for (unsigned i = 0; i < n; i++) {
			assert_true(frame_equals(out[i], round + i, 14 + (round * 13 + i) % 1500));
			assert_int_equal(out[i]->off % 4, 2); /* so that IP lies on a multiple of 4 */
			assert_int_equal(out[i]->segments, 1);
			assert_int_equal(out[i]->flags, 0);
			buf_free_frame(out[i]);
		}
		assert_int_equal(posted(0), 256);
	}
	assert_int_equal(bad(), 0);
	assert_int_equal(nic_rx_burst(0, out, NIC_BURST_MAX), 0);
}

static void test_burst_limit(void **state)
{
	(void)state;
	nic_setup_started(1, 256);
	for (unsigned i = 0; i < 100; i++)
		receive_plain(i, 60);
	for (unsigned at = 0; at < 100;) {
		unsigned n = nic_rx_burst(0, out, 9);

		assert_int_equal(nic_rx_waiting(0), 100 - at - n);
		assert_true(n == 9 || at + n == 100);
		for (unsigned i = 0; i < n; i++, at++) {
			assert_true(frame_equals(out[i], at, 60));
			buf_free_frame(out[i]);
		}
	}
}

static void test_merged(void **state)
{
	static const uint32_t sizes[] = { 2022, 2034, 2035, 5000, 65000, 65549 };

	(void)state;
	nic_setup_started(1, 256);
	for (unsigned i = 0; i < ARRAY_COUNT(sizes); i++) {
		receive_plain(i, sizes[i]);
		assert_int_equal(nic_rx_burst(0, out, 1), 1);
		assert_true(frame_equals(out[0], i, sizes[i]));
		buf_free_frame(out[0]);
	}
	assert_int_equal(posted(0), 256);
	assert_int_equal(bad(), 0);
	receive_plain(1, 65550);
	assert_int_equal(nic_rx_burst(0, out, 1), 0);
	assert_int_equal(bad(), 1);
	assert_int_equal(posted(0), 256);
}

/* A TCP frame's headers with @tcp_words of TCP header. */
static void put_headers(uint8_t *frame, uint8_t ihl, uint8_t tcp_words)
{
	frame[14] = 0x40 | ihl;
	frame[14 + ihl * 4 + 12] = (uint8_t)(tcp_words << 4);
}

static void test_offload_flags(void **state)
{
	static uint8_t frame[4000];
	struct virtio_net_hdr h = { .flags = VIRTIO_NET_HDR_F_DATA_VALID };

	(void)state;
	nic_setup_started(1, 256);
	put_headers(frame, 5, 8);
	fake_device_receive(0, &h, frame, 100);
	h.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	h.gso_type = VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN;
	h.gso_size = 1448;
	fake_device_receive(0, &h, frame, 66 + 2 * 1448);     /* two */
	fake_device_receive(0, &h, frame, 66 + 2 * 1448 + 1); /* and a byte */
	h.gso_size = 0;
	fake_device_receive(0, &h, frame, 3000);
	h.gso_size = 1;
	put_headers(frame, 15, 15);
	fake_device_receive(0, &h, frame, 60); /* headers that end beyond the frame */
	fake_device_receive(0, &h, frame, 20);
	assert_int_equal(nic_rx_burst(0, out, NIC_BURST_MAX), 6);
	for (unsigned i = 0; i < 6; i++) {
		static const uint16_t segments[] = { 1, 2, 3, 1, 1, 1 };

		assert_int_equal(out[i]->flags, BUF_CSUM_GOOD);
		assert_int_equal(out[i]->segments, segments[i]);
		buf_free_frame(out[i]);
	}
}

static void test_flags_not_negotiated(void **state)
{
	struct virtio_net_hdr h = { .flags = VIRTIO_NET_HDR_F_DATA_VALID, .num_buffers = 77 };

	(void)state;
	nic_setup(1, 256);
	fake_device.offered &= ~(VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_MRG_RXBUF);
	assert_int_equal(nic_start(1), 0);
	fake_device_receive(0, &h, pattern(1, 80), 80);
	assert_int_equal(nic_rx_burst(0, out, 4), 1);
	assert_int_equal(out[0]->flags, 0);
	assert_true(frame_equals(out[0], 1, 80));
	buf_free_frame(out[0]);
}

static void test_bad_lengths(void **state)
{
	static const uint32_t lens[] = { 0, 1, 11, 12, 25, 2047, 2048, 65536, UINT32_MAX };

	(void)state;
	nic_setup_started(1, 256);
	for (unsigned i = 0; i < ARRAY_COUNT(lens); i++) {
		struct virtio_net_hdr h = { .num_buffers = 1 };
		uint16_t head = fake_device_pop(0);

		fake_device_write(0, head, &h, sizeof(h));
		fake_device_push(0, head, lens[i]);
		fake_device_publish(0);
		assert_int_equal(nic_rx_burst(0, out, 4), 0);
		assert_int_equal(bad(), i + 1);
		assert_int_equal(posted(0), 256);
	}
	receive_plain(3, 100); /* and it goes on */
	assert_int_equal(nic_rx_burst(0, out, 4), 1);
	buf_free_frame(out[0]);
}

static void test_bad_buffer_counts(void **state)
{
	static const uint16_t counts[] = { 0, 2, 5, 64, 65, 65535 };

	(void)state;
	nic_setup_started(1, 256);
	for (unsigned i = 0; i < ARRAY_COUNT(counts); i++) {
		struct virtio_net_hdr h = { .num_buffers = counts[i] };

		for (unsigned k = 0; k < 2; k++) {
			uint16_t head = fake_device_pop(0);

			fake_device_write(0, head, &h, sizeof(h));
			fake_device_push(0, head, k ? 0 : 100); /* a following buffer of no bytes is one lie more */
		}
		fake_device_publish(0);
		assert_int_equal(nic_rx_burst(0, out, 4), 0);
		assert_int_equal(posted(0), 256);
	}
	assert_true(bad() >= ARRAY_COUNT(counts));
}

static void test_pool_runs_out(void **state)
{
	static struct buf *all[BUFFERS];
	struct nic_stats s;
	unsigned held = 0, n;

	(void)state;
	nic_setup_started(1, 256);
	while ((all[held] = buf_alloc()))
		held++;
	for (unsigned i = 0; i < 256; i++)
		receive_plain(i, 60);
	for (unsigned at = 0; (n = nic_rx_burst(0, out, NIC_BURST_MAX)); at += n)
		for (unsigned i = 0; i < n; i++) {
			assert_true(frame_equals(out[i], at + i, 60));
			all[held++] = out[i];
		}
	assert_int_equal(held, BUFFERS);
	nic_stats(&s);
	assert_int_equal(s.rx_no_buffer, 256);
	assert_int_equal(fake_device_avail(0), 0);
	assert_int_equal(nic_rx_burst(0, out, 4), 0);
	for (unsigned i = 0; i < 10; i++)
		buf_free(all[--held]);
	assert_int_equal(nic_rx_burst(0, out, 4), 0);
	assert_int_equal(fake_device_avail(0), 10); /* told of at once: it had none */
	while (held)
		buf_free(all[--held]);
	assert_false(nic_irq_arm(0));
	assert_int_equal(fake_device_avail(0), 256);
	receive_plain(5, 60);
	assert_int_equal(nic_rx_burst(0, out, 4), 1);
	buf_free(out[0]);
}

static void test_interrupts(void **state)
{
	struct fake_queue *q = &fake_device.queues[0];

	(void)state;
	nic_setup_started(1, 256);
	q->interrupts = 0;
	nic_irq_disarm(0);
	receive_plain(1, 60);
	assert_int_equal(q->interrupts, 0);
	assert_true(nic_irq_arm(0)); /* one is here already */
	assert_int_equal(nic_rx_burst(0, out, 4), 1);
	buf_free(out[0]);
	assert_false(nic_irq_arm(0));
	receive_plain(1, 60);
	assert_int_equal(q->interrupts, 1);
	receive_plain(1, 60);
	assert_int_equal(q->interrupts, 1); /* once is enough */
	assert_int_equal(nic_rx_burst(0, out, 4), 2);
	buf_free(out[0]);
	buf_free(out[1]);
	nic_irq_disarm(0);
	receive_plain(1, 60);
	assert_int_equal(q->interrupts, 1);
}

static void test_doorbells(void **state)
{
	struct fake_queue *q = &fake_device.queues[0];
	unsigned rung = 0;

	(void)state;
	nic_setup_started(1, 256);
	for (unsigned i = 0; i < 320; i++) {
		q->doorbell = FAKE_SILENT;
		receive_plain(i, 60);
		assert_int_equal(nic_rx_burst(0, out, 4), 1);
		buf_free(out[0]);
		rung += q->doorbell != FAKE_SILENT;
	}
	assert_true(rung <= 10); /* in batches, and only where the event index asks for it */
	assert_true(fake_device_avail(0) >= 256 - 32);
}

/* A device that does anything at all to the used ring: the pool stays whole, whatever it says. */
static void test_random_lies(void **state)
{
	uint64_t resets;
	struct nic_stats s;

	(void)state;
	nic_setup_started(1, 64);
	srand(42);
	for (unsigned round = 0; round < 20000; round++) {
		struct virtio_net_hdr h = { .flags = (uint8_t)rand(),
					    .gso_type = (uint8_t)(rand() % 6),
					    .gso_size = (uint16_t)rand(),
					    .num_buffers = (uint16_t)(rand() % 5) };
		unsigned n;

		for (unsigned i = (unsigned)rand() % 8; i > 0 && fake_device_avail(0); i--) {
			uint16_t head = fake_device_pop(0);

			fake_device_write(0, head, &h, sizeof(h));
			fake_device_push(0, rand() % 300 ? head : (uint32_t)rand() % 70,
					 rand() % 4 ? 12 + (uint32_t)rand() % 2040 : (uint32_t)rand());
		}
		if (rand() % 500 == 0)
			fake_device.queues[0].used += (uint16_t)rand();
		fake_device_publish(0);
		n = nic_rx_burst(0, out, (unsigned)rand() % NIC_BURST_MAX + 1);
		for (unsigned i = 0; i < n; i++) {
			uint32_t bytes = 0;

			for (struct buf *b = out[i]; b; b = b->next) {
				assert_true(b->off + b->len <= BUF_BYTES);
				bytes += b->len;
			}
			assert_int_equal(bytes, out[i]->frame_bytes);
			assert_true(bytes <= NIC_FRAME_MAX && out[i]->segments >= 1);
			buf_free_frame(out[i]);
		}
		(void)nic_tx_reclaim(0, (void **)out, 1);
		nic_check();
		assert_true(posted(0) <= 64);
	}
	nic_stats(&s);
	resets = s.resets;
	assert_true(resets > 10);
	while (fake_device.status & VIRTIO_DRIVER_OK && posted(0) < 64) {
		(void)nic_rx_burst(0, out, 1);
		nic_check();
	}
	assert_int_equal(posted(0), 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_burst_limit),
		cmocka_unit_test(test_merged),
		cmocka_unit_test(test_offload_flags),
		cmocka_unit_test(test_flags_not_negotiated),
		cmocka_unit_test(test_bad_lengths),
		cmocka_unit_test(test_bad_buffer_counts),
		cmocka_unit_test(test_pool_runs_out),
		cmocka_unit_test(test_interrupts),
		cmocka_unit_test(test_doorbells),
		cmocka_unit_test(test_random_lies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
