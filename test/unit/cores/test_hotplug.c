/* SPDX-License-Identifier: MIT */
/* vCPUs that come and are asked back, by the registers as QEMU has them and by registers that lie. */
#include "kernel/abi/page.h"
#include "kernel/base/err.h"
#include "kernel/cores/hotplug.h"
#include "kernel/cpu/start.h"
#include "test/fake/cpu_plug.h"
#include "test/fake/machine.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define PM1 0x600u
#define PM1_CONTROL 0x604u
#define LIMIT 8u
#define MAY_COME 12u
#define PASS_MAX 2000u /* port accesses that one look may take, whatever the device says */
#define SECOND 1000000000u

tsc_t fake_now;
uint64_t fake_msr[2];
static struct acpi_info acpi;
static unsigned beyond; /* that came without room for them */
static char told[1024]; /* what cores.c heard, as words: +3 came, -3 is asked back */

uint32_t fake_port_in(uint16_t port, unsigned bytes)
{
	if (port == PM1_CONTROL)
		return 1;
	return port == PM1 ? 0 : fake_plug_in(port, bytes);
}

void fake_port_out(uint16_t port, uint32_t v, unsigned bytes)
{
	fake_plug_out(port, v, bytes);
}

int ioapic_route(uint32_t gsi, uint8_t vector, uint32_t apic_id, unsigned signal)
{
	(void)gsi, (void)vector, (void)apic_id, (void)signal;
	return 0;
}

bool ioapic_is_held(void)
{
	return false;
}

void ioapic_release(void)
{
}

static void note(char sign, uint32_t core)
{
	size_t at = strlen(told);

	assert_true(core < LIMIT || sign == '+');
	if (core >= LIMIT) {
		beyond++;
		hotplug_refuse(core, IX_PAGE_REFUSED_MANY, true);
		return;
	}
	assert_true(at < sizeof(told) - 8);
	told[at++] = ' ';
	told[at++] = sign;
	told[at] = (char)('0' + core);
}

void cores_inserted(uint32_t core)
{
	note('+', core);
}

void cores_removal_asked(uint32_t core)
{
	note('-', core);
}

static int begin(void **state)
{
	(void)state;
	fake_plug_reset(MAY_COME);
	beyond = 0;
	memset(told, 0, sizeof(told));
	acpi = (struct acpi_info){ .pm1a_event_port = PM1,
				   .pm1a_control_port = PM1_CONTROL,
				   .gpe0_port = 0x620,
				   .gpe0_bytes = 8,
				   .apic_count = MAY_COME,
				   .apic_usable = 1 };
	for (uint32_t i = 0; i < MAY_COME; i++)
		acpi.apic_ids[i] = i;
	fake_now = 1;
	return 0;
}

static bool find(void)
{
	acpi_events_init(&acpi);
	return hotplug_init(&acpi, LIMIT);
}

static void look(bool is_rung)
{
	fake_plug.accesses = 0;
	acpi_events_take(fake_now, is_rung);
	assert_in_range(fake_plug.accesses, 0, 10 * PASS_MAX); /* a few rounds */
}

static void start(void)
{
	assert_true(find());
	look(false);
	memset(told, 0, sizeof(told));
}

static void expect_told(const char *words)
{
	assert_string_equal(told, words);
	memset(told, 0, sizeof(told));
}

static void expect_ost(unsigned n, uint32_t cpu, uint32_t event, uint32_t status)
{
	assert_in_range(n, 0, fake_plug.told_count - 1);
	assert_int_equal(fake_plug.told[n].cpu, cpu);
	assert_int_equal(fake_plug.told[n].event, event);
	assert_int_equal(fake_plug.told[n].status, status);
}

static void test_found(void **state)
{
	(void)state;
	fake_plug.cpu[3].is_there = true;
	fake_plug.cpu[10].is_there = true; /* beyond the limit */
	fake_plug.gpe_status = 4;          /* libvirt adds before it lets go */
	assert_true(find());
	assert_true(fake_plug.is_modern);
	assert_int_equal(fake_plug.gpe_enabled, 4);
	assert_int_equal(hotplug_present(), 9);
	assert_int_equal(hotplug_apic_id(3), 3);
	look(true);
	expect_told("");
	assert_int_equal(hotplug_spurious(), 0); /* that event was before us */
}

