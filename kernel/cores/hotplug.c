/* SPDX-License-Identifier: MIT */
/*
 * QEMU's registers of CPU hotplug [QEMU docs/specs/acpi_cpu_hotplug], a dozen ports: one selects a vCPU, the others are about
 * the selected one. An event is cleared before it is told of, and each selector is looked at once a pass: whatever the
 * device says, a pass ends. Of vCPUs beyond the limit nothing is used, so they are given back without asking anybody.
 */
#include "kernel/cores/hotplug.h"

#include "kernel/base/assert.h"
#include "kernel/base/log.h"
#include "kernel/cpu/cpu.h"

#define PORT 0xcd8u /* of the q35 machine */
#define SELECTOR 0u /* write; read: the upper half of what a command answers */
#define FLAGS 4u    /* read, and written 1: acknowledged or done */
#define COMMAND 5u  /* write */
#define DATA 8u     /* of a command, both ways */
#define FLAG_ENABLED 1u
#define FLAG_INSERTED 2u
#define FLAG_REMOVE 4u
#define FLAG_EJECT 8u
#define COMMAND_NEXT 0u /* select the next one with an event, from the selected one on, once around */
#define COMMAND_OST_EVENT 1u
#define COMMAND_OST_STATUS 2u
#define COMMAND_ARCH_ID 3u
#define GPE 2u
#define EVENTS_A_PASS (2u * CORES_MAX)
/* _OST: what became of it [ACPI 6.5 6.3.5]. */
#define OST_INSERT 1u
#define OST_EJECT 3u
#define OST_DONE 0u
#define OST_FAILED 1u
#define OST_IN_USE 0x80u
#define OST_BUSY 0x81u
#define OST_NOT_SUPPORTED 0x82u

static struct {
	const struct acpi_info *acpi;
	uint32_t limit;
	bool is_there;
	uint32_t spurious;
} hotplug;

static void select(uint32_t selector)
{
	cpu_out32(PORT + SELECTOR, selector);
}

static uint8_t flags_of(uint32_t selector)
{
	select(selector);
	return cpu_in8(PORT + FLAGS);
}

/* The 8-bit port lies within the second dword: nothing else of it may be written. */
static void command(uint8_t c)
{
	cpu_out8(PORT + COMMAND, c);
}

static void tell(uint32_t selector, uint32_t event, uint32_t status)
{
	select(selector);
	command(COMMAND_OST_EVENT);
	cpu_out32(PORT + DATA, event);
	command(COMMAND_OST_STATUS);
	cpu_out32(PORT + DATA, status);
}

/* What the registers begin as is a bitmap whose first bit is set; writing there turns them into what they are today. */
static bool find(void)
{
	select(0);
	select(0);
	command(COMMAND_NEXT);
	return cpu_in32(PORT + SELECTOR) == 0 && flags_of(0) & FLAG_ENABLED;
}

static uint32_t apic_id_of(uint32_t selector)
{
	select(selector);
	command(COMMAND_ARCH_ID);
	return cpu_in32(PORT + DATA);
}

/* That a selector is a place in the MADT's list is how QEMU counts, and what core numbers rest on. */
static bool is_in_order(void)
{
	for (uint32_t i = 0; i < hotplug.limit && i < hotplug.acpi->apic_count; i++)
		if (apic_id_of(i) != hotplug.acpi->apic_ids[i])
			return false;
	return true;
}

static void give_back(uint32_t selector)
{
	select(selector);
	cpu_out8(PORT + FLAGS, FLAG_EJECT);
	tell(selector, OST_EJECT, OST_DONE);
}

static void take(uint32_t selector, uint8_t flags)
{
	/* Written together they would be lost together, should the device take but one of them. */
	if (flags & FLAG_INSERTED)
		cpu_out8(PORT + FLAGS, FLAG_INSERTED);
	if (flags & FLAG_REMOVE)
		cpu_out8(PORT + FLAGS, FLAG_REMOVE);
	if (!(flags & FLAG_ENABLED))
		return; /* it was here for a moment */
	if (flags & FLAG_INSERTED)
		cores_inserted(selector);
	if (!(flags & FLAG_REMOVE))
		return;
	if (selector < hotplug.limit)
		cores_removal_asked(selector);
	else
		give_back(selector);
}

