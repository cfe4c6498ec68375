/* SPDX-License-Identifier: MIT */
/* Who waits for an event of the machine is told, once for each time, whatever the status bits do; nothing else is enabled. */
#include "kernel/acpi/acpi.h"
#include "kernel/base/err.h"
#include "kernel/cpu/start.h"
#include "test/fake/machine.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define PM1 0x600u
#define PM1_CONTROL 0x604u
#define GPE 0x620u
#define GPE_BYTES 8u
#define SECOND 1000000000u /* of the fake clock */
#define CPUS 2u            /* the event of CPU hotplug */

tsc_t fake_now;
uint64_t fake_msr[2];

static struct {
	bool has_gpe, is_stuck, is_routable, is_held;
	uint16_t button, button_enabled;
	uint8_t status[GPE_BYTES], enabled[GPE_BYTES];
	unsigned signal, releases, reads;
	unsigned again; /* so many times the event comes once more while it is told of */
	unsigned presses, told, looked;
} m;
static struct acpi_info acpi;

uint32_t fake_port_in(uint16_t port, unsigned bytes)
{
	m.reads++;
	if (port == PM1_CONTROL)
		return 1;
	if (port == PM1)
		return m.button;
	if (port == PM1 + 2)
		return m.button_enabled;
	assert_int_equal(bytes, 1);
	assert_in_range(port, GPE, GPE + 2 * GPE_BYTES - 1);
	if (!m.has_gpe)
		return 0xff;
	return port < GPE + GPE_BYTES ? m.status[port - GPE] : m.enabled[port - GPE - GPE_BYTES];
}

void fake_port_out(uint16_t port, uint32_t v, unsigned bytes)
{
	if (port == PM1)
		m.button &= (uint16_t)~v;
	else if (port == PM1 + 2)
		m.button_enabled = (uint16_t)v;
	else if (port < GPE + GPE_BYTES)
		m.status[port - GPE] &= (uint8_t)(m.is_stuck ? 0xff : ~v);
	else
		m.enabled[port - GPE - GPE_BYTES] = (uint8_t)v;
	assert_int_equal(bytes, port < GPE ? 2 : 1);
}

int ioapic_route(uint32_t gsi, uint8_t vector, uint32_t apic_id, unsigned signal)
{
	assert_int_equal(gsi, 9);
	assert_int_equal(vector, CPU_VECTOR_SCI);
	assert_int_equal(apic_id, 0);
	m.signal = signal;
	return m.is_routable ? 0 : KERR_NOT_FOUND;
}

bool ioapic_is_held(void)
{
	return m.is_held;
}

void ioapic_release(void)
{
	m.releases += m.is_held;
	m.is_held = false;
}

/* The interrupt has come: by the trap it is held. */
static bool take(void)
{
	m.is_held = m.is_routable;
	return acpi_events_take(fake_now, true);
}

static void on_button(void)
{
	m.presses++;
}

static void on_gpe(bool is_told)
{
	m.told += is_told;
	m.looked += !is_told;
	if (is_told && m.again) {
		m.again--;
		m.status[0] |= 1u << CPUS;
	}
}

static int begin(void **state)
{
	(void)state;
	memset(&m, 0, sizeof(m));
	m.has_gpe = true;
	m.is_routable = true;
	acpi = (struct acpi_info){ .pm1a_event_port = PM1,
				   .pm1a_control_port = PM1_CONTROL,
				   .gpe0_port = GPE,
				   .gpe0_bytes = GPE_BYTES,
				   .sci_gsi = 9 };
	fake_now = 5 * SECOND;
	return 0;
}

/* And the first look is behind us. */
static void start(void)
{
	acpi_events_init(&acpi);
	acpi_on_button(on_button);
	assert_int_equal(acpi_on_gpe(CPUS, on_gpe), 0);
	acpi_events_take(fake_now, false);
	m.looked = m.told = m.releases = m.reads = 0;
}

static void test_only_what_is_waited_for(void **state)
{
	(void)state;
	memset(m.enabled, 0xff, sizeof(m.enabled));
	memset(m.status, 0xff, sizeof(m.status));
	m.button = m.button_enabled = 0xffff;
	acpi_events_init(&acpi);
	assert_int_equal(m.button_enabled, 0);
	assert_int_equal(m.enabled[0] | m.enabled[7], 0);
	acpi_on_button(on_button);
	assert_int_equal(acpi_on_gpe(CPUS, on_gpe), 0);
	assert_int_equal(acpi_on_gpe(13, on_gpe), 0);
	assert_int_equal(acpi_on_gpe(3, on_gpe), KERR_NOT_FOUND); /* two can wait */
	assert_int_equal(m.button_enabled, 1u << 8);
	assert_int_equal(m.enabled[0], 1u << CPUS);
	assert_int_equal(m.enabled[1], 1u << 5);
	assert_int_equal(m.status[0], 0xff & ~(1u << CPUS)); /* what was before is forgotten */
	assert_int_equal(m.status[1], 0xff & ~(1u << 5));
	assert_int_equal(m.button, 0xffff & ~(1u << 8));
	take();
	assert_int_equal(m.told + m.presses, 0);
}

