/* SPDX-License-Identifier: MIT */
/*
 * A virtio network device in software: stands in for virtio_pci.c and reads the driver's rings as a
 * device would, one step when the test says so. It keeps the rules, checks that the driver does, and
 * breaks them where the test asks for it.
 */
#pragma once
#include "kernel/nic/virtio_pci.h"

#define FAKE_QUEUES 19u /* 9 pairs and control */

struct fake_queue {
	bool is_enabled;
	struct virtio_pci_queue told;
	uint16_t avail_seen;
	uint16_t used;     /* as the device last published */
	uint16_t doorbell; /* the driver writes here; FAKE_SILENT until then */
	unsigned interrupts;
};
#define FAKE_SILENT 0xfffe

struct fake_device {
	/* what it offers */
	uint64_t offered;
	uint16_t queue_size;
	struct virtio_net_config config;
	bool refuses_features;
	bool never_resets;
	bool never_settles; /* its configuration changes while it is read */
	bool is_mute;       /* does not answer control commands */
	uint8_t ctrl_answer;
	/* what the driver did */
	uint64_t accepted;
	uint8_t status;
	uint8_t generation;
	unsigned resets;
	unsigned pairs; /* by control command */
	struct virtio_net_rss rss;
	unsigned rss_commands;
	unsigned tables; /* of descriptors that frames came in */
	struct fake_queue queues[FAKE_QUEUES];
	uint32_t msix_core[FAKE_QUEUES];
};
extern struct fake_device fake_device;

/** fake_device_init() - a fresh device that offers all that is known, @pairs pairs of @size descriptors. */
void fake_device_init(uint16_t pairs, uint16_t size);

/** fake_device_avail() - chains the driver has shown on queue @index and the device has not used. */
unsigned fake_device_avail(uint16_t index);

/** fake_device_pop() - take the next chain: its head. Fails the test if there is none. */
uint16_t fake_device_pop(uint16_t index);

/** fake_device_write() - put @bytes into chain @head of a receive queue. Return: what fitted. */
uint32_t fake_device_write(uint16_t index, uint16_t head, const void *data, uint32_t bytes);

/** fake_device_read() - the bytes of chain @head of a send queue, behind each other. Return: how many. */
uint32_t fake_device_read(uint16_t index, uint16_t head, void *out, uint32_t room);

/** fake_device_push() - give an element back without publishing; fake_device_publish() - let the driver see them. */
void fake_device_push(uint16_t index, uint32_t id, uint32_t len);
void fake_device_publish(uint16_t index);

/** fake_device_receive() - a whole frame arrives: header and @frame in as many buffers as it needs. */
void fake_device_receive(uint16_t index, const struct virtio_net_hdr *h, const void *frame, uint32_t bytes);

/** fake_device_send() - the next frame sent on @index: header and bytes; given back. Return: its bytes, 0: none. */
uint32_t fake_device_send(uint16_t index, struct virtio_net_hdr *h, void *frame, uint32_t room);
