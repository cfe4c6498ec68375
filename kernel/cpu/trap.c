/* SPDX-License-Identifier: MIT */
/*
 * Descriptor tables of a core, and what becomes of each trap. The GDT and TSS are per core at one
 * address; the IDT is shared and every gate has DPL 0, so that no INT n of ring 3 enters through it.
 */
#include "kernel/cpu/trap.h"

#include "kernel/abi/exit.h"
#include "kernel/base/assert.h"
#include "kernel/base/log.h"
#include "kernel/base/percore.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/msr.h"
#include "kernel/cpu/start.h"
#include "kernel/mem/layout.h"

struct tss { /* [SDM 3A 7.7] */
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7];
	uint64_t reserved2;
	uint16_t reserved3;
	uint16_t iomap_base;
} __attribute__((packed));
_Static_assert(sizeof(struct tss) == 104, "SDM 3A figure 7-11");

struct gate { /* [SDM 3A 6.14.1] */
	uint16_t offset_low;
	uint16_t selector;
	uint8_t ist;
	uint8_t type; /* 0x8e: present, DPL 0, interrupt gate */
	uint16_t offset_mid;
	uint32_t offset_high;
	uint32_t reserved;
};
_Static_assert(sizeof(struct gate) == 16, "SDM 3A figure 6-8");

