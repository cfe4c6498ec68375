/* SPDX-License-Identifier: MIT */
/* Bell, power button and the device that a panic is told by, on machines that have them, or not, or say nonsense. */
#include "kernel/base/err.h"
#include "kernel/cpu/start.h"
#include "kernel/event/event.h"
#include "kernel/sys/sys.h"
#include "test/fake/machine.h"
#include "test/fake/mem.h"
#include "test/unit/ctl/world.h"

#define COM2 0x2f8u
#define EVENT 0x600u
#define CONTROL 0x604u
#define SMI_COMMAND 0xb2u

static struct {
	bool has_ioapic, has_uart, is_uart_mad, is_acpi_on;
	uint8_t scratch, enabled;
	unsigned waiting; /* bytes in the UART */
	uint16_t event_status, event_enabled;
	unsigned taken;
	uint8_t routed[256]; /* vector of each input */
} machine;

uint32_t fake_port_in(uint16_t port, unsigned bytes)
{
	(void)bytes;
	if (port >= COM2 && port < COM2 + 8 && machine.has_uart) {
		if (port == COM2 + 7)
			return machine.scratch;
		if (port == COM2 + 5)
			return 0x60u | (machine.waiting || machine.is_uart_mad);
		if (port == COM2 && (machine.waiting || machine.is_uart_mad)) {
			machine.waiting -= machine.waiting > 0;
			machine.taken++;
			return IX_PAGE_BELL;
		}
		return 0;
	}
	if (port == EVENT)
		return machine.event_status;
	if (port == CONTROL)
		return machine.is_acpi_on;
	return UINT32_MAX;
}

void fake_port_out(uint16_t port, uint32_t v, unsigned bytes)
{
	(void)bytes;
	if (port == COM2 + 7)
		machine.scratch = (uint8_t)v;
	if (port == COM2 + 1)
		machine.enabled = (uint8_t)v;
	if (port == EVENT)
		machine.event_status &= (uint16_t)~v;
	if (port == EVENT + 2)
		machine.event_enabled = (uint16_t)v;
	if (port == SMI_COMMAND && v == 0xf1)
		machine.is_acpi_on = true;
}

bool ioapic_is_held(void)
{
	return false;
}

void ioapic_release(void)
{
}

int ioapic_route(uint32_t gsi, uint8_t vector, uint32_t apic_id, unsigned signal)
{
	assert_int_equal(apic_id, 0);
	assert_int_equal(signal, vector == CPU_VECTOR_SCI ? IOAPIC_LEVEL : 0);
	if (gsi >= 24 || !machine.has_ioapic)
		return KERR_NOT_FOUND;
	machine.routed[gsi] = vector;
	return 0;
}

static int begin(void **state)
{
	(void)state;
	world_begin();
	memset(&machine, 0, sizeof(machine));
	machine.has_ioapic = true;
	machine.has_uart = true;
	for (unsigned i = 0; i < ACPI_ISA_IRQS; i++)
		world.acpi.isa_gsi[i] = i;
	world.acpi.pm1a_event_port = EVENT;
	world.acpi.pm1a_control_port = CONTROL;
	world.acpi.smi_command_port = SMI_COMMAND;
	world.acpi.acpi_enable = 0xf1;
	world.acpi.sci_gsi = 9;
	return 0;
}

static int end(void **state)
{
	(void)state;
	world_end();
	return 0;
}

static bool is_signalled(void)
{
	event_begin();
	sys_signal_events();
	return event_count() == 1 && world.events.events[0].kind == IX_EV_SIGNAL;
}

static void ring(void)
{
	machine.waiting++;
	world.is_rung = true;
}

static void press(void)
{
	machine.event_status |= 1u << 8;
	world.is_rung = true;
}

static void test_begin(void **state)
{
	(void)state;
	world.acpi.isa_gsi[3] = 11; /* an override */
	machine.event_status = 1u << 8 | 1;
	world_start();
	assert_int_equal(machine.routed[11], CPU_VECTOR_UART);
	assert_int_equal(machine.routed[9], CPU_VECTOR_SCI);
	assert_int_equal(machine.enabled, 1);
	assert_true(machine.is_acpi_on);
	assert_int_equal(machine.event_enabled, 1u << 8); /* the button and nothing else */
	assert_int_equal(machine.event_status, 1);        /* an old press is forgotten */
}

