/* SPDX-License-Identifier: MIT */
/*
 * The floor: what a datagram and its answer cost when there is nothing between them but the driver. One core, one queue; a UDP
 * datagram over IPv4 goes back with its addresses and ports exchanged, by polling and, when nothing came, interrupt, as in
 * kernel/loop.c. No stack, no ring 3, no flow. Everything else that arrives is thrown away: whoever asks knows our address.
 */
#include "boot/boot.h"

#include "kernel/acpi/acpi.h"
#include "kernel/base/assert.h"
#include "kernel/base/bytes.h"
#include "kernel/base/log.h"
#include "kernel/buf/buf.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/start.h"
#include "kernel/cpu/trap.h"
#include "kernel/mem/map.h"
#include "kernel/mem/mem.h"
#include "kernel/nic/nic.h"
#include "kernel/pci/pci.h"

#define BUFFERS 4096u
#define CHECK_US 1000000u /* a look at the device's state, when nothing happens */
#define QUEUE 0u
#define PROTOCOL_UDP 17

/* Ethernet, IPv4 without options, UDP [RFC 894, 791, 768]. */
struct headers {
	uint16_t to[3], from[3], type;
	uint8_t version, service;
	uint16_t bytes, id, fragment;
	uint8_t life, protocol;
	uint16_t sum;
	uint16_t source[2], destination[2];
	uint16_t source_port, destination_port, udp_bytes, udp_sum;
};
_Static_assert(sizeof(struct headers) == 42, "no holes");
#define UDP_AT 34u

static struct boot_info boot;
static struct acpi_info acpi;

static const void *acpi_map(pa_t pa, size_t bytes)
{
	if (pa + bytes < pa || pa + bytes > 1ull << 32)
		return NULL;
	if (mem_is_ram(pa, bytes) || pa + bytes <= 0x100000)
		return mem_va(pa);
	return (const void *)(uintptr_t)map_device(pa, bytes);
}

static bool is_ours(const struct buf *b, const struct headers *h)
{
	return !b->next && b->len >= sizeof(*h) && h->type == be16(0x0800) && h->version == 0x45 &&
	       !(h->fragment & be16(0x3fff)) && h->protocol == PROTOCOL_UDP;
}

static void exchange(uint16_t *a, uint16_t *b, unsigned words)
{
	for (unsigned i = 0; i < words; i++) {
		uint16_t was = a[i];

		a[i] = b[i];
		b[i] = was;
	}
}

/* The sum of the pseudo-header, which is where the device begins. */
static uint16_t pseudo_sum(const struct headers *h)
{
	uint32_t sum = h->source[0] + h->source[1] + h->destination[0] + h->destination[1] + be16(PROTOCOL_UDP) +
		       h->udp_bytes;

	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(sum + (sum >> 16));
}

static void serve(struct buf *b)
{
	struct headers *h = (struct headers *)(b->data + b->off);
	struct nic_tx tx;

	if (!is_ours(b, h)) {
		buf_free_frame(b);
		return;
	}
	exchange(h->to, h->from, 3);
	exchange(h->source, h->destination, 2);
	exchange(&h->source_port, &h->destination_port, 1);
	tx.token = b;
	tx.flags = 0;
	/* A datagram of this host may have come without its sum; a device that sums does it, else the old one is still right. */
	if (nic_info()->offloads & NIC_TX_CSUM) {
		h->udp_sum = pseudo_sum(h);
		tx.flags = NIC_TX_NEEDS_CSUM;
		tx.csum_start = UDP_AT;
		tx.csum_offset = 6;
	}
	tx.seg_count = 1;
	tx.segs[0] = (struct nic_seg){ b->pa + b->off, b->len };
	if (!nic_tx(QUEUE, &tx))
		buf_free_frame(b);
}

static void idle(void)
{
	if (!nic_irq_arm(QUEUE))
		cpu_halt_until(cpu_tsc() + cpu_us_to_tsc(CHECK_US));
	nic_irq_disarm(QUEUE);
}

NORETURN static void loop(void)
{
	static PERCORE struct buf *frames[NIC_BURST_MAX];
	static PERCORE void *tokens[NIC_BURST_MAX];
	tsc_t last_check = cpu_tsc(), check = cpu_us_to_tsc(CHECK_US);
	unsigned count;

	for (;;) {
		count = nic_tx_reclaim(QUEUE, tokens, NIC_BURST_MAX);
		for (unsigned i = 0; i < count; i++)
			buf_free(tokens[i]);
		count = nic_rx_burst(QUEUE, frames, NIC_BURST_MAX);
		for (unsigned i = 0; i < count; i++)
			serve(frames[i]);
		nic_tx_flush(QUEUE);
		if (count)
			continue;
		if (cpu_tsc() - last_check > check) {
			last_check = cpu_tsc();
			nic_check();
		}
		idle();
	}
}

static void start_high(void)
{
	trap_core_init(NULL);
	cpu_features_init();
	apic_core_init();
	kassert(!acpi_read(boot.rsdp_pa, acpi_map, &acpi));
	power_init(acpi.pm1a_control_port, acpi.s5_type);
	cpu_clock_init(acpi.pm_timer_port);
	apic_timer_calibrate();
	smp_set_boot_core(1);
	kassert(!buf_init(BUFFERS));
	pci_init(acpi.ecam_pa, acpi.ecam_last_bus);
	if (nic_start(1) || nic_irq_core(QUEUE, core_id()))
		panic("no network card that we know: the floor takes a virtio-net-pci");
	log_line("ready");
	loop();
}

void main_boot(pa_t start_info)
{
	const char *error;

	uart_init();
	log_init(uart_write);
	if (boot_info_read(start_info, &boot, &error))
		panic("%s", error);
	mem_init(&boot);
	boot_switch(map_core_new(0), MEM_STACK_TOP, start_high);
}

/* There is one core; boot's start of others, which nobody calls here, names this. */
void main_core(void)
{
	panic("the floor has one core");
}
