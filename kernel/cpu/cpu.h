/* SPDX-License-Identifier: MIT */
/*
 * In: what the processor offers. Out: clock, timer interrupt, inter-processor interrupts, halting,
 * ports, entropy, trap vectors. Who calls: every folder above. Start reading at core.c (what a core
 * sets up for itself), then trap.c.
 */
#pragma once
#include "kernel/base/percore.h"
#include "kernel/base/types.h"

struct boot_info;

/* Interrupt vectors, 32..255. */
enum cpu_vector {
	CPU_VECTOR_TIMER = 0x20,
	CPU_VECTOR_WAKE = 0x21, /* ends HLT, or makes ring 3 return; nothing else */
	CPU_VECTOR_UART = 0x22,
	CPU_VECTOR_SCI = 0x23,
	CPU_VECTOR_NIC = 0x30, /* + queue pair; ends HLT, nothing else */
	CPU_VECTOR_SPURIOUS = 0xff,
};

/* ---- clock ---- */
static inline tsc_t cpu_tsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

extern uint64_t cpu_tsc_hz; /* set once by cpu_clock_init() */

/** cpu_us_to_tsc()/cpu_tsc_to_us() - @us up to 2^40. */
tsc_t cpu_us_to_tsc(uint64_t us);
uint64_t cpu_tsc_to_us(tsc_t ticks);

/* ---- sleeping and waking ---- */
/**
 * cpu_halt_until() - HLT until an interrupt or @deadline (TSC; UINT64_MAX: none). Interrupts are off
 * before and after. The caller has announced its sleep and looked at its queues again (design 1).
 */
void cpu_halt_until(tsc_t deadline);

/** cpu_take_rung() - whether CPU_VECTOR_UART or CPU_VECTOR_SCI came to the calling core since it last asked. */
bool cpu_take_rung(void);

/** cpu_wake() - send CPU_VECTOR_WAKE to another core: its HLT or its stay in ring 3 ends. */
void cpu_wake(uint32_t core);

/** cpu_apic_id() - APIC id of a core, the destination of its MSI-X messages. */
uint32_t cpu_apic_id(uint32_t core);

/* ---- which cores there are: bit c is core c; core 0 is always among them. The boot core changes them (kernel/cores) ---- */
/** cpu_core_limit() - how many there can ever be: memory is set aside for so many at the start. */
uint32_t cpu_core_limit(void);
/**
 * cpu_running() - those whose loop turns
 * cpu_serving() - of them, those that may have connections. cpu_open() - of these, those that may be given more.
 */
uint64_t cpu_running(void);
uint64_t cpu_serving(void);
uint64_t cpu_open(void);

/** cpu_count() - how many are in @set. */
static inline uint32_t cpu_count(uint64_t set)
{
	uint32_t n = 0;

	for (; set; set &= set - 1)
		n++;
	return n;
}

/** cpu_after() - the next core of @set above @core, after the highest the lowest. @set is not empty. */
static inline uint32_t cpu_after(uint64_t set, uint32_t core)
{
	uint64_t above = set & ~1ull << core;

	return (uint32_t)__builtin_ctzll(above ? above : set);
}

/* ---- ports and model-specific registers ---- */
static inline void cpu_out8(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" ::"a"(v), "Nd"(port));
}
static inline void cpu_out16(uint16_t port, uint16_t v)
{
	__asm__ volatile("outw %0, %1" ::"a"(v), "Nd"(port));
}
static inline void cpu_out32(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" ::"a"(v), "Nd"(port));
}
static inline uint8_t cpu_in8(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}
static inline uint16_t cpu_in16(uint16_t port)
{
	uint16_t v;

	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}
static inline uint32_t cpu_in32(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}
static inline void cpu_pause(void)
{
	__asm__ volatile("pause");
}

/* ---- entropy ---- */
/**
 * cpu_random() - @bytes unpredictable bytes from RDSEED, RDRAND, or a generator seeded by fw_cfg
 * opt/ix/seed. Never fails after boot: cpu_entropy_init() refuses to boot without a source.
 */
void cpu_random(void *out, size_t bytes);

/* ---- markers ---- */
/*
 * MARK_STAGE(n): the stage border NOP that the bench's counting plugin sees; n 0..15. Costs one NOP.
 * nopl 0x1D1E0000+n(%rax,%rax,1)
 */
#define MARK_STAGE(n) __asm__ volatile("nopl 0x1D1E0000 + %c0(%%rax,%%rax,1)" ::"i"(n))

enum cpu_stage {
	STAGE_APP = 0,
	STAGE_TX_RECLAIM = 1,
	STAGE_CALLS = 2,
	STAGE_TIMERS = 3,
	STAGE_RX = 4,
	STAGE_NET_IN = 5,
	STAGE_TX = 6,
	STAGE_EVENTS = 7,
	STAGE_BUSY = 14, /* none of its own: this turn did something, even if it comes to STAGE_IDLE */
	STAGE_IDLE = 15, /* and with it, what the turn that leads to it cost */
};