/* It ends HLT, the next turn looks at the page at once, and no sleep comes before. */
static void test_bell(void **state)
{
	(void)state;
	world_start();
	world_turn();
	world_say(IX_PAGE_PING, 0, 0);
	ring();
	ctl_after_halt(fake_now);
	assert_int_equal(machine.waiting, 0);
	ctl_turn(fake_now, 0, 0);
	assert_int_equal(world_answer()->sequence, 1);
	assert_true(ctl_before_halt(fake_now));
	assert_false(ctl_before_halt(fake_now));
}

/* It rang while ring 3 ran, and no HLT is there to be ended: the one to come must not begin. */
static void test_bell_before_sleep(void **state)
{
	(void)state;
	world_start();
	world_turn();
	world_say(IX_PAGE_PING, 0, 0);
	ring();
	assert_true(ctl_before_halt(fake_now));
	assert_int_equal(world_answer()->sequence, 1);
}

/* A core that is never idle. */
static void test_look(void **state)
{
	(void)state;
	world_start();
	press();
	ctl_look();
	assert_true(is_signalled());
}

static void test_button(void **state)
{
	(void)state;
	world_start();
	world_turn();
	press();
	ctl_after_halt(fake_now);
	assert_int_equal(machine.event_status, 0); /* or the line stays up and no edge comes again */
	assert_true(is_signalled());
	ctl_turn(fake_now, 0, 0);
	assert_int_equal(world_guest()->state, IX_PAGE_STOPPING);
	ring(); /* the bell is no button */
	ctl_after_halt(fake_now);
	assert_false(is_signalled());
}

/* `virsh shutdown` of a guest without a page. */
static void test_button_unmanaged(void **state)
{
	(void)state;
	fake_pci_reset();
	world_start();
	press();
	assert_true(ctl_before_halt(fake_now));
	assert_true(is_signalled());
	assert_false(ctl_before_halt(fake_now));
}

/* A UART that has bytes for ever holds up nobody. */
static void test_mad_uart(void **state)
{
	(void)state;
	world_start();
	machine.is_uart_mad = true;
	ring();
	ctl_after_halt(fake_now);
	assert_in_range(machine.taken, 1, 100);
}

static void test_without(void **state)
{
	(void)state;
	machine.has_uart = false;
	world.acpi.pm1a_event_port = 0;
	world_start();
	assert_int_equal(machine.routed[3], 0);
	assert_int_equal(machine.routed[9], 0);
	world.is_rung = true;
	ctl_after_halt(fake_now);
	assert_int_equal(machine.taken, 0);
	assert_false(is_signalled());
}

/* Nothing interrupts: the button is looked at once a second. */
static void button_by_looking(void)
{
	assert_int_equal(machine.enabled, 0);
	ctl_look();
	press();
	world.is_rung = false;
	fake_now += 990 * WORLD_MS;
	ctl_look();
	assert_false(is_signalled());
	fake_now += 20 * WORLD_MS;
	ctl_look();
	assert_true(is_signalled());
}

static void test_without_ioapic(void **state)
{
	(void)state;
	machine.has_ioapic = false;
	world_start();
	assert_non_null(ctl_core.block); /* the page is looked at every millisecond of work all the same */
	button_by_looking();
}

static void test_interrupts_out_of_range(void **state)
{
	(void)state;
	world.acpi.isa_gsi[3] = UINT32_MAX;
	world.acpi.sci_gsi = 24;
	world_start();
	button_by_looking();
}

static void test_pvpanic(void **state)
{
	static uint8_t reg = 3;
	struct fake_function *f = fake_pci_add(0, 5, 0, 0x1b36, 0x0011, 0);

	(void)state;
	ctl_find_panic(); /* no BAR */
	assert_true(!world.pvpanic);
	fake_pci_bar(f, 0, 0xfd800000, 16, false);
	ctl_find_panic(); /* cannot be mapped */
	assert_true(!world.pvpanic);
	fake_mem_device(0xfd800000, 16, &reg);
	reg = 2; /* does not take panics */
	ctl_find_panic();
	assert_true(!world.pvpanic);
	reg = 3;
	ctl_find_panic();
	assert_true(world.pvpanic == &reg);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_begin),
		TEST(test_bell),
		TEST(test_bell_before_sleep),
		TEST(test_look),
		TEST(test_button),
		TEST(test_button_unmanaged),
		TEST(test_mad_uart),
		TEST(test_without),
		TEST(test_without_ioapic),
		TEST(test_interrupts_out_of_range),
		TEST(test_pvpanic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
