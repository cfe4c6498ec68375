/* SPDX-License-Identifier: MIT */
/* The registers of cpu_plug.h. */
#include "test/fake/cpu_plug.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT 0xcd8u
#define PORT_END 0xce4u
#define GPE_STATUS 0x620u
#define GPE_ENABLE 0x628u
#define GPE_MASK 4u

struct fake_plug fake_plug;

static void die(const char *why, uint32_t what)
{
	fprintf(stderr, "fake CPU hotplug: %s %x\n", why, what);
	abort();
}

void fake_plug_reset(uint32_t count)
{
	memset(&fake_plug, 0, sizeof(fake_plug));
	fake_plug.count = count;
	for (uint32_t i = 0; i < FAKE_PLUG_CPUS; i++)
		fake_plug.cpu[i].apic_id = i;
	fake_plug.cpu[0].is_there = true;
}

void fake_plug_add(uint32_t cpu)
{
	fake_plug.cpu[cpu].is_there = true;
	fake_plug.cpu[cpu].is_inserted = fake_plug.is_modern;
	fake_plug.gpe_status |= GPE_MASK;
}

void fake_plug_del(uint32_t cpu)
{
	fake_plug.cpu[cpu].is_removing = true;
	fake_plug.gpe_status |= GPE_MASK;
}

static struct fake_plug_cpu *selected(void)
{
	return fake_plug.selector < fake_plug.count ? &fake_plug.cpu[fake_plug.selector] : NULL;
}

/* From the selected one on, once around; it stays selected if there is none. */
static void select_next(void)
{
	for (uint32_t i = 0; i < fake_plug.count; i++) {
		uint32_t at = (fake_plug.selector + i) % fake_plug.count;

		if (fake_plug.cpu[at].is_inserted || fake_plug.cpu[at].is_removing) {
			fake_plug.selector = at;
			return;
		}
	}
}

static uint32_t read_modern(uint32_t offset)
{
	const struct fake_plug_cpu *c = selected();

	switch (offset) {
	case 0:
		return 0;
	case 4:
		return c ? (uint32_t)(c->is_there | c->is_inserted << 1 | c->is_removing << 2) : 0;
	case 8:
		return !c ? 0 : fake_plug.command == 3 ? c->apic_id : fake_plug.command == 0 ? fake_plug.selector : 0;
	default:
		die("a read at offset", offset);
		return 0;
	}
}

static void write_flags(struct fake_plug_cpu *c, uint32_t v)
{
	/* As QEMU: of several bits only the first that it knows counts. */
	if (v & 2) {
		c->is_inserted = c->is_inserted && fake_plug.is_sticky;
	} else if (v & 4) {
		c->is_removing = c->is_removing && fake_plug.is_sticky;
	} else if (v & 8) {
		if (!fake_plug.selector && !fake_plug.is_mad)
			die("an eject of the boot core", 0);
		fake_plug.ejects++;
		c->is_there = c->is_there && fake_plug.is_possessive;
	}
	if (fake_plug.is_endless && (v & 6))
		fake_plug_del((fake_plug.selector + 1) % fake_plug.count);
}

static void write_modern(uint32_t offset, uint32_t v)
{
	struct fake_plug_cpu *c = selected();

	if (offset == 0) {
		if (v < fake_plug.count)
			fake_plug.selector = v;
	} else if (offset == 4) {
		if (c)
			write_flags(c, v);
	} else if (offset == 5) {
		fake_plug.command = (uint8_t)v;
		if (v == 0)
			select_next();
	} else if (offset == 8 && fake_plug.command == 1) {
		fake_plug.ost_event = v;
	} else if (offset == 8 && fake_plug.command == 2) {
		if (fake_plug.told_count < FAKE_PLUG_TOLD) {
			fake_plug.told[fake_plug.told_count].cpu = fake_plug.selector;
			fake_plug.told[fake_plug.told_count].event = fake_plug.ost_event;
			fake_plug.told[fake_plug.told_count].status = v;
		}
		fake_plug.told_count++;
	} else {
		die("a write at offset", offset);
	}
}

static void check_width(uint16_t port, unsigned bytes)
{
	uint32_t offset = port - PORT;

	if (bytes != (offset == 4 || offset == 5 ? 1 : 4))
		die("an access of another width at offset", offset);
}

uint32_t fake_plug_in(uint16_t port, unsigned bytes)
{
	fake_plug.accesses++;
	if (fake_plug.is_mad)
		return (uint32_t)rand() << 1 ^ (uint32_t)rand();
	if (port == GPE_STATUS)
		return fake_plug.gpe_status;
	if (port >= GPE_ENABLE && port < GPE_ENABLE + 8)
		return port == GPE_ENABLE ? fake_plug.gpe_enabled : 0;
	if (port < PORT || port >= PORT_END || !fake_plug.count)
		return UINT32_MAX;
	check_width(port, bytes);
	return fake_plug.is_modern ? read_modern(port - PORT) : port == PORT;
}

void fake_plug_out(uint16_t port, uint32_t v, unsigned bytes)
{
	fake_plug.accesses++;
	if (port == GPE_STATUS && !fake_plug.is_sticky)
		fake_plug.gpe_status &= (uint8_t)~v;
	if (port == GPE_ENABLE)
		fake_plug.gpe_enabled = (uint8_t)v;
	if (port < PORT || port >= PORT_END || !fake_plug.count)
		return;
	check_width(port, bytes);
	if (fake_plug.is_modern)
		write_modern(port - PORT, v);
	else
		fake_plug.is_modern = port == PORT && v == 0; /* any other write to the bitmap is ignored */
}
