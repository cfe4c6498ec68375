/* SPDX-License-Identifier: MIT */
/*
 * QEMU TCG plugin: exact counts of guest instructions and of what would leave a virtual machine, split by the stages that
 * marker NOPs announce. Each translated instruction gets inline additions to a per-vCPU scoreboard, so that an exception in
 * the middle of a block is counted right.
 *   -plugin insn.so,socket=PATH[,mmio=1][,cache=1][,symbols=FILE]
 *     socket   where report.c serves      mmio   device registers too, by a callback on each memory access (3 times slower)
 *     cache    misses of cache.h's model  (the same way)
 *     symbols  instructions by function too (symbols.h)
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <qemu-plugin.h>

#include "bench/plugin/cache.h"
#include "bench/plugin/counter.h"
#include "bench/plugin/decode.h"
#include "bench/plugin/report.h"
#include "bench/plugin/stages.h"
#include "bench/plugin/symbols.h"

#define VCPUS_MAX 64u
#define MSR_TSC_DEADLINE 0x6e0u
#define MSR_X2APIC_EOI 0x80bu
#define MSR_X2APIC_ICR 0x830u
#define MSR_X2APIC_TIMER_COUNT 0x838u
#define APIC_EOI 0x0b0u
#define APIC_ICR 0x300u
#define APIC_TIMER_COUNT 0x380u

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

/* One a vCPU. */
struct cell {
	uint64_t counters[COUNTER_NR];
	struct stages stages;
};

static struct qemu_plugin_scoreboard *cells;
static struct qemu_plugin_scoreboard *functions;
static unsigned function_count; /* one more than symbols: instructions in none of them */
static bool is_mmio_counted, is_cache_modelled, is_profiled;
static struct cache *caches[VCPUS_MAX];
static struct qemu_plugin_register *rcx[VCPUS_MAX];

static const char *const counter_names[COUNTER_NR] = {
#define X(name) "counters:" #name,
	COUNTER_LIST(X)
#undef X
};

static struct cell *cell_of(unsigned vcpu)
{
	return qemu_plugin_scoreboard_find(cells, vcpu);
}

static qemu_plugin_u64 counter_entry(enum counter c)
{
	qemu_plugin_u64 entry = { cells, offsetof(struct cell, counters) + sizeof(uint64_t) * c };

	return entry;
}

static uint64_t instructions(const struct cell *c)
{
	return c->counters[COUNTER_insn_kernel] + c->counters[COUNTER_insn_user];
}

/* ---- callbacks while the guest runs ---- */

static void on_marker(unsigned vcpu, void *stage)
{
	struct cell *c = cell_of(vcpu);

	c->counters[COUNTER_turns] += (uintptr_t)stage == STAGE_FIRST;
	c->counters[COUNTER_turns_empty] += stages_mark(&c->stages, (unsigned)(uintptr_t)stage, instructions(c));
}

static void on_wrmsr(unsigned vcpu, void *unused)
{
	static __thread GByteArray *value;
	struct cell *c = cell_of(vcpu);
	uint32_t msr = 0;

	(void)unused;
	if (!value)
		value = g_byte_array_new();
	g_byte_array_set_size(value, 0);
	if (vcpu >= VCPUS_MAX || !rcx[vcpu] || qemu_plugin_read_register(rcx[vcpu], value) < (int)sizeof(msr))
		return;
	memcpy(&msr, value->data, sizeof(msr));
	switch (msr) {
	case MSR_X2APIC_EOI:
		c->counters[COUNTER_msr_eoi]++;
		break;
	case MSR_X2APIC_ICR:
		c->counters[COUNTER_msr_icr]++;
		break;
	case MSR_TSC_DEADLINE:
	case MSR_X2APIC_TIMER_COUNT:
		c->counters[COUNTER_msr_timer]++;
		break;
	}
}

