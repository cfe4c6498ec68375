/* SPDX-License-Identifier: MIT */
/* How a guest ends: what is told to which device, in which order, on machines that have it and that have it not. */
#include "kernel/abi/exit.h"
#include "kernel/cpu/start.h"
#include "test/fake/machine.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define PVPANIC_PORT 0x505u
#define CONTROL 0x604u

tsc_t fake_now;
uint64_t fake_msr[2];
static jmp_buf nobody_listened;
static char told[200];
static bool has_port;
static uint8_t device;

static void tell(const char *what, unsigned v)
{
	snprintf(told + strlen(told), sizeof(told) - strlen(told), "%s %x;", what, v);
}

uint32_t fake_port_in(uint16_t port, unsigned bytes)
{
	(void)bytes;
	return port == PVPANIC_PORT && has_port ? 3 : UINT32_MAX;
}

void fake_port_out(uint16_t port, uint32_t v, unsigned bytes)
{
	if (port == IX_EXIT_PORT && bytes == 4)
		tell("exit", v);
	else if (port == PVPANIC_PORT && bytes == 1)
		tell("isa", v);
	else if (port == CONTROL && bytes == 2)
		tell("off", v);
	else
		tell("nonsense", port);
}

void apic_stop_others(void)
{
	longjmp(nobody_listened, 1);
}

static void last_word(unsigned how)
{
	tell("word", how);
}

static void expect(unsigned how, const char *wanted)
{
	told[0] = '\0';
	if (!setjmp(nobody_listened))
		power_exit(how);
	assert_string_equal(told, wanted);
}

static void test_ends(void **state)
{
	(void)state;
	expect(7, "exit 7;"); /* before ACPI was read */
	power_init(CONTROL, 5);
	expect(7, "exit 7;off 3400;");
	expect(IX_EXIT_PANIC, "exit 66;off 3400;");
	has_port = true;
	expect(IX_EXIT_PANIC, "exit 66;isa 1;off 3400;");
	expect(IX_EXIT_FAULT, "exit 65;off 3400;");
	power_on_exit(last_word);
	expect(0, "word 0;exit 0;off 3400;");
	power_pvpanic(&device);
	device = 3;
	expect(IX_EXIT_WATCHDOG, "word 68;exit 68;off 3400;");
	assert_int_equal(device, 3);
	expect(IX_EXIT_PANIC, "word 66;exit 66;off 3400;"); /* once is enough */
	assert_int_equal(device, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_ends) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
