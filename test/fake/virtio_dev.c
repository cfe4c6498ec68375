/* SPDX-License-Identifier: MIT */
/* See virtio_dev.h. Guest-physical addresses are host addresses here. */
#include "test/fake/virtio_dev.h"

#include <setjmp.h>
#include <stdarg.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "kernel/base/err.h"
#include "test/fake/defined.h"

struct fake_device fake_device;

/* ---- rings ---- */

static struct virtq_desc *desc_of(const struct fake_queue *q, uint16_t id)
{
	assert_true(q->is_enabled && id < q->told.size);
	return (struct virtq_desc *)(uintptr_t)q->told.desc + id;
}

static struct virtq_avail *avail_of(const struct fake_queue *q)
{
	return (struct virtq_avail *)(uintptr_t)q->told.avail;
}

static struct virtq_used *used_of(const struct fake_queue *q)
{
	return (struct virtq_used *)(uintptr_t)q->told.used;
}

unsigned fake_device_avail(uint16_t index)
{
	struct fake_queue *q = &fake_device.queues[index];
	uint16_t n = (uint16_t)(__atomic_load_n(&avail_of(q)->idx, __ATOMIC_ACQUIRE) - q->avail_seen);

	assert_true(n <= q->told.size);
	return n;
}

uint16_t fake_device_pop(uint16_t index)
{
	struct fake_queue *q = &fake_device.queues[index];
	uint16_t *avail_event = (uint16_t *)(void *)&used_of(q)->ring[q->told.size];

	assert_true(fake_device_avail(index) > 0);
	q->doorbell = FAKE_SILENT;
	*avail_event = q->avail_seen + 1; /* ring me for the one after this */
	return avail_of(q)->ring[q->avail_seen++ % q->told.size];
}

uint32_t fake_device_write(uint16_t index, uint16_t head, const void *data, uint32_t bytes)
{
	struct virtq_desc *d = desc_of(&fake_device.queues[index], head);
	uint32_t n = MIN(bytes, d->len);

	assert_int_equal(d->flags, VIRTQ_DESC_WRITE);
	memcpy((void *)(uintptr_t)d->addr, data, n);
	return n;
}

uint32_t fake_device_read(uint16_t index, uint16_t head, void *out, uint32_t room)
{
	const struct fake_queue *q = &fake_device.queues[index];
	const struct virtq_desc *table = NULL, *d = desc_of(q, head);
	unsigned size = q->told.size;
	uint32_t n = 0;

	if (d->flags & VIRTQ_DESC_INDIRECT) {
		assert_true(fake_device.accepted & VIRTIO_F_INDIRECT_DESC);
		assert_int_equal(d->flags, VIRTQ_DESC_INDIRECT);
		assert_true(d->len && d->len % sizeof(*d) == 0);
		table = (const struct virtq_desc *)(uintptr_t)d->addr;
		size = d->len / (unsigned)sizeof(*d);
		head = 0;
		fake_device.tables++;
	}
	for (unsigned links = 0;; links++) {
		assert_true(links < size); /* no loops */
		assert_true(head < size);
		d = table ? &table[head] : desc_of(q, head);
		assert_true(d->len <= room - n);
		defined_check((const void *)(uintptr_t)d->addr, d->len);
		memcpy((uint8_t *)out + n, (const void *)(uintptr_t)d->addr, d->len);
		n += d->len;
		assert_true((d->flags & ~VIRTQ_DESC_NEXT) == 0);
		if (!d->flags)
			return n;
		head = d->next;
	}
}

void fake_device_push(uint16_t index, uint32_t id, uint32_t len)
{
	struct fake_queue *q = &fake_device.queues[index];
	const struct virtq_desc *d = id < q->told.size ? desc_of(q, (uint16_t)id) : NULL;

	if (d && d->flags == VIRTQ_DESC_WRITE)
		defined_believe((const void *)(uintptr_t)d->addr, MIN(len, d->len));
	used_of(q)->ring[q->used % q->told.size] = (struct virtq_used_elem){ id, len };
	q->used++;
}

void fake_device_publish(uint16_t index)
{
	struct fake_queue *q = &fake_device.queues[index];
	uint16_t old = used_of(q)->idx, event = avail_of(q)->ring[q->told.size];

	__atomic_store_n(&used_of(q)->idx, q->used, __ATOMIC_RELEASE);
	if (q->told.msix_entry != VIRTIO_NO_VECTOR && (uint16_t)(q->used - event - 1) < (uint16_t)(q->used - old))
		q->interrupts++;
}