struct table_register {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

extern const uint8_t trap_stubs[];
void trap_dispatch(struct trap_frame *f);

static PERCORE uint64_t gdt[8];
static PERCORE struct tss tss;
static struct gate idt[256] ALIGNED(16);
static void (*user_handler)(struct trap_frame *frame);

void trap_set_user_handler(void (*handler)(struct trap_frame *frame))
{
	user_handler = handler;
}

static void idt_fill(void)
{
	static const uint8_t ist_of[TRAP_NR] = { [TRAP_DF] = 1, [TRAP_NMI] = 2, [TRAP_MC] = 3, [TRAP_DB] = 4 };

	for (unsigned v = 0; v < 256; v++) {
		/* The stubs are 16 bytes apart. */
		uint64_t at = (uintptr_t)trap_stubs + v * 16ul;

		idt[v] = (struct gate){ .offset_low = (uint16_t)at,
					.selector = SEL_KERNEL_CODE,
					.ist = v < TRAP_NR ? ist_of[v] : 0,
					.type = 0x8e,
					.offset_mid = (uint16_t)(at >> 16),
					.offset_high = (uint32_t)(at >> 32) };
	}
}

static void gdt_load(void)
{
	uint64_t base = (uintptr_t)&tss, limit = sizeof(tss) - 1;
	struct table_register gdtr = { sizeof(gdt) - 1, (uintptr_t)gdt };

	gdt[SEL_KERNEL_CODE / 8] = 0x00af9b000000ffff;
	gdt[SEL_KERNEL_DATA / 8] = 0x00cf93000000ffff;
	gdt[SEL_USER_BASE / 8] = 0;
	gdt[SEL_USER_DATA / 8] = 0x00cff3000000ffff;
	gdt[SEL_USER_CODE / 8] = 0x00affb000000ffff;
	/* A 64-bit TSS descriptor is two entries [SDM 3A 7.2.3]. */
	gdt[SEL_TSS / 8] = limit | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
	gdt[SEL_TSS / 8 + 1] = base >> 32;
	__asm__ volatile("lgdt %0\n\t"
			 "push %1\n\t"
			 "lea 1f(%%rip), %%rax\n\t"
			 "push %%rax\n\t"
			 "lretq\n"
			 "1:\tmov %2, %%ss\n\t"
			 "mov %3, %%ds\n\tmov %3, %%es\n\tmov %3, %%fs\n\tmov %3, %%gs\n\t"
			 "lldt %w3\n\t" /* at reset there is one at address 0, 64 KiB long [SDM 3A 9.1.1] */
			 "ltr %4" ::"m"(gdtr),
			 "i"(SEL_KERNEL_CODE), "r"(SEL_KERNEL_DATA), "r"(0), "r"((uint16_t)SEL_TSS)
			 : "rax", "memory");
}

void trap_core_init(const void *syscall_entry)
{
	struct table_register idtr = { sizeof(idt) - 1, (uintptr_t)idt };

	if (core_id() == 0)
		idt_fill();
	for (unsigned n = 1; n <= 4; n++)
		tss.ist[n - 1] = MEM_IST_TOP(n);
	tss.rsp[0] = MEM_IST_TOP(5);
	tss.iomap_base = sizeof(tss); /* no I/O bitmap: every IN and OUT of ring 3 faults */
	gdt_load();
	__asm__ volatile("lidt %0" ::"m"(idtr));
	msr_write(IA32_STAR, (uint64_t)SEL_KERNEL_CODE << 32 | (uint64_t)SEL_USER_BASE << 48);
	msr_write(IA32_LSTAR, (uintptr_t)syscall_entry);
	msr_write(IA32_CSTAR, 0);
	msr_write(IA32_FMASK, RFLAGS_TF | RFLAGS_IF | RFLAGS_DF | RFLAGS_IOPL | RFLAGS_NT | RFLAGS_AC | 0xcd5);
	msr_write(IA32_EFER, msr_read(IA32_EFER) | IA32_EFER_SCE);
	msr_write(IA32_SYSENTER_CS, 0); /* SYSENTER faults [SDM 2B SYSENTER] */
	msr_write(IA32_FS_BASE, 0);
	msr_write(IA32_GS_BASE, 0);
	msr_write(IA32_KERNEL_GS_BASE, 0);
}

const char *trap_name(uint64_t vector)
{
	static const char *const names[TRAP_NR] = {
		"divide error",
		"debug exception",
		"NMI",
		"breakpoint",
		"overflow",
		"bound range exceeded",
		"invalid opcode",
		"device not available",
		"double fault",
		"coprocessor overrun",
		"invalid TSS",
		"segment not present",
		"stack fault",
		"general protection",
		"page fault",
		"vector 15",
		"x87 error",
		"alignment check",
		"machine check",
		"SIMD exception",
		"virtualization exception",
		"control protection",
	};

	if (vector == CPU_VECTOR_TIMER)
		return "timer interrupt";
	return vector < TRAP_NR && names[vector] ? names[vector] : "unexpected vector";
}

static PERCORE bool rung;

bool cpu_take_rung(void)
{
	bool was = rung;

	rung = false;
	return was;
}

void trap_dispatch(struct trap_frame *f)
{
	bool from_user = f->cs & 3;

	if (f->vector == CPU_VECTOR_SCI)
		ioapic_hold(); /* a level that nobody has looked at yet: it would come again at once, and for ever in ring 3 */
	if (f->vector >= TRAP_NR && f->vector != CPU_VECTOR_SPURIOUS)
		apic_eoi();
	if (f->vector == CPU_VECTOR_TIMER)
		apic_timer_fired();
	rung |= f->vector == CPU_VECTOR_UART || f->vector == CPU_VECTOR_SCI;
	if (f->vector == TRAP_NMI || f->vector == TRAP_MC || f->vector == TRAP_DF) {
		/* Nothing that the application did: the machine or the host wants the guest to stop. */
		trap_report(f, "kernel panic");
		power_exit(IX_EXIT_PANIC);
	}
	if (from_user) {
		/* A NIC interrupt that was armed before ring 3 was entered means nothing here: the loop polls. */
		if (f->vector < TRAP_NR || f->vector == CPU_VECTOR_TIMER || f->vector == CPU_VECTOR_WAKE)
			user_handler(f);
		return;
	}
	if (f->vector >= TRAP_NR)
		return; /* it ended HLT */
	if (f->vector == TRAP_DB) {
		/* MOV SS followed by SYSCALL under a single step [SDM 3A 6.8.3]: ring 3's doing, no harm done. */
		f->rflags &= ~RFLAGS_TF;
		return;
	}
	trap_report(f, "kernel panic");
	power_exit(IX_EXIT_PANIC);
}
