/* SPDX-License-Identifier: MIT */
/* Buffers are made once a process; what the last test left in the rings goes back before the next. */
/* A driver on a fake device, as most tests of nic/ begin. */
#include "test/unit/nic/nic_setup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "kernel/nic/virtio_net.h"

/* Buffers live as long as the process: the pool cannot be made twice. */
static void buffers_once(void)
{
	static bool is_made;

	if (!is_made)
		assert_int_equal(buf_init(BUFFERS), 0);
	is_made = true;
}

void nic_setup(uint16_t pairs, uint16_t size)
{
	buffers_once();
	for (unsigned i = 0; i < NIC_QUEUES_MAX && virtio_net.rx[i]; i++)
		for (unsigned id = 0; id < virtio_net.rx[i]->q.size; id++)
			buf_free(virtio_net.rx[i]->slots[id]);
	memset(&virtio_net, 0, sizeof(virtio_net));
	assert_int_equal(buf_available(), BUFFERS);
	percore_id = 0;
	fake_core_count = 1;
	memset(fake_wakes, 0, sizeof(fake_wakes));
	fake_device_init(pairs, size);
}

void nic_setup_started(uint16_t pairs, uint16_t size)
{
	nic_setup(pairs, size);
	assert_int_equal(nic_start(pairs), 0);
}

const uint8_t *pattern(unsigned seed, uint32_t bytes)
{
	static uint8_t data[70000];

	for (uint32_t i = 0; i < bytes; i++)
		data[i] = (uint8_t)(seed * 31 + i * 7 + (i >> 8));
	return data;
}

void receive_plain(unsigned seed, uint32_t bytes)
{
	struct virtio_net_hdr h = { 0 };

	fake_device_receive(0, &h, pattern(seed, bytes), bytes);
}

bool frame_equals(const struct buf *b, unsigned seed, uint32_t bytes)
{
	const uint8_t *want = pattern(seed, bytes);
	uint16_t count = b->count;
	uint32_t at = 0;

	if (b->frame_bytes != bytes)
		return false;
	for (; b; b = b->next, count--) {
		if (b->off + b->len > BUF_BYTES || at + b->len > bytes ||
		    memcmp(b->data + b->off, want + at, b->len) != 0)
			return false;
		at += b->len;
	}
	return at == bytes && count == 0;
}

uint32_t posted(uint32_t held)
{
	return BUFFERS - buf_available() - held;
}
