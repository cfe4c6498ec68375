/* SPDX-License-Identifier: MIT */
/*
 * The page: BAR 2 of ivshmem-plain [QEMU docs/specs/ivshmem-spec]. Its head must be ours; what else lies in it is looked at
 * only in command.c. Each core writes its own block, at most once a millisecond and on being asked.
 */
#include "kernel/ctl/page.h"

#include "kernel/acpi/acpi.h"
#include "kernel/base/log.h"
#include "kernel/buf/buf.h"
#include "kernel/cores/cores.h"
#include "kernel/cpu/cpu.h"
#include "kernel/mem/map.h"
#include "kernel/mem/mem.h"
#include "kernel/flow/flow.h"
#include "kernel/net/net.h"
#include "kernel/pci/pci.h"

#define VENDOR_REDHAT 0x1af4
#define DEVICE_IVSHMEM 0x1110
#define IVSHMEM_BAR 2u
#define PERIOD_US 1000u

uint8_t *ctl_page;
PERCORE bool ctl_has_news;
static tsc_t period_tsc;
PERCORE struct ctl_core ctl_core;
static PERCORE struct averages averages;
static uint32_t page_asked; /* how often every core was asked to say what it has; the boot core's */
static PERCORE uint32_t page_told;
_Static_assert(CORES_MAX <= IX_PAGE_CORES_MAX, "a block for each core");

/* The device's memory, if its head says that it is a control page. */
static uint8_t *find_page(void)
{
	static const uint16_t ids[] = { DEVICE_IVSHMEM };
	struct ix_page_head head;
	struct pci_dev dev;
	uint64_t bytes;
	uint8_t *page;
	pa_t pa;

	for (unsigned n = 0; pci_find(VENDOR_REDHAT, ids, 1, n, &dev); n++) {
		if (pci_bar(&dev, IVSHMEM_BAR, &pa, &bytes) || bytes < IX_PAGE_BYTES)
			continue;
		pci_enable(&dev);
		page = map_memory(pa, IX_PAGE_BYTES);
		if (!page) {
			log_line("ctl: no memory to map the control page");
			return NULL;
		}
		memcpy(&head, page + IX_PAGE_AT_HEAD, sizeof(head));
		if (head.magic == IX_PAGE_MAGIC && head.version == IX_PAGE_VERSION && head.bytes == IX_PAGE_BYTES)
			return page;
		log_line("ctl: shared memory that is no control page of version %u: not used", IX_PAGE_VERSION);
	}
	return NULL;
}

void ctl_init(const struct conf *conf, const struct acpi_info *acpi)
{
	ctl_page = find_page();
	bell_init(acpi);
	if (!ctl_page)
		return;
	period_tsc = cpu_us_to_tsc(PERIOD_US);
	guest_init(conf);
	command_init();
	crash_init();
}

void ctl_core_init(void)
{
	tsc_t now = cpu_tsc();

	if (!ctl_page)
		return;
	ctl_core.turn_at = now;
	ctl_core.publish_at = now;
	ctl_core.block = page_at(IX_PAGE_AT_CORES + core_id() * IX_PAGE_CORE_STRIDE);
	ctl_core.block->sequence = 0; /* whatever an earlier start left there */
	averages.at = now;
}

void ctl_core_again(tsc_t from)
{
	tsc_t now = cpu_tsc();

	ctl_core.halt += now - from;
	ctl_core.turn_at = now;
	ctl_core.was_busy = false;
	ctl_core.first_at = 0;
	averages = (struct averages){ .then = ctl_core, .at = now };
}

static uint64_t ns(tsc_t ticks)
{
	return averages_ns(ticks, cpu_tsc_hz);
}