/* Return: whether there was an event. */
static bool take_all(void)
{
	uint32_t from = 0, at;
	unsigned n = 0;
	uint8_t flags;

	for (; n < EVENTS_A_PASS; n++) {
		select(from);
		command(COMMAND_NEXT);
		at = cpu_in32(PORT + DATA);
		flags = cpu_in8(PORT + FLAGS);
		/* Around: what is there again was cleared before, or has its own interrupt to come. */
		if (!(flags & (FLAG_INSERTED | FLAG_REMOVE)) || at < from)
			break;
		take(at, flags);
		from = at + 1;
	}
	return n;
}

static void on_gpe(bool is_told)
{
	if (!take_all() && is_told)
		hotplug.spurious++;
}

void hotplug_poll(void)
{
	if (hotplug.is_there)
		(void)take_all();
}

/* vCPUs that came before we were there are found by hotplug_present(); what is to go is told of by the first look. */
static void forget_inserts(void)
{
	for (uint32_t i = 0; i < hotplug.limit; i++)
		if (flags_of(i) & FLAG_INSERTED)
			cpu_out8(PORT + FLAGS, FLAG_INSERTED);
}

bool hotplug_init(const struct acpi_info *acpi, uint32_t limit)
{
	hotplug.acpi = acpi;
	hotplug.limit = MIN(limit, CORES_MAX);
	hotplug.spurious = 0;
	/* Without general-purpose events these ports are somebody else's, or nobody's. */
	hotplug.is_there = acpi->gpe0_port && find();
	if (hotplug.is_there && !is_in_order()) {
		log_line("cores: CPU hotplug counts otherwise than the MADT: not used");
		hotplug.is_there = false;
	}
	if (!hotplug.is_there)
		return false;
	forget_inserts();
	hotplug.is_there = !acpi_on_gpe(GPE, on_gpe);
	return hotplug.is_there;
}

uint64_t hotplug_present(void)
{
	uint64_t all = hotplug.limit < CORES_MAX ? (1ull << hotplug.limit) - 1 : UINT64_MAX, present = 0;

	if (!hotplug.is_there)
		return hotplug.acpi->apic_usable & all;
	for (uint32_t i = 0; i < hotplug.limit; i++)
		if (flags_of(i) & FLAG_ENABLED)
			present |= 1ull << i;
	return present;
}

uint32_t hotplug_apic_id(uint32_t core)
{
	kassert(core < hotplug.limit);
	return hotplug.is_there ? apic_id_of(core) : hotplug.acpi->apic_ids[core];
}

void hotplug_eject(uint32_t core)
{
	kassert(core && core < hotplug.limit && hotplug.is_there);
	give_back(core);
	if (flags_of(core) & FLAG_ENABLED)
		log_line("cores: vCPU %u was given back, and the machine keeps it", core);
}

void hotplug_refuse(uint32_t core, enum ix_page_refusal why, bool is_insert)
{
	static const uint8_t status[IX_PAGE_REFUSED_NR] = {
		[IX_PAGE_REFUSED_MINIMUM] = OST_NOT_SUPPORTED, [IX_PAGE_REFUSED_BOOT] = OST_NOT_SUPPORTED,
		[IX_PAGE_REFUSED_BUSY] = OST_IN_USE,           [IX_PAGE_REFUSED_MANY] = OST_FAILED,
		[IX_PAGE_REFUSED_SILENT] = OST_FAILED,         [IX_PAGE_REFUSED_MEMORY] = OST_BUSY,
	};

	kassert(why < IX_PAGE_REFUSED_NR);
	if (hotplug.is_there)
		tell(core, is_insert ? OST_INSERT : OST_EJECT, is_insert ? OST_FAILED : status[why]);
}

uint32_t hotplug_spurious(void)
{
	return hotplug.spurious;
}
