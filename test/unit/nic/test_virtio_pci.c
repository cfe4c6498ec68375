/* SPDX-License-Identifier: MIT */
/* Finding a device's registers: good capabilities, and every way in which one can point elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "kernel/base/err.h"
#include "kernel/nic/virtio_pci.h"
#include "kernel/pci/pci_hw.h"
#include "test/fake/mem.h"
#include "test/fake/pci_space.h"

#define BAR_PA 0xfe000000u
#define BAR_BYTES 0x4000u
#define MSIX_PA 0xfe100000u

static uint8_t *bar;
static uint32_t msix[16];
static struct fake_function *f;

static void put_cap(uint8_t at, uint8_t next, uint8_t type, uint32_t off, uint32_t length)
{
	uint8_t bytes = type == VIRTIO_CAP_NOTIFY ? VIRTIO_CAP_NOTIFY_BYTES : VIRTIO_CAP_BYTES;

	f->space[at] = VIRTIO_CAP_ID;
	f->space[at + 1] = next;
	f->space[at + VIRTIO_CAP_LEN] = bytes;
	f->space[at + VIRTIO_CAP_TYPE] = type;
	f->space[at + VIRTIO_CAP_BAR] = 4;
	fake_pci_put32(f, at + VIRTIO_CAP_OFFSET, off);
	fake_pci_put32(f, at + VIRTIO_CAP_LENGTH, length);
}

/* Laid out as QEMU does. */
static int setup(void **state)
{
	(void)state;
	fake_pci_reset();
	fake_mem_reset(SIZE_MAX);
	bar = calloc(1, BAR_BYTES);
	f = fake_pci_add(0, 1, 0, 0x1af4, 0x1041, 0);
	fake_pci_bar(f, 4, BAR_PA, BAR_BYTES, true);
	fake_pci_bar(f, 1, MSIX_PA, 0x1000, false);
	fake_mem_device(BAR_PA, BAR_BYTES, bar);
	fake_mem_device(MSIX_PA, sizeof(msix), msix);
	f->space[PCI_STATUS] = PCI_STATUS_CAPS;
	f->space[PCI_CAP_POINTER] = 0x98;
	f->space[0x98] = PCI_CAP_MSIX;
	f->space[0x99] = 0x84;
	fake_pci_put16(f, 0x98 + PCI_MSIX_CONTROL, 2);
	fake_pci_put32(f, 0x98 + PCI_MSIX_TABLE, 1);
	put_cap(0x84, 0x70, 5, 0, 0); /* access through configuration space: not used */
	put_cap(0x70, 0x60, VIRTIO_CAP_NOTIFY, 0x3000, 0x1000);
	fake_pci_put32(f, 0x70 + VIRTIO_CAP_MULTIPLIER, 4);
	put_cap(0x5c, 0x4c, VIRTIO_CAP_DEVICE, 0x2000, 0x20);
	f->space[0x71] = 0x5c;
	put_cap(0x4c, 0, VIRTIO_CAP_COMMON, 0, 0x1000);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(bar);
	return 0;
}

static int open_it(struct virtio_pci *v)
{
	static const uint16_t id = 0x1041;
	struct pci_dev d;

	assert_true(pci_find(0x1af4, &id, 1, 0, &d));
	return virtio_pci_open(v, &d);
}

static void test_good(void **state)
{
	struct virtio_common *c = (void *)bar;
	struct virtio_pci_queue q = {
		.index = 3, .size = 64, .msix_entry = 2, .desc = 0x123456789000, .avail = 1, .used = 2
	};
	struct virtio_pci v;

	(void)state;
	assert_int_equal(open_it(&v), 0);
	assert_ptr_equal(v.common, bar);
	assert_ptr_equal(v.notify, bar + 0x3000);
	assert_int_equal(v.pci.msix_count, 3);
	memcpy(bar + 0x2000, "\x02\x00\x00\x01\x02\x03\x01\x00\x04\x00\xdc\x05", 12);
	assert_int_equal(virtio_pci_config(&v, 8, 2), 4);
	assert_int_equal(virtio_pci_config(&v, 10, 2), 1500);
	assert_int_equal(virtio_pci_config(&v, 5, 1), 3);
	assert_int_equal(virtio_pci_config(&v, 4, 4), 0x00010302);
	assert_int_equal(virtio_pci_config(&v, 0x20, 1) | virtio_pci_config(&v, 0x1e, 4), 0); /* beyond its end */
	c->queue_size = 256;
	c->queue_notify_off = 3;
	assert_int_equal(virtio_pci_queue_enable(&v, &q), 0);
	assert_ptr_equal(q.doorbell, bar + 0x3000 + 12);
	assert_true(c->queue_select == 3 && c->queue_size == 64 && c->queue_msix_vector == 2 && c->queue_enable == 1);
	assert_true(c->queue_desc[0] == 0x56789000 && c->queue_desc[1] == 0x1234);
	virtio_pci_status_add(&v, 1);
	virtio_pci_status_add(&v, 2);
	assert_int_equal(virtio_pci_status(&v), 3);
	assert_int_equal(virtio_pci_reset(&v), 0);
}

