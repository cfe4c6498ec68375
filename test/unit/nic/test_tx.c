/* SPDX-License-Identifier: MIT */
/* Sending: bytes and headers as given, each token back exactly once, a lying device stopped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "kernel/nic/virtio_net.h"
#include "test/unit/nic/nic_setup.h"

static uint8_t data[70000];
static uint8_t seen[70000];
static void *tokens[512];

/* A frame of @pieces equal pieces; the same place each time. */
static struct nic_tx *frame_of(unsigned seed, uint16_t pieces, uint32_t piece_bytes)
{
	static struct nic_tx tx;

	memset(&tx, 0, sizeof(tx));
	tx.token = (void *)(uintptr_t)(seed + 1);
	tx.seg_count = pieces;
	memcpy(data, pattern(seed, pieces * piece_bytes), pieces * piece_bytes);
	for (uint16_t i = 0; i < pieces; i++)
		tx.segs[i] = (struct nic_seg){ (uintptr_t)data + i * piece_bytes, piece_bytes };
	return &tx;
}

static void test_plain(void **state)
{
	struct virtio_net_hdr h, zero = { 0 };

	(void)state;
	nic_setup_started(1, 256);
	for (unsigned i = 0; i < 2000; i++) {
		uint16_t pieces = (uint16_t)(i % NIC_TX_SEGS_MAX + 1);
		struct nic_tx *tx = frame_of(i, pieces, 60 + i % 900);

		assert_true(nic_tx(0, tx));
		assert_int_equal(fake_device_send(1, &h, seen, sizeof(seen)), 0); /* not before the flush */
		nic_tx_flush(0);
		assert_int_equal(nic_tx_pending(0), 1);
		assert_int_equal(fake_device_send(1, &h, seen, sizeof(seen)), pieces * (60 + i % 900));
		assert_memory_equal(&h, &zero, sizeof(h));
		assert_memory_equal(seen, data, pieces * (60 + i % 900));
		assert_int_equal(nic_tx_reclaim(0, tokens, 4), 1);
		assert_ptr_equal(tokens[0], (uintptr_t)i + 1);
		assert_int_equal(nic_tx_pending(0), 0);
	}
}

static void test_offloads(void **state)
{
	struct nic_tx *tx;
	struct virtio_net_hdr h;

	(void)state;
	nic_setup_started(1, 256);
	tx = frame_of(1, 2, 100);
	tx->flags = NIC_TX_NEEDS_CSUM;
	tx->csum_start = 34;
	tx->csum_offset = 16;
	tx->mss = 1448;
	assert_true(nic_tx(0, tx));
	tx->flags = NIC_TX_NEEDS_CSUM | NIC_TX_IS_TSO4;
	tx->header_bytes = 66;
	assert_true(nic_tx(0, tx));
	tx = frame_of(1, 2, 100);
	assert_true(nic_tx(0, tx)); /* a header that was used is clean again */
	nic_tx_flush(0);
	assert_int_equal(fake_device_send(1, &h, seen, sizeof(seen)), 200);
	assert_true(h.flags == 1 && h.gso_type == 0 && h.gso_size == 0 && h.csum_start == 34 && h.csum_offset == 16);
	assert_int_equal(fake_device_send(1, &h, seen, sizeof(seen)), 200);
	assert_true(h.flags == 1 && h.gso_type == 1 && h.gso_size == 1448 && h.hdr_len == 66 && h.num_buffers == 0);
	assert_int_equal(fake_device_send(1, &h, seen, sizeof(seen)), 200);
	assert_true(h.flags == 0 && h.csum_start == 0);
}

