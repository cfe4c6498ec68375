/* SPDX-License-Identifier: MIT */
/*
 * A kernel that sends every frame back to where it came from, on as many cores as there are: what can
 * be seen of NIC and flow from outside, without TCP/IP and ring 3. In a frame that is not IPv4 the first
 * payload bytes may be a command, among them one to send what follows as a frame, whatever that is; in an IPv4 frame the source address is replaced by what this kernel
 * knows of the frame, so that the sender can check it. See test/system/frames.py.
 */
#include "boot/boot.h"

#include "kernel/abi/exit.h"
#include "kernel/acpi/acpi.h"
#include "kernel/base/assert.h"
#include "kernel/base/bytes.h"
#include "kernel/base/log.h"
#include "kernel/buf/buf.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/start.h"
#include "kernel/cpu/trap.h"
#include "kernel/flow/flow.h"
#include "kernel/mem/map.h"
#include "kernel/mem/mem.h"
#include "kernel/nic/nic.h"
#include "kernel/pci/pci.h"

#define BUFFERS 4096u
#define ETHERNET_BYTES 14u
#define ETHERTYPE_COMMAND 0x88b5 /* local experiments [IEEE 802] */
#define CHECK_US 10000u
#define IDLE_US 1000000u

static struct boot_info boot;
static struct acpi_info acpi;
static uint32_t open_cores; /* shared state is ready */
static PERCORE tsc_t last_check;

/* ---- start, as kernel/main.c ---- */

static const void *acpi_map(pa_t pa, size_t bytes)
{
	if (pa + bytes < pa || pa + bytes > 1ull << 32)
		return NULL;
	if (mem_is_ram(pa, bytes) || pa + bytes <= 0x100000)
		return mem_va(pa);
	return (const void *)(uintptr_t)map_device(pa, bytes);
}

static void start_cores(void)
{
	uint64_t cores = 1;
	uint32_t core = 1;

	for (uint32_t i = 0; i < acpi.apic_count; i++) {
		if (acpi.apic_ids[i] == apic_id() || !(acpi.apic_usable >> i & 1))
			continue;
		boot_ap_prepare(map_core_new(core), mem_va(0));
		kassert(!smp_start(core, acpi.apic_ids[i], BOOT_AP_PAGE >> 12));
		cores |= 1ull << core;
		smp_set_cores(cores, cores, cores);
		core++;
	}
}

static void start_devices(void)
{
	tsc_t begin = cpu_tsc();

	kassert(!buf_init(BUFFERS));
	pci_init(acpi.ecam_pa, acpi.ecam_last_bus);
	log_line("pci: %lu us", (unsigned long)cpu_tsc_to_us(cpu_tsc() - begin));
	begin = cpu_tsc();
	if (nic_start((uint16_t)cpu_core_limit()) || flow_init(cpu_core_limit()))
		panic("no network");
	log_line("nic: %lu us", (unsigned long)cpu_tsc_to_us(cpu_tsc() - begin));
	log_line("offloads %x pairs %u queue_is_group %u mtu %u", nic_info()->offloads, nic_info()->queue_pairs,
		 nic_info()->queue_is_group, nic_info()->mtu);
}

/* ---- commands ---- */

static void print_stats(void)
{
	struct nic_stats n;
	struct flow_stats f;

	nic_stats(&n);
	flow_stats(&f);
	log_line("stats rx_frames=%lu rx_bad=%lu rx_no_buffer=%lu tx_frames=%lu tx_full=%lu tx_kicks=%lu resets=%lu "
		 "handed_over=%lu hand_drops=%lu wakes=%lu tx_remote=%lu tx_drops=%lu free=%u",
		 n.rx_frames, n.rx_bad, n.rx_no_buffer, n.tx_frames, n.tx_full, n.tx_kicks, n.resets, f.handed_over,
		 f.hand_drops, f.wakes, f.tx_remote, f.tx_drops, buf_available());
}

static void obey(const uint8_t *command, unsigned bytes)
{
	if (bytes >= 5 && !memcmp(command, "stats", 5))
		print_stats();
	else if (bytes >= 5 && !memcmp(command, "reset", 5))
		nic_want_reset();
	else if (bytes >= 4 && !memcmp(command, "exit", 4))
		power_exit(0);
}

/* ---- frames ---- */