void fake_device_receive(uint16_t index, const struct virtio_net_hdr *h, const void *frame, uint32_t bytes)
{
	static uint8_t whole[70000];
	uint32_t left = bytes + (uint32_t)sizeof(*h), at = 0;
	struct virtio_net_hdr *first = NULL;
	uint16_t buffers = 0;

	memcpy(whole, h, sizeof(*h));
	memcpy(whole + sizeof(*h), frame, bytes);
	while (left) {
		uint16_t head = fake_device_pop(index);
		const struct virtq_desc *d = desc_of(&fake_device.queues[index], head);
		uint32_t n;

		defined_forget((const void *)(uintptr_t)d->addr, d->len); /* by an honest device */
		n = fake_device_write(index, head, whole + at, left);
		if (!first)
			first = (void *)(uintptr_t)d->addr;
		fake_device_push(index, head, n);
		at += n;
		left -= n;
		buffers++;
	}
	if (!h->num_buffers) /* else the test knows better */
		first->num_buffers = buffers;
	fake_device_publish(index);
}

uint32_t fake_device_send(uint16_t index, struct virtio_net_hdr *h, void *frame, uint32_t room)
{
	static uint8_t whole[70000];
	uint16_t head;
	uint32_t n;

	if (!fake_device_avail(index))
		return 0;
	head = fake_device_pop(index);
	n = fake_device_read(index, head, whole, sizeof(whole));
	assert_true(n >= sizeof(*h) && n - sizeof(*h) <= room);
	memcpy(h, whole, sizeof(*h));
	memcpy(frame, whole + sizeof(*h), n - sizeof(*h));
	fake_device_push(index, head, 0);
	fake_device_publish(index);
	return n - (uint32_t)sizeof(*h);
}

/* ---- the control queue, served by a thread of its own, since the driver waits for it ---- */

static pthread_mutex_t control_lock = PTHREAD_MUTEX_INITIALIZER;

/* No assertions of the test library here: they belong to the other thread. */
static void require(bool is_so)
{
	if (!is_so)
		abort();
}

static struct virtq_desc *control_desc(const struct fake_queue *q, uint16_t id)
{
	require(id < q->told.size);
	return (struct virtq_desc *)(uintptr_t)q->told.desc + id;
}

static void obey(const uint8_t *command, uint32_t bytes)
{
	require(bytes >= 4 && command[0] == VIRTIO_NET_CTRL_MQ);
	if (command[1] == VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET) {
		fake_device.pairs = command[2] | (unsigned)command[3] << 8;
		return;
	}
	require(bytes == 2 + sizeof(fake_device.rss));
	memcpy(&fake_device.rss, command + 2, sizeof(fake_device.rss));
	fake_device.rss_commands++;
}

static void serve_control(struct fake_queue *q)
{
	uint16_t head = avail_of(q)->ring[q->avail_seen % q->told.size];
	struct virtq_desc *d = control_desc(q, head);
	uint8_t command[512] = { 0 };
	uint32_t n = 0;

	for (; d->flags & VIRTQ_DESC_NEXT; d = control_desc(q, d->next)) {
		require(n + d->len <= sizeof(command));
		defined_check((const void *)(uintptr_t)d->addr, d->len);
		memcpy(command + n, (void *)(uintptr_t)d->addr, d->len);
		n += d->len;
	}
	require(d->flags == VIRTQ_DESC_WRITE && d->len == 1);
	obey(command, n);
	*(uint8_t *)(uintptr_t)d->addr = fake_device.ctrl_answer;
	q->avail_seen++;
	used_of(q)->ring[q->used++ % q->told.size] = (struct virtq_used_elem){ head, 1 };
	__atomic_store_n(&used_of(q)->idx, q->used, __ATOMIC_RELEASE);
}

static void *control_thread(void *unused)
{
	(void)unused;
	for (;;) {
		struct fake_queue *q;
		unsigned pairs;

		usleep(20);
		pthread_mutex_lock(&control_lock);
		pairs = fake_device.config.max_virtqueue_pairs;
		q = &fake_device.queues[pairs <= FAKE_QUEUES / 2 ? 2 * pairs : 0];
		if (q != fake_device.queues && q->is_enabled && !fake_device.is_mute &&
		    fake_device.status & VIRTIO_DRIVER_OK &&
		    __atomic_load_n(&avail_of(q)->idx, __ATOMIC_ACQUIRE) != q->avail_seen)
			serve_control(q);
		pthread_mutex_unlock(&control_lock);
	}
	return NULL;
}

