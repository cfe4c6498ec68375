/* SPDX-License-Identifier: MIT */
/* A machine without any device but the page: no port answers, no interrupt has an input. */
#include "kernel/base/err.h"
#include "kernel/cpu/start.h"
#include "test/fake/machine.h"

uint32_t fake_port_in(uint16_t port, unsigned bytes)
{
	(void)port;
	(void)bytes;
	return UINT32_MAX;
}

void fake_port_out(uint16_t port, uint32_t v, unsigned bytes)
{
	(void)port;
	(void)v;
	(void)bytes;
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
	(void)signal;
	(void)gsi;
	(void)vector;
	(void)apic_id;
	return KERR_NOT_FOUND;
}