static enum counter local_apic_counter(uint64_t offset)
{
	switch (offset & 0xfff) {
	case APIC_EOI:
		return COUNTER_mmio_eoi;
	case APIC_ICR:
		return COUNTER_mmio_icr;
	case APIC_TIMER_COUNT:
		return COUNTER_mmio_timer;
	}
	return COUNTER_mmio_lapic;
}

/* By the names that QEMU gives its memory regions. */
static enum counter mmio_counter(const char *region, uint64_t offset)
{
	if (!region)
		return COUNTER_mmio_other;
	if (strstr(region, "apic-msi"))
		return local_apic_counter(offset);
	if (strstr(region, "ioapic"))
		return COUNTER_mmio_ioapic;
	if (strstr(region, "hpet"))
		return COUNTER_mmio_hpet;
	if (strstr(region, "notify"))
		return COUNTER_mmio_notify;
	if (strstr(region, "virtio") || strstr(region, "pci") || strstr(region, "msix"))
		return COUNTER_mmio_pci;
	return COUNTER_mmio_other;
}

static void on_access(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t va, void *unused)
{
	struct qemu_plugin_hwaddr *h = qemu_plugin_get_hwaddr(info, va);
	enum counter c = COUNTER_mmio_read;

	(void)unused;
	if (!h || !qemu_plugin_hwaddr_is_io(h))
		return;
	if (qemu_plugin_mem_is_store(info))
		c = mmio_counter(qemu_plugin_hwaddr_device_name(h), qemu_plugin_hwaddr_phys_addr(h));
	cell_of(vcpu)->counters[c]++;
}

static void on_cached_access(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t va, void *unused)
{
	struct qemu_plugin_hwaddr *h = qemu_plugin_get_hwaddr(info, va);
	struct cell *c = cell_of(vcpu);

	(void)unused;
	if (!h || qemu_plugin_hwaddr_is_io(h) || vcpu >= VCPUS_MAX || !caches[vcpu])
		return;
	c->counters[COUNTER_cache_access]++;
	if (!cache_touch(caches[vcpu], qemu_plugin_hwaddr_phys_addr(h)))
		c->counters[COUNTER_cache_miss]++;
}

/* ---- translation ---- */

static void add_one(struct qemu_plugin_insn *insn, qemu_plugin_u64 entry)
{
	qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(insn, QEMU_PLUGIN_INLINE_ADD_U64, entry, 1);
}

static void add_bytes(struct qemu_plugin_insn *insn, enum qemu_plugin_mem_rw rw, enum counter c, unsigned bytes)
{
	if (bytes)
		qemu_plugin_register_vcpu_mem_inline_per_vcpu(insn, rw, QEMU_PLUGIN_INLINE_ADD_U64, counter_entry(c),
							      bytes);
}

static void instrument(struct qemu_plugin_insn *insn)
{
	uint64_t va = qemu_plugin_insn_vaddr(insn);
	uint8_t bytes[INSN_BYTES_MAX + 1] = { 0 };
	size_t len = qemu_plugin_insn_data(insn, bytes, INSN_BYTES_MAX);
	struct insn what;

	/* First of all, so that a marker's callback sees its own NOP counted. */
	add_one(insn, counter_entry((int64_t)va < 0 ? COUNTER_insn_kernel : COUNTER_insn_user));
	if (is_profiled)
		add_one(insn, (qemu_plugin_u64){ functions, sizeof(uint64_t) * symbols_find(va) });
	decode_insn(bytes, len, &what);
	for (unsigned i = 0; i < what.counter_count; i++)
		add_one(insn, counter_entry(what.counters[i]));
	add_bytes(insn, QEMU_PLUGIN_MEM_R, COUNTER_rep_bytes_loaded, what.loads_bytes);
	add_bytes(insn, QEMU_PLUGIN_MEM_W, COUNTER_rep_bytes_stored, what.stores_bytes);
	if (what.is_wrmsr)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_wrmsr, QEMU_PLUGIN_CB_R_REGS, NULL);
	if (what.stage >= 0)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_marker, QEMU_PLUGIN_CB_NO_REGS,
						       (void *)(uintptr_t)what.stage);
	if (is_mmio_counted)
		qemu_plugin_register_vcpu_mem_cb(insn, on_access, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, NULL);
	if (is_cache_modelled)
		qemu_plugin_register_vcpu_mem_cb(insn, on_cached_access, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW,
						 NULL);
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t count = qemu_plugin_tb_n_insns(tb);

	(void)id;
	for (size_t i = 0; i < count; i++)
		instrument(qemu_plugin_tb_get_insn(tb, i));
}