/* Frames whose header lies in front of them, between others: one place in the ring each, until it is full. */
static void test_short(void **state)
{
	static uint8_t block[64][256];
	struct virtio_net_hdr h;
	struct nic_stats s;
	unsigned sent = 0;

	(void)state;
	nic_setup_started(1, 64);
	assert_true(nic_tx(0, frame_of(1, 2, 100)));
	for (; sent < 64; sent++) {
		uint8_t *frame = block[sent] + NIC_TX_ROOM;

		memcpy(frame, pattern(sent, 60 + sent), 60 + sent);
		block[sent][NIC_TX_ROOM + 60 + sent] = 0x5a;
		if (!nic_tx_short(0, (void *)(uintptr_t)(sent + 2), frame, 60 + sent, sent % 2 ? 16 : 6))
			break;
	}
	assert_int_equal(sent, 64 - 3);
	assert_memory_equal(block[sent] + NIC_TX_ROOM, pattern(sent, 60 + sent), 60 + sent);
	nic_stats(&s);
	assert_int_equal(s.tx_full, 1);
	nic_tx_flush(0);
	assert_int_equal(nic_tx_pending(0), sent + 1);
	assert_int_equal(fake_device_send(1, &h, seen, sizeof(seen)), 200);
	assert_true(h.flags == 0 && h.csum_start == 0);
	for (unsigned i = 0; i < sent; i++) {
		assert_int_equal(fake_device_send(1, &h, seen, sizeof(seen)), 60 + i);
		assert_memory_equal(seen, pattern(i, 60 + i), 60 + i);
		assert_int_equal(block[i][NIC_TX_ROOM + 60 + i], 0x5a);
		assert_true(h.flags == 1 && h.gso_type == 0 && h.gso_size == 0 && h.hdr_len == 0 &&
			    h.num_buffers == 0 && h.csum_start == NIC_TX_HEADERS && h.csum_offset == (i % 2 ? 16 : 6));
	}
	nic_stats(&s);
	assert_int_equal(s.tx_bytes, 200 + sent * 60 + sent * (sent - 1) / 2);
	assert_int_equal(nic_tx_reclaim(0, tokens, 512), sent + 1);
	for (unsigned i = 0; i <= sent; i++)
		assert_ptr_equal(tokens[i], (uintptr_t)i + (i ? 1 : 2));
	assert_true(nic_tx(0, frame_of(1, 3, 100))); /* chains are whole again where there were none */
	nic_tx_flush(0);
	assert_int_equal(fake_device_send(1, &h, seen, sizeof(seen)), 300);
	assert_memory_equal(seen, data, 300);
}

static void test_full_and_null_tokens(void **state)
{
	struct virtio_net_hdr h;
	struct nic_stats s;
	unsigned sent = 0;

	(void)state;
	nic_setup_started(1, 64);
	for (;; sent++) {
		struct nic_tx *tx = frame_of(sent, 2, 60);

		tx->token = sent % 2 ? NULL : tx->token;
		if (!nic_tx(0, tx))
			break;
	}
	assert_int_equal(sent, 64 / 3);
	nic_stats(&s);
	assert_int_equal(s.tx_full, 1);
	nic_tx_flush(0);
	for (unsigned i = 0; i < sent; i++)
		assert_int_equal(fake_device_send(1, &h, seen, sizeof(seen)), 120);
	assert_int_equal(nic_tx_reclaim(0, tokens, 3), 3);
	assert_int_equal(nic_tx_reclaim(0, tokens, 512), (sent + 1) / 2 - 3);
	assert_int_equal(nic_tx_pending(0), 0);
}

/* Frames in many pieces: with tables of descriptors each takes one place in the ring, without as many as it has. */
static void test_tables(void **state)
{
	struct virtio_net_hdr h;

	(void)state;
	for (unsigned with = 0; with < 2; with++) {
		unsigned sent = 0, expected = with ? 64 : 64 / 41;

		nic_setup(1, 64);
		fake_device.offered = with ? UINT64_MAX : ~VIRTIO_F_INDIRECT_DESC;
		assert_int_equal(nic_start(1), 0);
		while (nic_tx(0, frame_of(sent, 40, 1000)))
			sent++;
		assert_int_equal(sent, expected);
		nic_tx_flush(0);
		assert_int_equal(nic_tx_pending(0), sent);
		for (unsigned i = 0; i < sent; i++)
			assert_int_equal(fake_device_send(1, &h, seen, sizeof(seen)), 40000);
		assert_int_equal(fake_device.tables, with ? sent : 0);
		assert_int_equal(nic_tx_reclaim(0, tokens, 512), sent);
		assert_int_equal(nic_tx_pending(0), 0);
	}
}

