/* SPDX-License-Identifier: MIT */
/*
 * QEMU TCG plugin: which cache lines of guest memory go from one vCPU to another. For each line it is known who wrote it last
 * and who has read it since, so that a write to another's line and the first read after another's write are counted, as a
 * coherent cache would have to fetch them. Lines are those of physical memory: per-core pages that share an address are told
 * apart. What devices write does not come by here.
 *   -plugin lines.so,socket=PATH
 * The vCPUs share these counts without a lock: exact where they share one host CPU, as in the bench, else nearly so.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <qemu-plugin.h>

#include "bench/plugin/report.h"

#define VCPUS_MAX 8u
#define LINE_SHIFT 6u
#define MEMORY_MAX (4ull << 30)
#define SHARED_MAX 65536u /* lines that can be remembered as shared */
#define SHOWN_MAX 100u

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

struct line {
	uint32_t epoch;            /* the window that the rest is of */
	uint8_t writer;            /* last one, plus 1; 0: nobody in this window */
	uint8_t readers;           /* since then, a bit each */
	uint32_t changes, fetches; /* writes to another's line; reads that another's write made necessary */
	uint32_t writes[VCPUS_MAX];
	uint64_t pc[VCPUS_MAX]; /* of the last write or fetch of each */
	uint64_t va;            /* of the last write */
};

enum { LINES_CHANGES, LINES_FETCHES, LINES_SHARED, LINES_DROPPED, LINES_NR };

static const char *const names[LINES_NR + VCPUS_MAX] = { "lines:changes", "lines:fetches", "lines:shared",
							 "lines:dropped", "stores:0",      "stores:1",
							 "stores:2",      "stores:3",      "stores:4",
							 "stores:5",      "stores:6",      "stores:7" };
static struct line *lines; /* by physical address, made by the kernel as they are touched */
static uint32_t epoch;
static uint64_t totals[LINES_NR + VCPUS_MAX]; /* as names[] */
static uint32_t shared[SHARED_MAX];           /* numbers of lines with changes or fetches */
static unsigned shared_count;

static void note_shared(struct line *l, unsigned which)
{
	if (l->changes + l->fetches == 0) {
		totals[LINES_SHARED]++;
		if (shared_count < SHARED_MAX)
			shared[shared_count++] = (uint32_t)(l - lines);
		else
			totals[LINES_DROPPED]++;
	}
	totals[which]++;
}

static void on_write(struct line *l, unsigned vcpu, uint64_t va, uint64_t pc)
{
	if (l->epoch != epoch)
		*l = (struct line){ .epoch = epoch };
	if (l->writer && l->writer != vcpu + 1) {
		note_shared(l, LINES_CHANGES);
		l->changes++;
	}
	l->writer = (uint8_t)(vcpu + 1);
	l->readers = (uint8_t)(1u << vcpu);
	l->writes[vcpu]++;
	l->pc[vcpu] = pc;
	l->va = va;
}

static void on_read(struct line *l, unsigned vcpu, uint64_t pc)
{
	if (l->epoch != epoch || l->readers & 1u << vcpu)
		return;
	note_shared(l, LINES_FETCHES);
	l->fetches++;
	l->readers |= (uint8_t)(1u << vcpu);
	l->pc[vcpu] = pc;
}

static void on_access(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t va, void *pc)
{
	const struct qemu_plugin_hwaddr *h = qemu_plugin_get_hwaddr(info, va);
	uint64_t pa, last;

	if (!h || qemu_plugin_hwaddr_is_io(h) || vcpu >= VCPUS_MAX)
		return;
	pa = qemu_plugin_hwaddr_phys_addr(h);
	last = pa + (1u << qemu_plugin_mem_size_shift(info)) - 1;
	if (last >= MEMORY_MAX)
		return;
	totals[LINES_NR + vcpu] += qemu_plugin_mem_is_store(info);
	for (uint64_t i = pa >> LINE_SHIFT; i <= last >> LINE_SHIFT; i++) {
		if (qemu_plugin_mem_is_store(info))
			on_write(&lines[i], vcpu, va, (uint64_t)(uintptr_t)pc);
		else
			on_read(&lines[i], vcpu, (uint64_t)(uintptr_t)pc);
	}
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t count = qemu_plugin_tb_n_insns(tb);

	(void)id;
	for (size_t i = 0; i < count; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

		qemu_plugin_register_vcpu_mem_cb(insn, on_access, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW,
						 (void *)(uintptr_t)qemu_plugin_insn_vaddr(insn));
	}
}

/* ---- report ---- */

static const char *value_name(unsigned index)
{
	return names[index];
}

static uint64_t value_read(unsigned index)
{
	return totals[index];
}

static void window_begin(void)
{
	shared_count = 0;
	epoch++;
}

static uint64_t moves(uint32_t number)
{
	return (uint64_t)lines[number].changes + lines[number].fetches;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = moves(*(const uint32_t *)a), y = moves(*(const uint32_t *)b);

	return x > y ? -1 : x < y;
}

static void print_line(FILE *out, uint32_t number)
{
	const struct line *l = &lines[number];
	const char *comma = "";

	fprintf(out, "{\"pa\":%" PRIu64 ",\"va\":%" PRIu64 ",\"changes\":%u,\"fetches\":%u,\"by\":[",
		(uint64_t)number << LINE_SHIFT, l->va, l->changes, l->fetches);
	for (unsigned v = 0; v < VCPUS_MAX; v++) {
		if (!l->pc[v])
			continue;
		fprintf(out, "%s{\"vcpu\":%u,\"writes\":%u,\"pc\":%" PRIu64 "}", comma, v, l->writes[v], l->pc[v]);
		comma = ",";
	}
	fputs("]}", out);
}

/* The lines that went to and fro most. */
static void print_shared(FILE *out)
{
	unsigned count = shared_count;

	qsort(shared, count, sizeof(*shared), compare);
	fputs(",\"moved\":[", out);
	for (unsigned i = 0; i < count && i < SHOWN_MAX; i++) {
		if (i)
			fputc(',', out);
		print_line(out, shared[i]);
	}
	fputc(']', out);
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	static const struct report_source source = {
		.value_count = LINES_NR + VCPUS_MAX,
		.name = value_name,
		.read = value_read,
		.begin = window_begin,
		.more = print_shared,
	};

	(void)info;
	if (argc != 1 || strncmp(argv[0], "socket=", 7)) {
		fprintf(stderr, "lines.so: expected socket=PATH\n");
		return -1;
	}
	lines = mmap(NULL, (MEMORY_MAX >> LINE_SHIFT) * sizeof(*lines), PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (lines == MAP_FAILED || report_start(strdup(argv[0] + 7), &source)) {
		perror("lines.so");
		return -1;
	}
	epoch = 1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
	return 0;
}