/* The registers are modern from the start, as in later QEMUs, and tell of what came before us. */
static void test_pending_at_the_start(void **state)
{
	(void)state;
	fake_plug.is_modern = true;
	fake_plug_add(2);
	fake_plug_add(4);
	fake_plug_del(4);
	assert_true(find());
	assert_int_equal(hotplug_present(), 0x15);
	look(false);
	expect_told(" -4"); /* what is there needs no telling, but what is wanted back does */
	assert_int_equal(hotplug_spurious(), 0);
}

static void test_not_there(void **state)
{
	(void)state;
	acpi.apic_usable = 0xf03;
	fake_plug.count = 0;
	assert_false(find());
	assert_int_equal(hotplug_present(), 3);
	acpi.apic_ids[1] = 77;
	assert_int_equal(hotplug_apic_id(1), 77);
	hotplug_poll();
	hotplug_refuse(1, IX_PAGE_REFUSED_BUSY, false);
	begin(NULL);
	acpi.gpe0_port = 0; /* not a port is touched that may be another device's */
	fake_plug.accesses = 0;
	assert_false(find());
	assert_int_equal(fake_plug.accesses, 1); /* the button's */
	begin(NULL);
	acpi.apic_ids[5] = 50; /* selectors are not the MADT's order */
	assert_false(find());
	begin(NULL);
	fake_plug.cpu[0].is_there = false; /* the boot core is not there? */
	assert_false(find());
}

static void test_comes_and_goes(void **state)
{
	(void)state;
	start();
	fake_plug_add(1);
	look(true);
	expect_told(" +1");
	assert_false(fake_plug.cpu[1].is_inserted);
	assert_int_equal(hotplug_present(), 3);
	assert_int_equal(hotplug_apic_id(1), 1);
	look(true);
	expect_told("");
	fake_plug_del(1);
	look(true);
	expect_told(" -1");
	assert_false(fake_plug.cpu[1].is_removing);
	assert_true(fake_plug.cpu[1].is_there);
	hotplug_eject(1);
	assert_false(fake_plug.cpu[1].is_there);
	assert_int_equal(fake_plug.told_count, 1);
	expect_ost(0, 1, 3, 0);
	fake_plug_add(1); /* and again */
	look(true);
	expect_told(" +1");
	assert_int_equal(hotplug_spurious(), 0);
}

static void test_several_at_once(void **state)
{
	(void)state;
	start();
	for (uint32_t i = 1; i < LIMIT; i++)
		fake_plug_add(i);
	look(true);
	expect_told(" +1 +2 +3 +4 +5 +6 +7");
	fake_plug_del(7);
	fake_plug_del(2);
	fake_plug_del(0); /* QEMU does not even ask for that one */
	look(true);
	expect_told(" -0 -2 -7");
	fake_plug_del(5);
	fake_plug.cpu[5].is_inserted = true; /* taken back before anybody had looked */
	look(true);
	expect_told(" +5 -5");
	fake_plug_add(3);
	fake_plug.cpu[3].is_there = false; /* it was here for a moment */
	look(true);
	expect_told("");
}

/* The interrupt was lost: a second later it is seen all the same. */
static void test_unrung(void **state)
{
	(void)state;
	start();
	fake_plug_add(1);
	fake_plug.gpe_status = 0;
	look(true);
	expect_told("");
	fake_now += SECOND;
	look(false);
	expect_told(" +1");
	assert_int_equal(hotplug_spurious(), 0);
	fake_plug_add(2);
	hotplug_poll();
	expect_told(" +2");
}

static void test_spurious(void **state)
{
	(void)state;
	start();
	for (unsigned i = 1; i <= 3; i++) {
		fake_plug.gpe_status = 4;
		look(true);
		assert_int_equal(hotplug_spurious(), i);
	}
	expect_told("");
}