/* Completions in any order: the list of free descriptors stays whole. */
static void test_out_of_order(void **state)
{
	uint16_t heads[64], busy = 0;
	uint64_t next = 0, back = 0;

	(void)state;
	nic_setup_started(1, 64);
	srand(3);
	for (unsigned round = 0; round < 50000; round++) {
		if (rand() % 2) {
			struct nic_tx *tx = frame_of((unsigned)next, (uint16_t)(rand() % 5 + 1), 40);

			if (nic_tx(0, tx)) {
				next++;
				nic_tx_flush(0);
				heads[busy] = fake_device_pop(1);
				assert_int_equal(fake_device_read(1, heads[busy++], seen, sizeof(seen)),
						 12 + tx->seg_count * 40);
			}
		} else if (busy) {
			unsigned which = (unsigned)rand() % busy;

			fake_device_push(1, heads[which], 0);
			fake_device_publish(1);
			heads[which] = heads[--busy];
		}
		back += nic_tx_reclaim(0, tokens, (unsigned)rand() % 4);
	}
	while (busy)
		fake_device_push(1, heads[--busy], 0);
	fake_device_publish(1);
	back += nic_tx_reclaim(0, tokens, 512);
	assert_int_equal(next, back);
	assert_int_equal(virtio_net.tx[0]->head, virtio_net.tx[0]->tail);
}

static void test_doorbells(void **state)
{
	struct fake_queue *q = &fake_device.queues[1];
	struct virtio_net_hdr h;
	struct nic_stats s;

	(void)state;
	nic_setup_started(1, 256);
	for (unsigned batch = 0; batch < 10; batch++) {
		q->doorbell = FAKE_SILENT;
		for (unsigned i = 0; i < 20; i++) {
			struct nic_tx *tx = frame_of(i, 1, 60);

			assert_true(nic_tx(0, tx));
		}
		assert_int_equal(q->doorbell, FAKE_SILENT);
		nic_tx_flush(0);
		assert_int_equal(q->doorbell, 1);
		q->doorbell = FAKE_SILENT;
		nic_tx_flush(0);
		assert_int_equal(q->doorbell, FAKE_SILENT);
		while (fake_device_send(1, &h, seen, sizeof(seen)))
			;
		assert_int_equal(nic_tx_reclaim(0, tokens, 512), 20);
	}
	nic_stats(&s);
	assert_int_equal(s.tx_kicks, 10);
	assert_int_equal(q->interrupts, 0);
}

/* An id out of range, of no chain, of a chain's middle, twice; more than were sent: nothing is given back for it. */
static void test_bad_ids(void **state)
{
	static const uint32_t ids[] = { 64, UINT32_MAX, 63, 1 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(ids) + 2; i++) {
		struct nic_tx *tx;
		uint16_t head;

		nic_setup_started(1, 64);
		tx = frame_of(1, 3, 50);
		assert_true(nic_tx(0, tx));
		assert_true(nic_tx(0, tx));
		nic_tx_flush(0);
		head = fake_device_pop(1);
		if (i < ARRAY_COUNT(ids)) {
			fake_device_push(1, ids[i], 0);
		} else if (i == ARRAY_COUNT(ids)) {
			fake_device_push(1, head, 0);
			fake_device_push(1, head, 0);
		} else {
			fake_device.queues[1].used += 3;
		}
		fake_device_publish(1);
		assert_int_equal(nic_tx_reclaim(0, tokens, 512), i == ARRAY_COUNT(ids) ? 1 : 0);
		assert_false(nic_tx(0, tx)); /* until it was reset */
		assert_int_equal(virtio_net.reset_wanted, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),     cmocka_unit_test(test_offloads),
		cmocka_unit_test(test_short),     cmocka_unit_test(test_full_and_null_tokens),
		cmocka_unit_test(test_tables),    cmocka_unit_test(test_out_of_order),
		cmocka_unit_test(test_doorbells), cmocka_unit_test(test_bad_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
