/* SPDX-License-Identifier: MIT */
/* Model-specific registers, control registers and CPUID, as the SDM spells them [SDM 4 table 2-2; SDM 3A 2.5]. */
#pragma once
#include "kernel/base/types.h"

#define IA32_APIC_BASE 0x1b
#define IA32_APIC_BASE_BSP (1u << 8)
#define IA32_APIC_BASE_EXTD (1u << 10)
#define IA32_APIC_BASE_EN (1u << 11)
#define IA32_TSC_DEADLINE 0x6e0
#define IA32_X2APIC_ID 0x802
#define IA32_X2APIC_EOI 0x80b
#define IA32_X2APIC_SIVR 0x80f
#define IA32_X2APIC_ICR 0x830
#define IA32_X2APIC_LVT_TIMER 0x832
#define IA32_X2APIC_INIT_COUNT 0x838
#define IA32_X2APIC_CUR_COUNT 0x839
#define IA32_X2APIC_DIV_CONF 0x83e
#define IA32_EFER 0xc0000080
#define IA32_EFER_SCE (1u << 0)
#define IA32_STAR 0xc0000081
#define IA32_LSTAR 0xc0000082
#define IA32_CSTAR 0xc0000083
#define IA32_FMASK 0xc0000084
#define IA32_FS_BASE 0xc0000100
#define IA32_GS_BASE 0xc0000101
#define IA32_KERNEL_GS_BASE 0xc0000102
#define IA32_SYSENTER_CS 0x174

#define CR0_MP (1ul << 1)
#define CR0_EM (1ul << 2)
#define CR0_TS (1ul << 3)
#define CR0_NE (1ul << 5)
#define CR0_WP (1ul << 16)
#define CR4_OSFXSR (1ul << 9)
#define CR4_OSXMMEXCPT (1ul << 10)
#define CR4_UMIP (1ul << 11)
#define CR4_FSGSBASE (1ul << 16)
#define CR4_OSXSAVE (1ul << 18)
#define CR4_SMEP (1ul << 20)
#define CR4_SMAP (1ul << 21)

#define RFLAGS_TF (1ul << 8)
#define RFLAGS_IF (1ul << 9)
#define RFLAGS_DF (1ul << 10)
#define RFLAGS_IOPL (3ul << 12)
#define RFLAGS_NT (1ul << 14)
#define RFLAGS_RF (1ul << 16)
#define RFLAGS_AC (1ul << 18)

static inline uint64_t msr_read(uint32_t msr)
{
	uint32_t lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (uint64_t)hi << 32 | lo;
}

static inline void msr_write(uint32_t msr, uint64_t v)
{
	__asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}

struct cpuid {
	uint32_t a, b, c, d;
};

/** cpuid() - leaf and subleaf; all zero if the processor has no such leaf. */
static inline struct cpuid cpuid(uint32_t leaf, uint32_t sub)
{
	struct cpuid r = { .a = leaf & 0xffff0000u, .c = 0 };

	__asm__ volatile("cpuid" : "+a"(r.a), "=b"(r.b), "+c"(r.c), "=d"(r.d));
	if (r.a < leaf)
		return (struct cpuid){ 0 };
	r = (struct cpuid){ .a = leaf, .c = sub };
	__asm__ volatile("cpuid" : "+a"(r.a), "=b"(r.b), "+c"(r.c), "=d"(r.d));
	return r;
}
