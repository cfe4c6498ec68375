/* SPDX-License-Identifier: MIT */
/* A core file of ring 3: read back as gdb reads it, holes where nothing was, given up when the memory is gone. */
#include "hostctl/ixd/core_file.h"
#include "hostctl/domain/domain.h"
#include "kernel/abi/exit.h"
#include <elf.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define PAGE 4096u
#define MEMORY_BYTES (8u << 20)
#define MIB (1ull << 20)
#define GIB (1ull << 30)

static struct {
	int memory, core;
	struct ix_page_crash crash;
	struct core_source source;
	unsigned asked, asked_max;
} w;

static bool go_on(void *arg)
{
	(void)arg;
	return ++w.asked <= w.asked_max;
}

static int setup(void **state)
{
	static uint8_t page[PAGE];

	(void)state;
	memset(&w, 0, sizeof(w));
	w.memory = memfd_create("memory", MFD_CLOEXEC);
	w.core = memfd_create("core", MFD_CLOEXEC);
	assert_int_equal(ftruncate(w.memory, MEMORY_BYTES), 0);
	memset(page, 0xa5, sizeof(page));
	assert_int_equal(pwrite(w.memory, page, PAGE, 2 * MIB + 3 * PAGE), PAGE);
	assert_int_equal(pwrite(w.memory, "stack", 5, 6 * MIB + PAGE - 5), 5);
	w.crash = (struct ix_page_crash){ .count = 1, .core = 2, .how = IX_EXIT_FAULT, .vector = 14, .range_count = 2 };
	w.crash.registers.rip = 0x400123;
	w.crash.registers.fs_base = 0x1234567890;
	w.crash.range[0] = (struct ix_page_range){ 0x400000, 0x1200000, 3 * MIB, PF_R | PF_X, 0 };
	w.crash.range[1] = (struct ix_page_range){ 0x700000000000, 0x1600000, PAGE, PF_R | PF_W, 0 };
	w.source = (struct core_source){
		.name = "a-program-with-a-long-name", .crash = &w.crash, .memory = w.memory, .go_on = go_on
	};
	w.source.at[0] = 2 * MIB;
	w.source.at[1] = 6 * MIB;
	w.asked_max = 100;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(w.memory);
	close(w.core);
	return 0;
}

static void get(void *out, size_t bytes, uint64_t at)
{
	assert_int_equal(pread(w.core, out, bytes, (off_t)at), bytes);
}

static void test_segments(void **state)
{
	static uint8_t page[PAGE];
	struct err err = { 0 };
	Elf64_Ehdr head;
	Elf64_Phdr p[3];
	struct stat st;

	(void)state;
	assert_int_equal(core_file_write(w.core, &w.source, &err), 0);
	get(&head, sizeof(head), 0);
	assert_memory_equal(head.e_ident, ELFMAG, SELFMAG);
	assert_int_equal(head.e_type, ET_CORE);
	assert_int_equal(head.e_phnum, 3);
	get(p, sizeof(p), head.e_phoff);
	assert_int_equal(p[0].p_type, PT_NOTE);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(p[1 + i].p_type, PT_LOAD);
		assert_int_equal(p[1 + i].p_vaddr, w.crash.range[i].va);
		assert_int_equal(p[1 + i].p_filesz, w.crash.range[i].bytes);
		assert_int_equal(p[1 + i].p_flags, w.crash.range[i].flags);
		assert_int_equal(p[1 + i].p_offset % PAGE, 0);
	}
	get(page, PAGE, p[1].p_offset + 3 * PAGE);
	for (unsigned i = 0; i < PAGE; i++)
		assert_int_equal(page[i], 0xa5);
	get(page, PAGE, p[1].p_offset + 4 * PAGE);
	for (unsigned i = 0; i < PAGE; i++)
		assert_int_equal(page[i], 0);
	get(page, 5, p[2].p_offset + PAGE - 5);
	assert_memory_equal(page, "stack", 5);
	assert_int_equal(fstat(w.core, &st), 0);
	assert_int_equal(st.st_size, p[2].p_offset + PAGE);
	assert_true(st.st_blocks * 512 <= 4 * (long)PAGE); /* the head, two pages that hold something */
}

