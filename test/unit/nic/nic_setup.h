/* SPDX-License-Identifier: MIT */
/* A started driver on a fake device, and frames to pass through it. */
#pragma once
#include "kernel/buf/buf.h"
#include "kernel/nic/nic.h"
#include "test/fake/cpu.h"
#include "test/fake/mem.h"
#include "test/fake/virtio_dev.h"

#define BUFFERS 2048u

/** nic_setup() - fresh memory, buffers and device; nothing started. */
void nic_setup(uint16_t pairs, uint16_t size);

/** nic_setup_started() - and the driver started on all pairs. */
void nic_setup_started(uint16_t pairs, uint16_t size);

/** pattern() - @bytes bytes that differ by @seed. */
const uint8_t *pattern(unsigned seed, uint32_t bytes);

/** receive_plain() - a frame of @bytes arrives on queue pair 0. */
void receive_plain(unsigned seed, uint32_t bytes);

/** frame_equals() - whether the chain at @b holds exactly pattern(seed, bytes). */
bool frame_equals(const struct buf *b, unsigned seed, uint32_t bytes);

/** posted() - buffers that the device has of pair 0, by what is missing in the pool and not in @held. */
uint32_t posted(uint32_t held);