/* More vCPUs than there is room for: told so, and given back when wanted. */
static void test_beyond(void **state)
{
	(void)state;
	start();
	fake_plug_add(LIMIT);
	fake_plug_add(MAY_COME - 1);
	fake_plug_add(1);
	look(true);
	expect_told(" +1");
	assert_int_equal(beyond, 2);
	assert_int_equal(fake_plug.told_count, 2);
	expect_ost(0, LIMIT, 1, 1);
	expect_ost(1, MAY_COME - 1, 1, 1);
	assert_int_equal(hotplug_present(), 3);
	fake_plug_del(LIMIT);
	look(true);
	expect_told("");
	assert_false(fake_plug.cpu[LIMIT].is_there);
	expect_ost(2, LIMIT, 3, 0);
	assert_int_equal(fake_plug.ejects, 1);
}

static void test_refusals(void **state)
{
	static const struct {
		enum ix_page_refusal why;
		bool is_insert;
		uint32_t event, status;
	} cases[] = {
		{ IX_PAGE_REFUSED_MINIMUM, false, 3, 0x82 }, { IX_PAGE_REFUSED_BOOT, false, 3, 0x82 },
		{ IX_PAGE_REFUSED_BUSY, false, 3, 0x80 },    { IX_PAGE_REFUSED_MANY, true, 1, 1 },
		{ IX_PAGE_REFUSED_SILENT, true, 1, 1 },      { IX_PAGE_REFUSED_MEMORY, false, 3, 0x81 },
		{ IX_PAGE_REFUSED_MEMORY, true, 1, 1 },
	};

	(void)state;
	start();
	for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
		hotplug_refuse(1 + i, cases[i].why, cases[i].is_insert);
		assert_int_equal(fake_plug.told_count, i + 1);
		expect_ost(i, 1 + i, cases[i].event, cases[i].status);
	}
}

/* Flags that stay set are one event a look, and hide nobody behind them. */
static void test_sticky(void **state)
{
	(void)state;
	start();
	fake_plug.is_sticky = true;
	fake_plug_add(1);
	fake_plug_add(5);
	hotplug_poll();
	expect_told(" +1 +5");
	fake_plug_add(2);
	hotplug_poll();
	expect_told(" +1 +2 +5");
	look(true);
	assert_in_range(strlen(told), 1, 200);
}

/* For each event that is taken there is another: a look ends all the same. */
static void test_endless(void **state)
{
	(void)state;
	start();
	fake_plug.is_endless = true;
	fake_plug_add(3);
	look(true);
	assert_in_range(strlen(told), 3, 1000);
}

static void test_keeps_what_it_is_given(void **state)
{
	(void)state;
	start();
	fake_plug_add(1);
	look(true);
	fake_plug.is_possessive = true;
	hotplug_eject(1);
	assert_int_equal(fake_plug.ejects, 1);
	assert_int_equal(hotplug_present(), 3);
}

/* Whatever is read: no core beyond the limit is told of, and every call ends. */
static void test_mad(void **state)
{
	(void)state;
	srand(7);
	for (unsigned round = 0; round < 2000; round++) {
		begin(NULL);
		if (round % 2)
			start();
		fake_plug.is_mad = true;
		fake_plug.accesses = 0;
		if (round % 2 == 0)
			(void)find();
		hotplug_poll();
		(void)hotplug_present();
		assert_in_range(fake_plug.accesses, 0, PASS_MAX);
		memset(told, 0, sizeof(told));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_found, begin),
		cmocka_unit_test_setup(test_pending_at_the_start, begin),
		cmocka_unit_test_setup(test_not_there, begin),
		cmocka_unit_test_setup(test_comes_and_goes, begin),
		cmocka_unit_test_setup(test_several_at_once, begin),
		cmocka_unit_test_setup(test_unrung, begin),
		cmocka_unit_test_setup(test_spurious, begin),
		cmocka_unit_test_setup(test_beyond, begin),
		cmocka_unit_test_setup(test_refusals, begin),
		cmocka_unit_test_setup(test_sticky, begin),
		cmocka_unit_test_setup(test_endless, begin),
		cmocka_unit_test_setup(test_keeps_what_it_is_given, begin),
		cmocka_unit_test_setup(test_mad, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