static void forget_queues(void)
{
	pthread_mutex_lock(&control_lock);
	memset(fake_device.queues, 0, sizeof(fake_device.queues));
	pthread_mutex_unlock(&control_lock);
}

static void start_control(void)
{
	static bool is_started;
	pthread_t thread;

	if (!is_started)
		require(pthread_create(&thread, NULL, control_thread, NULL) == 0 && pthread_detach(thread) == 0);
	is_started = true;
}

void fake_device_init(uint16_t pairs, uint16_t size)
{
	start_control();
	pthread_mutex_lock(&control_lock);
	memset(&fake_device, 0, sizeof(fake_device));
	pthread_mutex_unlock(&control_lock);
	fake_device.offered = UINT64_MAX;
	fake_device.queue_size = size;
	fake_device.config = (struct virtio_net_config){
		.mac = { 2, 0, 0, 1, 2, 3 },
		.status = VIRTIO_NET_S_LINK_UP,
		.max_virtqueue_pairs = pairs,
		.mtu = 1500,
		.rss_max_key_size = 40,
		.rss_max_indirection_table_length = 128,
		.supported_hash_types = 0x3f,
	};
}

/* ---- what virtio_pci.c is to the driver ---- */

int virtio_pci_open(struct virtio_pci *v, const struct pci_dev *dev)
{
	memset(v, 0, sizeof(*v));
	v->pci = *dev;
	v->pci.msix_count = FAKE_QUEUES;
	return 0;
}

int virtio_pci_reset(struct virtio_pci *v)
{
	(void)v;
	if (fake_device.never_resets)
		return KERR_TIMEOUT;
	forget_queues();
	fake_device.status = 0;
	fake_device.accepted = 0;
	fake_device.pairs = 1;
	fake_device.resets++;
	return 0;
}

uint8_t virtio_pci_status(struct virtio_pci *v)
{
	(void)v;
	return fake_device.status;
}

void virtio_pci_status_add(struct virtio_pci *v, uint8_t bits)
{
	(void)v;
	if (bits == VIRTIO_FEATURES_OK && fake_device.refuses_features)
		return;
	if (bits == VIRTIO_DRIVER_OK)
		assert_int_equal(fake_device.status, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK);
	fake_device.status |= bits;
}

uint8_t virtio_pci_generation(struct virtio_pci *v)
{
	(void)v;
	return fake_device.never_settles ? ++fake_device.generation : fake_device.generation;
}

uint64_t virtio_pci_features(struct virtio_pci *v)
{
	(void)v;
	return fake_device.offered;
}

void virtio_pci_accept(struct virtio_pci *v, uint64_t features)
{
	(void)v;
	assert_true((features & ~fake_device.offered) == 0);
	fake_device.accepted = features;
}

uint16_t virtio_pci_queue_count(struct virtio_pci *v)
{
	(void)v;
	return FAKE_QUEUES;
}

uint16_t virtio_pci_queue_size(struct virtio_pci *v, uint16_t index)
{
	(void)v;
	return index < FAKE_QUEUES ? fake_device.queue_size : 0;
}

int virtio_pci_queue_enable(struct virtio_pci *v, struct virtio_pci_queue *q)
{
	struct fake_queue *f = &fake_device.queues[q->index];

	(void)v;
	assert_int_equal(fake_device.status & VIRTIO_DRIVER_OK, 0);
	assert_int_equal(q->desc % 16 + q->avail % 2 + q->used % 4, 0);
	f->doorbell = FAKE_SILENT;
	q->doorbell = &f->doorbell;
	pthread_mutex_lock(&control_lock);
	f->told = *q;
	f->is_enabled = true;
	pthread_mutex_unlock(&control_lock);
	return 0;
}

uint32_t virtio_pci_config(struct virtio_pci *v, uint32_t off, unsigned width)
{
	uint32_t value = 0;

	(void)v;
	memcpy(&value, (const uint8_t *)&fake_device.config + off, width);
	return value;
}

/* ---- and what pci/ is ---- */

bool pci_find(uint16_t vendor, const uint16_t *devices, unsigned count, unsigned nth, struct pci_dev *out)
{
	(void)devices;
	memset(out, 0, sizeof(*out));
	return vendor == VIRTIO_VENDOR && count == 2 && nth == 0 && fake_device.queue_size;
}

int pci_msix_set(const struct pci_dev *d, uint16_t entry, uint8_t vector, uint32_t apic_id)
{
	(void)d;
	assert_true(entry < FAKE_QUEUES && vector >= 0x30);
	fake_device.msix_core[entry] = apic_id;
	return 0;
}
