/* SPDX-License-Identifier: MIT */
/*
 * What only ring 0 may execute, as functions of a test: ports, model-specific registers, a clock. A source meets it by
 * `-include` in front of everything else, so that it is compiled as it stands.
 */
#pragma once
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/msr.h"

extern tsc_t fake_now;       /* what cpu_tsc() says; 1 GHz with test/fake/cpu.c */
extern uint64_t fake_msr[2]; /* IA32_FS_BASE, IA32_GS_BASE */

/** fake_port_in(), fake_port_out() - the test's machine; @bytes: 1, 2 or 4. */
uint32_t fake_port_in(uint16_t port, unsigned bytes);
void fake_port_out(uint16_t port, uint32_t v, unsigned bytes);

static inline uint64_t fake_msr_read(uint32_t msr)
{
	return fake_msr[msr != IA32_FS_BASE];
}

#define cpu_tsc() fake_now
#define cpu_in8(port) ((uint8_t)fake_port_in((port), 1))
#define cpu_in16(port) ((uint16_t)fake_port_in((port), 2))
#define cpu_in32(port) fake_port_in((port), 4)
#define cpu_out8(port, v) fake_port_out((port), (v), 1)
#define cpu_out16(port, v) fake_port_out((port), (v), 2)
#define cpu_out32(port, v) fake_port_out((port), (v), 4)
#define msr_read fake_msr_read
