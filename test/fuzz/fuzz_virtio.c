/* SPDX-License-Identifier: MIT */
/*
 * A virtio network device that says anything: features, sizes and counts before the start, then used ids (twice, of no chain, out
 * of range), lengths, indices, headers, answers of the control queue, a configuration that never settles, resets. Whatever it
 * does, buffers stay whole, frames lie inside them, tokens come back once.
 */
#include <stdlib.h>
#include "kernel/nic/virtio_net.h"
#include "test/fuzz/fuzz.h"
#include "test/unit/nic/nic_setup.h"

#define STEPS_MAX 256u
#define TOKENS 512u

enum step { STEP_USE, STEP_LIE, STEP_PUBLISH, STEP_POLL, STEP_SEND, STEP_CONFIG, STEP_CHECK, STEP_ARM, STEPS };

static struct buf *frames[NIC_BURST_MAX];
static bool is_out[TOKENS]; /* tokens that the driver has */
static uint8_t memory[2048];

static void offer(struct feed *f)
{
	static const uint16_t sizes[] = { 64, 64, 128, 256, 0, 1, 32, 63, 100, 1024, 32768 };

	nic_setup(feed_u8(f), sizes[feed_u8(f) % (sizeof(sizes) / sizeof(sizes[0]))]);
	fake_device.offered = ~feed_u64(f);
	fake_device.ctrl_answer = feed_u8(f);
	fake_device.refuses_features = feed_u8(f) == 1;
	fake_device.never_resets = feed_u8(f) == 1;
	fake_device.is_mute = feed_u8(f) == 1;
	fake_device.never_settles = feed_u8(f) == 1;
	if (feed_u8(f) & 1)
		feed_take(f, &fake_device.config, sizeof(fake_device.config));
}

/* Whether the driver has shown a chain that the device has not taken; a device that has lied may seem to be shown too many. */
static bool is_shown(const struct fake_queue *q)
{
	const struct virtq_avail *avail = (const struct virtq_avail *)(uintptr_t)q->told.avail;
	uint16_t n = (uint16_t)(avail->idx - q->avail_seen);

	return n && n <= q->told.size;
}

/* The device gives back a buffer or a frame, perhaps not as it should. */
static void use(struct feed *f, uint16_t queue)
{
	struct virtio_net_hdr h;
	uint8_t how = feed_u8(f);
	uint32_t id, bytes = how & 4 ? feed_u32(f) : 12u + feed_u16(f) % 2040u;

	feed_take(f, &h, sizeof(h));
	if (!fake_device.queues[queue].is_enabled)
		return;
	if (!(how & 1) && is_shown(&fake_device.queues[queue])) {
		id = fake_device_pop(queue);
		if (queue % 2 == 0)
			fake_device_write(queue, (uint16_t)id, &h, sizeof(h));
		if (how & 2)
			fake_device_push(queue, id, bytes); /* and once more below */
	} else {
		id = how & 8 ? feed_u32(f) : feed_u8(f);
	}
	fake_device_push(queue, id, bytes);
}

static void poll(void)
{
	void *tokens[NIC_BURST_MAX];
	uint16_t queues = nic_info()->queue_pairs;

	for (uint16_t q = 0; q < queues; q++) {
		unsigned n = nic_rx_burst(q, frames, NIC_BURST_MAX);

		FUZZ_CHECK(n <= NIC_BURST_MAX);
		for (unsigned i = 0; i < n; i++) {
			uint32_t bytes = 0;

			for (struct buf *b = frames[i]; b; b = b->next) {
				FUZZ_CHECK(b->off + b->len <= BUF_BYTES);
				bytes += b->len;
			}
			FUZZ_CHECK(bytes == frames[i]->frame_bytes && frames[i]->segments >= 1);
			buf_free_frame(frames[i]);
		}
		n = nic_tx_reclaim(q, tokens, NIC_BURST_MAX);
		FUZZ_CHECK(n <= NIC_BURST_MAX);
		for (unsigned i = 0; i < n; i++) {
			size_t token = (size_t)tokens[i];

			FUZZ_CHECK(token >= 1 && token < TOKENS && is_out[token]);
			is_out[token] = false;
		}
	}
}

static void send(struct feed *f)
{
	static struct nic_tx tx;
	uint16_t q = (uint16_t)(feed_u8(f) % nic_info()->queue_pairs);
	size_t token = 1;

	while (token < TOKENS && is_out[token])
		token++;
	tx = (struct nic_tx){ .token = (void *)token, .seg_count = (uint16_t)(1 + feed_u8(f) % NIC_TX_SEGS_MAX) };
	for (unsigned i = 0; i < tx.seg_count; i++)
		tx.segs[i] = (struct nic_seg){ (pa_t)(uintptr_t)memory, 14u + i };
	if (token < TOKENS &&
	    (tx.seg_count == 2 ? nic_tx_short(q, tx.token, memory + NIC_TX_ROOM, 60, 16) : nic_tx(q, &tx)))
		is_out[token] = true;
	nic_tx_flush(q);
}

static void step(struct feed *f)
{
	uint8_t what = feed_u8(f);
	uint16_t queue = (uint16_t)(what / STEPS % (2u * nic_info()->queue_pairs));

	switch (what % STEPS) {
	case STEP_USE:
		use(f, queue);
		break;
	case STEP_LIE:
		fake_device.queues[queue].used = (uint16_t)(fake_device.queues[queue].used + feed_u16(f));
		break;
	case STEP_PUBLISH:
		if (fake_device.queues[queue].is_enabled)
			fake_device_publish(queue);
		break;
	case STEP_POLL:
		poll();
		break;
	case STEP_SEND:
		send(f);
		break;
	case STEP_CONFIG:
		fake_device.generation++;
		fake_device.status |= feed_u8(f) & 0x40; /* it needs a reset */
		fake_device.config.status = feed_u8(f);
		fake_device.ctrl_answer = feed_u8(f) & 1;
		fake_device.never_resets = feed_u8(f) == 1;
		break;
	case STEP_CHECK:
		nic_check();
		break;
	default:
		if (!nic_irq_arm(queue / 2))
			nic_irq_disarm(queue / 2);
		break;
	}
}

/* As kernel/flow does where the device offers it. */
static void steer(void)
{
	static struct nic_steering s;

	for (unsigned i = 0; i < sizeof(s.table) / sizeof(s.table[0]); i++)
		s.table[i] = (uint16_t)(i % nic_info()->queue_pairs);
	if (nic_info()->offloads & NIC_RSS)
		(void)nic_steer(&s);
}

static void run(struct feed *f)
{
	steer();
	for (unsigned i = 0; i < STEPS_MAX && feed_left(f); i++)
		step(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct feed f = { data, data + bytes };
	unsigned mark;

	nic_setup(1, 64); /* what the last run left goes back; the pool is made */
	mark = fake_mem_mark();
	memset(is_out, 0, sizeof(is_out));
	offer(&f);
	if (!nic_start((uint16_t)(1 + feed_u8(&f) % 9)))
		run(&f);
	nic_setup(1, 64);
	fake_mem_release(mark);
	return 0;
}