static void on_vcpu(qemu_plugin_id_t id, unsigned vcpu)
{
	GArray *all = qemu_plugin_get_registers();

	(void)id;
	for (unsigned i = 0; all && vcpu < VCPUS_MAX && i < all->len; i++) {
		const qemu_plugin_reg_descriptor *r = &((const qemu_plugin_reg_descriptor *)(void *)all->data)[i];

		if (!strcmp(r->name, "rcx"))
			rcx[vcpu] = r->handle;
	}
	if (all)
		g_array_free(all, 1);
	if (is_cache_modelled && vcpu < VCPUS_MAX)
		caches[vcpu] = cache_new();
}

/* ---- report: counters, then stages, then functions ---- */

static const char *value_name(unsigned index)
{
	static char name[420];

	if (index < COUNTER_NR)
		return counter_names[index];
	index -= COUNTER_NR;
	if (index < STAGES)
		snprintf(name, sizeof(name), "stages:%u", index);
	else
		snprintf(name, sizeof(name), "functions:%s", symbols_name(index - STAGES));
	return name;
}

static uint64_t read_stage(unsigned stage)
{
	uint64_t sum = 0;

	for (int v = 0; v < qemu_plugin_num_vcpus(); v++) {
		const struct cell *c = cell_of((unsigned)v);

		sum += stages_read(&c->stages, stage, instructions(c));
	}
	return sum;
}

static uint64_t value_read(unsigned index)
{
	if (index < COUNTER_NR)
		return qemu_plugin_u64_sum(counter_entry((enum counter)index));
	index -= COUNTER_NR;
	if (index < STAGES)
		return read_stage(index);
	return qemu_plugin_u64_sum((qemu_plugin_u64){ functions, sizeof(uint64_t) * (index - STAGES) });
}

/* ---- start ---- */

static int load_symbols(const char *path)
{
	int n = symbols_load(path);

	if (n < 0) {
		perror(path);
		return -1;
	}
	is_profiled = true;
	function_count = (unsigned)n + 1;
	functions = qemu_plugin_scoreboard_new(sizeof(uint64_t) * function_count);
	return 0;
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	static struct report_source source = { .name = value_name, .read = value_read };
	const char *path = NULL;

	(void)info;
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "socket=", 7)) {
			path = strdup(argv[i] + 7);
		} else if (!strcmp(argv[i], "mmio=1") || !strcmp(argv[i], "mmio=0")) {
			is_mmio_counted = argv[i][5] == '1';
		} else if (!strcmp(argv[i], "cache=1") || !strcmp(argv[i], "cache=0")) {
			is_cache_modelled = argv[i][6] == '1';
		} else if (strncmp(argv[i], "symbols=", 8)) {
			fprintf(stderr,
				"insn.so: unknown argument '%s': socket=PATH[,mmio=1][,cache=1][,symbols=FILE]\n",
				argv[i]);
			return -1;
		} else if (load_symbols(argv[i] + 8)) {
			return -1;
		}
	}
	if (!path) {
		fprintf(stderr, "insn.so: socket=PATH is missing\n");
		return -1;
	}
	cells = qemu_plugin_scoreboard_new(sizeof(struct cell));
	source.value_count = COUNTER_NR + STAGES + function_count;
	qemu_plugin_register_vcpu_init_cb(id, on_vcpu);
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
	if (report_start(path, &source)) {
		perror(path);
		return -1;
	}
	return 0;
}
