/* SPDX-License-Identifier: MIT */
/* What main.c does once at start: features, clock, interrupt controller, other cores, entropy, console, power. */
#pragma once
#include "kernel/base/types.h"

/** uart_write() - the console sink: COM1, 16 bytes a FIFO fill; serialised between cores. */
void uart_init(void);
void uart_write(const char *text, size_t bytes);

/** cpu_features_init() - turn on what protects and what ring 3 may use, on the calling core; warns of CPU flaws once. */
void cpu_features_init(void);
bool cpu_has_fsgsbase(void);
bool cpu_is_kvm(void);

/** cpu_clock_init() - TSC frequency from CPUID, the hypervisor, or measured against the ACPI PM timer at @pm_timer_port. */
void cpu_clock_init(uint16_t pm_timer_port);
/** cpu_realtime_ns() - wall clock from the RTC, ns since 1970 (to the second). */
uint64_t cpu_realtime_ns(void);

/** apic_core_init() - the calling core's local APIC: x2APIC if there is one, spurious vector, timer. */
void apic_core_init(void);
/** apic_timer_calibrate() - ticks of the APIC timer a TSC tick; boot core, after cpu_clock_init(). */
void apic_timer_calibrate(void);
void apic_eoi(void);
uint32_t apic_id(void);
/** apic_timer_arm() - CPU_VECTOR_TIMER at TSC @deadline, or before if it is to come before already. apic_timer_stop(). */
void apic_timer_arm(tsc_t deadline);
void apic_timer_stop(void);
/** apic_timer_is_armed() - whether CPU_VECTOR_TIMER is still to come on this core; apic_timer_fired(): it came. */
bool apic_timer_is_armed(void);
void apic_timer_fired(void);
/**
 * ioapic_init() - the I/O APIC at @pa, whose first input is global interrupt @first_gsi; all inputs masked
 * ioapic_route() - input @gsi raises @vector on the core with @apic_id; @signal: how it is signalled, at each rising edge
 * if not said. KERR_NOT_FOUND: no such input. One input can be a level.
 */
enum ioapic_signal { IOAPIC_LOW = 1, IOAPIC_LEVEL = 2 };
int ioapic_init(pa_t pa, uint32_t first_gsi);
int ioapic_route(uint32_t gsi, uint8_t vector, uint32_t apic_id, unsigned signal);
/**
 * ioapic_hold() - on the core that the level interrupts, before it says that it has: it does not come again until
 * ioapic_release(), when somebody has looked, at once if it is still there
 */
void ioapic_hold(void);
bool ioapic_is_held(void);
void ioapic_release(void);
void apic_send(uint32_t apic_id, uint32_t icr_low);
/** apic_stop_others() - every other core stops for good; nothing before apic_core_init(). */
void apic_stop_others(void);

/**
 * smp_begin() - INIT and SIPI to the core with @id, which becomes core @core; boot_ap_prepare() was called before
 * smp_repeat(): another SIPI, which a core that runs ignores. smp_is_started(): it has called smp_started().
 * smp_stop(): INIT; it does nothing until the next SIPI. One core at a time.
 */
void smp_begin(uint32_t core, uint32_t id, uint8_t start_page);
void smp_repeat(uint32_t core, uint8_t start_page);
bool smp_is_started(uint32_t core);
void smp_stop(uint32_t core);
/** smp_start() - all of that, waiting until it runs. Return: 0 or KERR_TIMEOUT. */
int smp_start(uint32_t core, uint32_t id, uint8_t start_page);
/** smp_started() - said by the new core: it has its window and its interrupt controller. */
void smp_started(void);

/** smp_set_boot_core() - the calling core is core 0 of at most @limit. smp_set_cores() - what cpu_running() and so on say. */
void smp_set_boot_core(uint32_t limit);
void smp_set_cores(uint64_t running, uint64_t serving, uint64_t open);

/** cpu_entropy_init() - 0, or KERR_NOT_FOUND: neither RDSEED/RDRAND nor fw_cfg opt/ix/seed. */
int cpu_entropy_init(void);

/** fwcfg_read() - file @name of QEMU's fw_cfg. Return: bytes copied to @out, at most @max; KERR_NOT_FOUND. */
int fwcfg_read(const char *name, void *out, size_t max);

struct fwcfg_entry {
	char name[56]; /* NUL-terminated */
	uint32_t bytes;
	uint16_t select;
};
/** fwcfg_entry() - file @index of the directory. False: there is none. fwcfg_load(): all its bytes. */
bool fwcfg_entry(uint32_t index, struct fwcfg_entry *out);
void fwcfg_load(const struct fwcfg_entry *entry, void *out);

/** power_init() - where ACPI S5 is written. power_exit(): end the guest with enum ix_exit @how. */
void power_init(uint16_t pm1a_control_port, uint8_t s5_type);
NORETURN void power_exit(unsigned how);
/** power_on_exit() - @fn is called with enum ix_exit before the guest ends, on the core that ends it. */
void power_on_exit(void (*fn)(unsigned how));

/** power_pvpanic() - the byte of a pvpanic device on PCI, mapped; it is preferred to the ISA port. */
void power_pvpanic(volatile uint8_t *device);

/* Symbols for backtraces: sorted struct ix_symbol table of kernel/abi/image.h. */
void symbols_init(const void *table, size_t bytes, bool kernel);
/** symbols_name() - name and offset of @va, NULL if unknown. */
const char *symbols_name(uint64_t va, uint64_t *offset);
/** report_place() - a line that says where @va is. backtrace_print() - one for each call under way on the stack at @rsp. */
void report_place(const char *prefix, uint64_t va);
void backtrace_print(uint64_t rsp);