static void test_queue_refused(void **state)
{
	struct virtio_common *c = (void *)bar;
	struct virtio_pci_queue q = { .index = 0, .size = 64 };
	struct virtio_pci v;

	(void)state;
	assert_int_equal(open_it(&v), 0);
	c->queue_size = 32;
	assert_int_equal(virtio_pci_queue_enable(&v, &q), KERR_INVALID);
	c->queue_size = 64;
	c->queue_notify_off = 0x400; /* the first word behind the region */
	assert_int_equal(virtio_pci_queue_enable(&v, &q), KERR_INVALID);
	c->queue_notify_off = 0xffff;
	v.notify_multiplier = 0xfffffffe;
	assert_int_equal(virtio_pci_queue_enable(&v, &q), KERR_INVALID);
	assert_int_equal(c->queue_enable, 0);
}

static void test_without_common(void **state)
{
	static const struct {
		uint32_t off, length;
	} places[] = { { 0, 55 },          { 0x3fff, 0x1000 }, { 2, 0x1000 },     { 0x4000, 64 },
		       { 0xfffffff0, 64 }, { 0, 0 },           { 0, UINT32_MAX }, { 0xfffffffc, UINT32_MAX } };
	struct virtio_pci v;

	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(places); i++) {
		put_cap(0x4c, 0, VIRTIO_CAP_COMMON, places[i].off, places[i].length);
		assert_int_equal(open_it(&v), KERR_UNSUPPORTED);
	}
	put_cap(0x4c, 0, VIRTIO_CAP_COMMON, 0, 0x1000);
	f->space[0x4c + VIRTIO_CAP_LEN] = 15;
	assert_int_equal(open_it(&v), KERR_UNSUPPORTED);
	f->space[0x4c + VIRTIO_CAP_LEN] = 16;
	f->space[0x4c + VIRTIO_CAP_BAR] = 6;
	assert_int_equal(open_it(&v), KERR_UNSUPPORTED);
	f->space[0x4c + VIRTIO_CAP_BAR] = 0; /* a BAR that is not there */
	assert_int_equal(open_it(&v), KERR_UNSUPPORTED);
}

static void test_second_choice(void **state)
{
	struct virtio_pci v;

	(void)state;
	put_cap(0x4c, 0xb0, VIRTIO_CAP_COMMON, 0x8000, 0x1000); /* outside */
	put_cap(0xb0, 0, VIRTIO_CAP_COMMON, 0x1000, 0x1000);
	assert_int_equal(open_it(&v), 0);
	assert_ptr_equal(v.common, bar + 0x1000);
}

static void test_other_faults(void **state)
{
	struct virtio_pci v;

	(void)state;
	fake_pci_put32(f, 0x70 + VIRTIO_CAP_MULTIPLIER, 3);
	assert_int_equal(open_it(&v), KERR_INVALID);
	fake_pci_put32(f, 0x70 + VIRTIO_CAP_MULTIPLIER, 0); /* all queues share one bell */
	assert_int_equal(open_it(&v), 0);
	f->space[0x4d] = 0x84; /* the list is a circle, and has no device structure */
	f->space[0x5c + VIRTIO_CAP_TYPE] = 7;
	assert_int_equal(open_it(&v), 0);
	assert_int_equal(virtio_pci_config(&v, 0, 4), 0);
	put_cap(0x4c, 0xf4, VIRTIO_CAP_NOTIFY, 0, 0); /* notify would end beyond configuration space */
	put_cap(0x70, 0xf0, 7, 0, 0);
	assert_int_equal(open_it(&v), KERR_UNSUPPORTED);
}

static void test_without_msix(void **state)
{
	struct virtio_pci v;

	(void)state;
	f->space[0x98] = 0x12;
	assert_int_equal(open_it(&v), KERR_UNSUPPORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_good, setup, teardown),
		cmocka_unit_test_setup_teardown(test_queue_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_without_common, setup, teardown),
		cmocka_unit_test_setup_teardown(test_second_choice, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_faults, setup, teardown),
		cmocka_unit_test_setup_teardown(test_without_msix, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