static void put_counts(uint64_t *v)
{
	const struct ctl_core *c = &ctl_core;
	struct net_stats net;
	struct flow_stats flow;

	net_stats(&net);
	flow_core_stats(&flow);
	v[IX_VALUE_TURNS] = c->turns;
	v[IX_VALUE_BUSY_NS] = ns(c->busy);
	v[IX_VALUE_POLL_NS] = ns(c->poll);
	v[IX_VALUE_HALT_NS] = ns(c->halt);
	v[IX_VALUE_BATCHES] = c->batches;
	v[IX_VALUE_FRAMES_IN] = c->frames;
	v[IX_VALUE_EVENTS] = c->events;
	v[IX_VALUE_CALLS] = c->calls;
	v[IX_VALUE_SEGMENTS_IN] = net.segments_in;
	v[IX_VALUE_SEGMENTS_OUT] = net.segments_out;
	v[IX_VALUE_RETRANSMITS] = net.retransmits;
	v[IX_VALUE_TIMEOUTS] = net.timeouts;
	v[IX_VALUE_RESETS_SENT] = net.resets_sent;
	v[IX_VALUE_ACCEPTED] = net.accepted;
	v[IX_VALUE_UDP_IN] = net.udp_in;
	v[IX_VALUE_UDP_OUT] = net.udp_out;
	v[IX_VALUE_DROPPED_BUFFER] = net.dropped_no_buffer;
	v[IX_VALUE_DROPPED_MEMORY] = net.dropped_no_memory;
	v[IX_VALUE_DROPPED_BACKLOG] = net.backlog_dropped;
	v[IX_VALUE_DROPPED_BAD] = net.bad_frames + net.bad_csum;
	v[IX_VALUE_DROPPED_UDP] = net.udp_dropped;
	v[IX_VALUE_DROPPED_WALK] = net.misplaced_dropped + net.moving_dropped;
	v[IX_VALUE_COOKIES_SENT] = net.cookies_sent;
	v[IX_VALUE_EVICTED] = net.evicted;
	v[IX_VALUE_HANDED_OVER] = flow.handed_over;
	v[IX_VALUE_WAKES] = flow.wakes;
	v[IX_VALUE_MOVED] = net.conns_moved;
	v[IX_VALUE_CONNECTIONS] = net.connections;
}

static void put_gauges(uint64_t *v)
{
	v[IX_VALUE_BUFFERS_FREE] = buf_available();
	v[IX_VALUE_MEMORY_USED] = mem_slab_used();
	v[IX_VALUE_BATCH_FAST] = averages.batch[0];
	v[IX_VALUE_BATCH_SLOW] = averages.batch[1];
	v[IX_VALUE_DELAY_FAST] = averages.delay[0];
	v[IX_VALUE_DELAY_SLOW] = averages.delay[1];
	v[IX_VALUE_IDLE_FAST] = averages.idle[0];
	v[IX_VALUE_IDLE_SLOW] = averages.idle[1];
	v[IX_VALUE_LOOP_FAST] = averages.loop[0];
	v[IX_VALUE_LOOP_SLOW] = averages.loop[1];
	v[IX_VALUE_DEPTH_FAST] = averages.depth[0];
	v[IX_VALUE_DEPTH_SLOW] = averages.depth[1];
	v[IX_VALUE_FIRST_FRAME] = ns(ctl_core.first_at);
}

void ctl_publish(tsc_t now)
{
	struct ix_page_core *block = ctl_core.block;

	page_told = READ_ONCE(page_asked);
	averages_add(&averages, &ctl_core, now, cpu_tsc_hz);
	page_begin(&block->sequence);
	block->state = cores_state(core_id());
	block->at_us = cpu_tsc_to_us(now);
	put_counts(block->value);
	put_gauges(block->value);
	page_end(&block->sequence);
	ctl_core.publish_at = now + period_tsc;
	if (core_id() == 0) {
		command_poll();
		guest_publish(now);
	}
}

void ctl_before_park(tsc_t now)
{
	if (ctl_core.block)
		ctl_publish(now);
}

void page_ask(void)
{
	WRITE_ONCE(page_asked, page_asked + 1);
	for (uint64_t left = cpu_running() & ~(1ull << core_id()); left; left &= left - 1)
		cpu_wake((uint32_t)__builtin_ctzll(left));
}

void ctl_look(void)
{
	bool is_rung = cpu_take_rung();

	if (is_rung)
		bell_take();
	if (acpi_events_take(cpu_tsc(), is_rung)) {
		ctl_has_news = true;
		ctl_core.publish_at = 0; /* the next turn tells of it */
	}
}

/* What bell and commands have begun in this turn is behind the stages that carry it out: one more turn. */
static bool take_news(void)
{
	bool had = ctl_has_news;

	ctl_has_news = false;
	return had;
}

static void account_before_halt(struct ctl_core *c, tsc_t now)
{
	if (c->was_busy)
		c->busy += now - c->turn_at;
	else
		c->poll += now - c->turn_at;
	c->turn_at = now;
	c->was_busy = false;
	if (now >= c->publish_at || page_told != READ_ONCE(page_asked))
		ctl_publish(now);
}

bool ctl_before_halt(tsc_t now)
{
	if (core_id() == 0)
		ctl_look(); /* it may have rung while ring 3 ran */
	if (ctl_core.block)
		account_before_halt(&ctl_core, now);
	return take_news();
}

void ctl_note_restart(void)
{
	guest_note_restart();
}

void ctl_after_halt(tsc_t from)
{
	struct ctl_core *c = &ctl_core;
	tsc_t now;

	if (core_id() == 0)
		ctl_look();
	if (!c->block)
		return;
	now = cpu_tsc();
	c->halt += now - from;
	c->turn_at = now;
}