/* The note of @type; its descriptor is at *@at of the core. */
static size_t find_note(uint32_t type, uint64_t *at)
{
	Elf64_Phdr p;
	Elf64_Nhdr n;

	get(&p, sizeof(p), sizeof(Elf64_Ehdr));
	for (uint64_t i = p.p_offset; i < p.p_offset + p.p_filesz;) {
		get(&n, sizeof(n), i);
		*at = i + sizeof(n) + 8;
		if (n.n_type == type)
			return n.n_descsz;
		i = *at + (n.n_descsz + 3) / 4 * 4;
	}
	fail_msg("no note of type %u", type);
	return 0;
}

static void test_notes(void **state)
{
	struct elf_prstatus status;
	struct elf_prpsinfo info;
	struct ix_page_registers registers;
	struct err err = { 0 };
	uint64_t at;

	(void)state;
	assert_int_equal(core_file_write(w.core, &w.source, &err), 0);
	assert_int_equal(find_note(NT_PRSTATUS, &at), sizeof(status));
	get(&status, sizeof(status), at);
	assert_int_equal(status.pr_cursig, SIGSEGV);
	assert_int_equal(status.pr_pid, 3);
	memcpy(&registers, &status.pr_reg, sizeof(registers));
	assert_int_equal(registers.rip, 0x400123);
	assert_int_equal(registers.fs_base, 0x1234567890);
	assert_int_equal(find_note(NT_PRPSINFO, &at), sizeof(info));
	get(&info, sizeof(info), at);
	assert_string_equal(info.pr_fname, "a-program-with-");
}

static void test_signals(void **state)
{
	static const struct {
		uint32_t how, vector;
		int signal;
	} rows[] = {
		{ IX_EXIT_FAULT, 0, SIGFPE },      { IX_EXIT_FAULT, 6, SIGILL },  { IX_EXIT_FAULT, 13, SIGSEGV },
		{ IX_EXIT_FAULT, 255, SIGSEGV },   { IX_EXIT_FAULT, 17, SIGBUS }, { IX_EXIT_FAULT, 3, SIGTRAP },
		{ IX_EXIT_WATCHDOG, 14, SIGXCPU },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		w.crash.how = rows[i].how;
		w.crash.vector = rows[i].vector;
		assert_int_equal(core_file_signal(&w.crash), rows[i].signal);
	}
}

static void test_gives_up(void **state)
{
	struct err err = { 0 };

	(void)state;
	w.asked_max = 2; /* of four: three of the first range, one of the second */
	assert_int_equal(core_file_write(w.core, &w.source, &err), -1);
	assert_int_equal(w.asked, 3);
	assert_non_null(strstr(err.text, "loaded again"));
	err_fini(&err);
	w.asked_max = 100;
	w.source.at[1] = MEMORY_BYTES; /* nothing there */
	assert_int_equal(core_file_write(w.core, &w.source, &err), -1);
	assert_non_null(strstr(err.text, "cannot be read"));
	err_fini(&err);
}

static void test_where_memory_is(void **state)
{
	(void)state;
	assert_int_equal(domain_memory_at(128 * MIB, 0, 128 * MIB), 0);
	assert_int_equal(domain_memory_at(128 * MIB, 127 * MIB, MIB), 127 * MIB);
	assert_int_equal(domain_memory_at(128 * MIB, 127 * MIB, 2 * MIB), -1);
	assert_int_equal(domain_memory_at(128 * MIB, UINT64_MAX - MIB + 1, MIB), -1);
	assert_int_equal(domain_memory_at(128 * MIB, 4 * GIB, MIB), -1);
	assert_int_equal(domain_memory_end(128 * MIB), 128 * MIB);
	/* From 2.75 GiB on half of the address space below 4 GiB is devices'. */
	assert_int_equal(domain_memory_end(3 * GIB), 5 * GIB);
	assert_int_equal(domain_memory_at(3 * GIB, GIB, GIB), GIB);
	assert_int_equal(domain_memory_at(3 * GIB, GIB, GIB + PAGE), -1);
	assert_int_equal(domain_memory_at(3 * GIB, 2 * GIB, PAGE), -1);
	assert_int_equal(domain_memory_at(3 * GIB, 4 * GIB, GIB), 2 * GIB);
	assert_int_equal(domain_memory_at(3 * GIB, 4 * GIB + MIB, GIB), -1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_segments, setup, teardown),
		cmocka_unit_test_setup_teardown(test_notes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_signals, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gives_up, setup, teardown),
		cmocka_unit_test(test_where_memory_is),
	};

	return cmocka_run_group_tests_name("hostctl.core_file", tests, NULL, NULL);
}