static void test_told_once(void **state)
{
	(void)state;
	start();
	assert_false(acpi_events_take(fake_now, false));
	assert_int_equal(m.reads, 0); /* nothing rang: not a port is touched */
	m.status[0] = 0xff;
	assert_true(take());
	assert_int_equal(m.told, 1);
	assert_int_equal(m.presses, 0);
	assert_int_equal(m.status[0], 0xff & ~(1u << CPUS));
	assert_int_equal(m.releases, 1);
	m.button = 0x101;
	assert_true(take());
	assert_int_equal(m.presses, 1);
	assert_int_equal(m.button, 1);
	assert_false(take());
	assert_int_equal(m.told + m.presses, 2);
	assert_int_equal(m.looked, 0);
}

/* It comes again while it is told of: an edge that has been is none, so it is looked at until it is quiet. */
static void test_meanwhile(void **state)
{
	(void)state;
	start();
	m.again = 3;
	m.status[0] = 1u << CPUS;
	assert_true(take());
	assert_int_equal(m.told, 4);
	assert_int_equal(m.status[0], 0);
	assert_int_equal(m.releases, 1);
}

/* It never stops: nobody is held up, and the line stays held until it is time for the next look. */
static void test_storm(void **state)
{
	(void)state;
	start();
	m.again = UINT32_MAX;
	m.status[0] = 1u << CPUS;
	assert_true(take());
	assert_in_range(m.told, 1, 10);
	assert_int_equal(m.releases, 0);
	m.again = 0;
	fake_now += SECOND;
	acpi_events_take(fake_now, false);
	assert_int_equal(m.status[0], 0);
	assert_int_equal(m.releases, 1);
	m.is_stuck = true;
	m.status[0] = 1u << CPUS;
	m.told = 0;
	take();
	assert_in_range(m.told, 1, 10);
	assert_int_equal(m.releases, 1);
}

/* The line never falls and tells of nothing: a few interrupts a second. One that tells of something is not held back by others. */
static void test_empty(void **state)
{
	unsigned interrupts = 0;

	(void)state;
	start();
	for (unsigned i = 0; i < 1000; i++) {
		fake_now += SECOND / 100;
		interrupts += !m.is_held;
		if (m.is_held)
			acpi_events_take(fake_now, false);
		else
			take();
	}
	assert_in_range(interrupts, 20, 100); /* in ten seconds */
	m.status[0] = 1u << CPUS;
	fake_now += SECOND;
	acpi_events_take(fake_now, false);
	assert_int_equal(m.told, 1);
	assert_false(m.is_held);
	for (unsigned i = 0; i < 100; i++) { /* all in one second */
		m.status[0] = 1u << CPUS;
		assert_true(take());
		assert_false(m.is_held);
		acpi_events_take(fake_now, true); /* the bell */
	}
}

/* Once a second it is looked, whether there was an interrupt or not. */
static void test_unrung(void **state)
{
	(void)state;
	m.is_routable = false;
	start();
	m.status[0] = 1u << CPUS;
	fake_now += SECOND - 1;
	assert_false(acpi_events_take(fake_now, false));
	assert_int_equal(m.told, 0);
	fake_now++;
	assert_true(acpi_events_take(fake_now, false));
	assert_int_equal(m.told, 1);
	assert_int_equal(m.looked, 1);
	assert_false(acpi_events_take(fake_now + 1, false));
	assert_int_equal(m.looked, 1);
	assert_int_equal(m.releases, 0); /* there is no line */
}

static void test_signal(void **state)
{
	(void)state;
	start();
	assert_int_equal(m.signal, IOAPIC_LEVEL);
	acpi.sci_is_edge = acpi.sci_is_low = true;
	start();
	assert_int_equal(m.signal, IOAPIC_LOW);
}

static void test_absent(void **state)
{
	(void)state;
	acpi_events_init(&acpi);
	assert_int_equal(acpi_on_gpe(8 * GPE_BYTES, on_gpe), KERR_NOT_FOUND);
	m.has_gpe = false; /* nothing answers there */
	acpi_events_init(&acpi);
	assert_int_equal(acpi_on_gpe(CPUS, on_gpe), KERR_NOT_FOUND);
	acpi_on_button(on_button);
	m.button = 1u << 8;
	assert_true(take()); /* the button does without */
	acpi.pm1a_event_port = 0;
	acpi_events_init(&acpi);
	acpi_on_button(on_button);
	m.button = 1u << 8;
	assert_int_equal(acpi_on_gpe(CPUS, on_gpe), KERR_NOT_FOUND);
	assert_false(take());
	assert_int_equal(m.presses, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_only_what_is_waited_for, begin),
		cmocka_unit_test_setup(test_told_once, begin),
		cmocka_unit_test_setup(test_meanwhile, begin),
		cmocka_unit_test_setup(test_storm, begin),
		cmocka_unit_test_setup(test_empty, begin),
		cmocka_unit_test_setup(test_unrung, begin),
		cmocka_unit_test_setup(test_signal, begin),
		cmocka_unit_test_setup(test_absent, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
