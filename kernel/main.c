/* SPDX-License-Identifier: MIT */
/*
 * The order of initialisation, as two visible tables: what the boot core does once, and what every core
 * does for itself. A step that fails halts the guest with its name.
 */
#include "boot/boot.h"

#include "kernel/acpi/acpi.h"
#include "kernel/base/assert.h"
#include "kernel/base/fmt.h"
#include "kernel/base/log.h"
#include "kernel/buf/buf.h"
#include "kernel/conf/conf.h"
#include "kernel/cores/cores.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/start.h"
#include "kernel/ctl/ctl.h"
#include "kernel/cpu/trap.h"
#include "kernel/event/event.h"
#include "kernel/flow/flow.h"
#include "kernel/loop.h"
#include "kernel/mem/map.h"
#include "kernel/mem/mem.h"
#include "kernel/net/net.h"
#include "kernel/nic/nic.h"
#include "kernel/order/order.h"
#include "kernel/partition.h"
#include "kernel/parts.h"
#include "kernel/pci/pci.h"
#include "kernel/sys/sys.h"
#include "kernel/time/time.h"
#include "kernel/user/user.h"

#define SLAB_SHARE 2u /* of the memory left after buffers and partition, one half is for connections and segments */
#define BUSY_SHARE 4u /* beside idle connections there is to be room for segments, of a quarter of theirs at least */

#define STAGE_SHOWN_US 500u /* steps that took less are not worth a word */
#define STAGES_TEXT_BYTES 300u

struct step {
	const char *name;
	int (*run)(void);
};

extern const uint8_t user_syscall[];

static struct boot_info boot;
static struct acpi_info acpi;
static struct conf conf;
static tsc_t boot_entered; /* the TSC begins at 0 with the machine, so this is the firmware's share */

static void run_steps(const struct step *steps, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		int err = steps[i].run();

		if (err)
			panic("%s failed (%d)", steps[i].name, err);
	}
}

/* As run_steps(), and say where the time went: boot time is a feature. */
static void run_boot_steps(const struct step *steps, unsigned count)
{
	char stages[STAGES_TEXT_BYTES] = "";
	tsc_t taken[24];
	size_t at = 0;

	kassert(count <= ARRAY_COUNT(taken));
	for (unsigned i = 0; i < count; i++) {
		tsc_t from = cpu_tsc();

		run_steps(&steps[i], 1);
		taken[i] = cpu_tsc() - from;
	}
	for (unsigned i = 0; i < count && at < sizeof(stages); i++)
		if (cpu_tsc_to_us(taken[i]) >= STAGE_SHOWN_US)
			at += fmt_text(stages + at, sizeof(stages) - at, "%s%s %lu", at ? ", " : "", steps[i].name,
				       cpu_tsc_to_us(taken[i]));
	log_line("boot: %lu us before the kernel, %lu us in it (%s)", cpu_tsc_to_us(boot_entered),
		 cpu_tsc_to_us(cpu_tsc() - boot_entered), stages);
}

/* ---- what every core does for itself ---- */

static int step_traps(void)
{
	trap_core_init(user_syscall);
	cpu_features_init();
	return 0;
}

static int step_apic(void)
{
	apic_core_init();
	return 0;
}

static int step_wheel(void)
{
	time_core_init(time_now());
	return 0;
}

static int step_flow_core(void)
{
	flow_core_init();
	return 0;
}

static int step_arrays(void)
{
	event_core_init(map_core_page(core_id(), IX_EVENT_ARRAY_VA));
	sys_core_init(map_core_page(core_id(), IX_CALL_ARRAY_VA));
	user_core_init();
	return 0;
}

static int step_orders(void)
{
	order_core_init();
	return 0;
}

static int step_cores_core(void)
{
	cores_core_init();
	return 0;
}

static int step_ctl_core(void)
{
	ctl_core_init();
	return 0;
}

static const struct step core_early[] = {
	{ "traps and protection", step_traps },
	{ "interrupt controller", step_apic },
};

static const struct step core_late[] = {
	{ "timing wheel", step_wheel },
	{ "hand-over rings", step_flow_core },
	{ "TCP/IP instance", net_core_init },
	{ "ring-3 arrays", step_arrays },
	{ "orders", step_orders },
	{ "coming and going", step_cores_core },
	{ "its block of the control page", step_ctl_core },
};

/* ---- what the boot core does once ---- */

static const void *acpi_map(pa_t pa, size_t bytes)
{
	/* Tables lie in RAM or in the reserved ranges below 4 GiB, all of which the direct map may lack: map on demand. */
	if (pa + bytes < pa || pa + bytes > 1ull << 32)
		return NULL;
	if (mem_is_ram(pa, bytes) || pa + bytes <= 0x100000)
		return mem_va(pa);
	return (const void *)(uintptr_t)map_device(pa, bytes);
}

static int step_acpi(void)
{
	int err = acpi_read(boot.rsdp_pa, acpi_map, &acpi);

	if (err)
		log_line("acpi: no tables found; QEMU's q35 machine has them");
	power_init(acpi.pm1a_control_port, acpi.s5_type);
	return err;
}

static int step_clock(void)
{
	cpu_clock_init(acpi.pm_timer_port);
	apic_timer_calibrate();
	return 0;
}

static int step_events(void)
{
	/* Without an I/O APIC nothing but the network and the clock will wake us. */
	(void)ioapic_init(acpi.ioapic_pa, acpi.ioapic_gsi);
	acpi_events_init(&acpi);
	return 0;
}