/* Large or partly summed frames go back the way they came: by TSO, with the sum left to the host. */
static void set_offloads(struct nic_tx *tx, const struct buf *b, const uint8_t *frame)
{
	unsigned ip_bytes = (frame[14] & 15u) * 4u;

	if (b->segments < 2 || !(nic_info()->offloads & NIC_TX_TSO4))
		return;
	tx->flags = NIC_TX_NEEDS_CSUM | NIC_TX_IS_TSO4;
	tx->csum_start = (uint16_t)(ETHERNET_BYTES + ip_bytes);
	tx->csum_offset = 16;
	tx->header_bytes = (uint16_t)(tx->csum_start + (frame[tx->csum_start + 12] >> 4) * 4u);
	tx->mss = 1400;
}

static void mark(const struct buf *b, uint8_t *frame)
{
	be32_t addresses[2];
	be16_t ports[2];

	if (frame[12] != 8 || frame[13] != 0 || b->len < 38)
		return;
	memcpy(addresses, frame + 26, sizeof(addresses));
	memcpy(ports, frame + 34, sizeof(ports));
	frame[26] = (uint8_t)core_id();
	frame[27] = (uint8_t)flow_owner(flow_group_of_tuple(addresses[0], addresses[1], ports[0], ports[1]));
	frame[28] = (uint8_t)b->flags;
	frame[29] = (uint8_t)b->segments;
}

static void send(struct buf *first)
{
	struct buf *b = first;
	struct nic_tx tx;

	tx.token = first;
	tx.flags = 0;
	set_offloads(&tx, first, first->data + first->off);
	for (tx.seg_count = 0; b && tx.seg_count < NIC_TX_SEGS_MAX; b = b->next)
		tx.segs[tx.seg_count++] = (struct nic_seg){ b->pa + b->off, b->len };
	if (b || !flow_tx(&tx))
		buf_free_frame(first);
}

static void send_back(struct buf *b)
{
	uint8_t *frame = b->data + b->off, mac[6];

	memcpy(mac, frame, 6);
	memcpy(frame, frame + 6, 6);
	memcpy(frame + 6, mac, 6);
	mark(b, frame);
	send(b);
}

/* "send" and a frame behind it, which goes out as it is: what a guest that lies would send. */
static bool sends_what_follows(struct buf *b)
{
	const uint8_t *command = b->data + b->off + ETHERNET_BYTES;
	unsigned skipped = ETHERNET_BYTES + 4;

	if (b->segments > 1 || b->len < skipped + ETHERNET_BYTES || memcmp(command, "send", 4))
		return false;
	b->off = (uint16_t)(b->off + skipped);
	b->len = (uint16_t)(b->len - skipped);
	send(b);
	return true;
}

static void serve(struct buf *b)
{
	const uint8_t *frame = b->data + b->off;

	if (frame[12] == (ETHERTYPE_COMMAND >> 8) && frame[13] == (ETHERTYPE_COMMAND & 255)) {
		if (sends_what_follows(b))
			return;
		obey(frame + ETHERNET_BYTES, b->len - ETHERNET_BYTES);
	}
	send_back(b);
}

static void idle(void)
{
	tsc_t now = cpu_tsc();

	if (core_id() == 0 && now - last_check > cpu_us_to_tsc(CHECK_US)) {
		last_check = now;
		nic_check();
	}
	if (!flow_sleep_begin())
		cpu_halt_until(now + cpu_us_to_tsc(IDLE_US));
	flow_sleep_end();
}

NORETURN static void loop(void)
{
	static PERCORE struct buf *frames[NIC_BURST_MAX];
	static PERCORE void *tokens[NIC_BURST_MAX];
	unsigned count;

	for (;;) {
		MARK_STAGE(STAGE_TX_RECLAIM);
		count = flow_tx_reclaim(tokens, NIC_BURST_MAX);
		for (unsigned i = 0; i < count; i++)
			buf_free_frame(tokens[i]);
		MARK_STAGE(STAGE_RX);
		count = flow_rx(frames, NIC_BURST_MAX);
		MARK_STAGE(STAGE_NET_IN);
		for (unsigned i = 0; i < count; i++)
			serve(frames[i]);
		MARK_STAGE(STAGE_TX);
		flow_tx_flush();
		MARK_STAGE(STAGE_IDLE);
		if (!count)
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
	smp_set_boot_core(acpi.apic_count);
	kassert(!cpu_entropy_init());
	start_cores();
	start_devices();
	flow_core_init();
	store_release(&open_cores, 1);
	log_line("ready %u cores", cpu_core_limit());
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

void main_core(void)
{
	trap_core_init(NULL);
	cpu_features_init();
	apic_core_init();
	smp_started();
	while (!load_acquire(&open_cores))
		cpu_pause();
	flow_core_init();
	loop();
}
