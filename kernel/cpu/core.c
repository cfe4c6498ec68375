/* SPDX-License-Identifier: MIT */
/* What a core turns on for itself: the bits that keep ring 3 and ring 0 apart, and what ring 3 may use. */
#include "kernel/base/log.h"
#include "kernel/base/percore.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/msr.h"
#include "kernel/cpu/start.h"

PERCORE uint32_t percore_id;
bool cpu_has_smap; /* read by trap.S */
static bool has_fsgsbase;

/* CPUID.7.0:EBX, ECX, EDX and the others used here [SDM 2A CPUID]. */
#define ID7_B_FSGSBASE (1u << 0)
#define ID7_B_SMEP (1u << 7)
#define ID7_B_SMAP (1u << 20)
#define ID7_C_UMIP (1u << 2)
#define ID7_D_ARCH_CAP (1u << 29)
#define ID1_C_XSAVE (1u << 26)
#define ID1_C_AVX (1u << 28)
#define IA32_ARCH_CAPABILITIES 0x10a
#define ARCH_CAP_RDCL_NO (1u << 0)
#define XCR0_X87_SSE 3u
#define XCR0_AVX 4u

bool cpu_has_fsgsbase(void)
{
	return has_fsgsbase;
}

bool cpu_is_kvm(void)
{
	struct cpuid h = { 0 };

	if (cpuid(1, 0).c >> 31 & 1)
		__asm__("cpuid" : "=a"(h.a), "=b"(h.b), "=c"(h.c), "=d"(h.d) : "0"(0x40000000), "2"(0));
	return h.b == 0x4b4d564b; /* "KVMK" */
}

static void warn_of_flaws(const struct cpuid *id7)
{
	struct cpuid vendor = cpuid(0, 0);
	bool intel = vendor.b == 0x756e6547; /* "Genu" */

	if (!(id7->b & ID7_B_SMEP) || !(id7->b & ID7_B_SMAP))
		log_line("cpu: no %s: ring 0 is less protected from its own mistakes; use -cpu host or max",
			 id7->b & ID7_B_SMEP ? "SMAP" : "SMEP");
	if (intel && !cpu_is_kvm() && !(id7->d & ID7_D_ARCH_CAP))
		return; /* emulated: no speculation to leak through */
	if (intel && (!(id7->d & ID7_D_ARCH_CAP) || !(msr_read(IA32_ARCH_CAPABILITIES) & ARCH_CAP_RDCL_NO)))
		log_line("cpu: this processor may be open to Meltdown or L1TF; ring 3 shares page tables with ring 0");
}

void cpu_features_init(void)
{
	struct cpuid id1 = cpuid(1, 0), id7 = cpuid(7, 0);
	uint64_t cr0, cr4;

	__asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	cr0 = (cr0 & ~(CR0_EM | CR0_TS)) | CR0_MP | CR0_NE | CR0_WP;
	cr4 |= CR4_OSFXSR | CR4_OSXMMEXCPT;
	if (id7.b & ID7_B_SMEP)
		cr4 |= CR4_SMEP;
	if (id7.b & ID7_B_SMAP)
		cr4 |= CR4_SMAP;
	if (id7.c & ID7_C_UMIP)
		cr4 |= CR4_UMIP;
	if (id7.b & ID7_B_FSGSBASE)
		cr4 |= CR4_FSGSBASE;
	if (id1.c & ID1_C_XSAVE)
		cr4 |= CR4_OSXSAVE;
	__asm__ volatile("mov %0, %%cr0" ::"r"(cr0));
	__asm__ volatile("mov %0, %%cr4" ::"r"(cr4));
	if (id1.c & ID1_C_XSAVE) {
		uint32_t xcr0 = XCR0_X87_SSE | (id1.c & ID1_C_AVX ? XCR0_AVX : 0);

		__asm__ volatile("xsetbv" ::"c"(0), "a"(xcr0), "d"(0));
	}
	if (core_id() == 0) {
		cpu_has_smap = id7.b & ID7_B_SMAP;
		has_fsgsbase = id7.b & ID7_B_FSGSBASE;
		warn_of_flaws(&id7);
	}
}