static int step_conf(void)
{
	struct part manifest = parts_get(boot_image(), IX_PART_MANIFEST);
	struct part symbols = parts_peek(boot_image(), IX_PART_SYMBOLS);
	struct part kernel_symbols = parts_peek(boot_image(), IX_PART_KERNEL_SYMBOLS);
	char error[160] = "";

	if (!manifest.data)
		panic("the image has no manifest: build it with ixctl image build");
	if (conf_load(&conf, manifest.data, manifest.bytes, boot.cmdline, error))
		panic("configuration: %s", error);
	if (symbols.data)
		symbols_init(symbols.data, symbols.bytes, false);
	if (kernel_symbols.data)
		symbols_init(kernel_symbols.data, kernel_symbols.bytes, true);
	loop_init(&conf);
	partition_init(&conf);
	return 0;
}

static int step_entropy(void)
{
	int err = cpu_entropy_init();

	if (err)
		log_line("no entropy: the CPU has neither RDSEED nor RDRAND and the host passes no seed; "
			 "use -cpu host or max, or -fw_cfg name=opt/ix/seed,file=32-BYTES");
	return err;
}

/* Other cores get their number now, and everything below is sized for those that may come; they wait in main_core(). */
static uint32_t cores_open; /* set when shared state is ready and the other cores may go on */

static int step_cores(void)
{
	return cores_init(&acpi, &conf);
}

static int step_buffers(void)
{
	int err = buf_init(conf.rx_buffers);

	if (err)
		log_line("no memory for %u receive buffers: raise memory_mib or lower rx_buffers", conf.rx_buffers);
	return err;
}

static int step_application(void)
{
	struct part app = parts_get(boot_image(), IX_PART_APP), files = parts_get(boot_image(), IX_PART_FILES);
	int err;

	if (!app.data)
		panic("the image has no application: build it with ixctl image build");
	err = user_init(&conf, app.data, app.bytes);
	return err ? err : user_files_init(files.data, files.bytes);
}

static int step_pci(void)
{
	pci_init(acpi.ecam_pa, acpi.ecam_last_bus);
	ctl_find_panic(); /* early: most guests that panic do so over their configuration */
	return 0;
}

static int step_nic(void)
{
	return nic_start((uint16_t)cpu_core_limit());
}

static int step_flow(void)
{
	return flow_init(cpu_core_limit());
}

static int step_net(void)
{
	return net_init(&conf);
}

static int step_ctl(void)
{
	ctl_init(&conf, &acpi);
	return 0;
}

static int step_blocks(void)
{
	size_t bytes = ALIGN_DOWN(mem_boot_free_bytes() / SLAB_SHARE, HUGE_BYTES);
	size_t least = net_block_bytes(conf.connections) / BUSY_SHARE * (BUSY_SHARE + 1);
	int err = bytes >= MAX(least, (size_t)HUGE_BYTES) ? mem_slab_init(bytes) : -1;

	if (err)
		log_line("no memory for %u connections: %lu MiB of blocks are there, %lu are needed; raise memory_mib "
			 "by %lu "
			 "or lower connections",
			 conf.connections, bytes >> 20, (least >> 20) + 1,
			 ((least - bytes) / (1 << 20) + 1) * SLAB_SHARE);
	return err;
}

static const struct step boot_steps[] = {
	{ "ACPI", step_acpi },
	{ "PCI", step_pci },
	{ "clock", step_clock },
	{ "events of the machine", step_events },
	{ "configuration", step_conf },
	{ "entropy", step_entropy },
	{ "other cores", step_cores },
	{ "receive buffers", step_buffers },
	{ "application", step_application },
	{ "NIC", step_nic },
	{ "flow groups", step_flow },
	{ "TCP/IP tables", step_net },
	{ "blocks", step_blocks },
	{ "control page", step_ctl },
};

static void main_high(void)
{
	run_steps(core_early, ARRAY_COUNT(core_early));
	run_boot_steps(boot_steps, ARRAY_COUNT(boot_steps));
	run_steps(core_late, ARRAY_COUNT(core_late));
	store_release(&cores_open, 1);
	for (uint64_t left = cpu_running() & ~1ull; left; left &= left - 1)
		cpu_wake((uint32_t)__builtin_ctzll(left));
	loop_run();
}

void main_boot(pa_t start_info)
{
	const char *error;
	pa_t root;

	boot_entered = cpu_tsc();
	uart_init();
	log_init(uart_write);
	if (boot_info_read(start_info, &boot, &error))
		panic("%s", error);
	mem_init(&boot);
	parts_reserve(boot_image());
	root = map_core_new(0);
	if (!root)
		panic("no memory for the boot core: give the guest at least 64 MiB");
	boot_switch(root, MEM_STACK_TOP, main_high);
}

void main_core(void)
{
	run_steps(core_early, ARRAY_COUNT(core_early));
	cores_core_started();
	/* Asleep, not spinning: the boot core needs the host's time, and under emulation its locks too. */
	while (!load_acquire(&cores_open))
		cpu_halt_until(UINT64_MAX);
	if (cores_core_wait()) {
		user_unpark();
		ctl_core_again(cores_parked_at());
	} else {
		for (unsigned i = 0; i < ARRAY_COUNT(core_late); i++)
			if (core_late[i].run())
				cores_fail(core_late[i].name);
	}
	partition_come();
	cores_come();
	loop_run();
}
