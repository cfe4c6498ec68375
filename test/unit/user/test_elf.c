/* SPDX-License-Identifier: MIT */
/* The application's ELF file as an attacker would write it: each refusal by its reason, then random damage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <elf.h>
#include "kernel/abi/entry.h"
#include "kernel/base/err.h"
#include "kernel/user/elf.h"

#define FILE_BYTES 4096u
#define ROUNDS 200000u

struct file {
	Elf64_Ehdr head;
	Elf64_Phdr segment[3]; /* text, constants, data */
	uint8_t rest[FILE_BYTES - sizeof(Elf64_Ehdr) - 3 * sizeof(Elf64_Phdr)];
};

static struct file f; /* the one under test */

static void good(void)
{
	f = (struct file){ .head = { .e_ident = { 0x7f, 'E', 'L', 'F', 2, 1, 1 },
				     .e_type = ET_EXEC,
				     .e_machine = EM_X86_64,
				     .e_version = 1,
				     .e_entry = IX_PARTITION_VA + 0x200,
				     .e_phoff = sizeof(Elf64_Ehdr),
				     .e_phentsize = sizeof(Elf64_Phdr),
				     .e_phnum = 3 } };

	f.segment[0] = (Elf64_Phdr){ PT_LOAD, PF_R | PF_X, 0, IX_PARTITION_VA, 0, 0x400, 0x400, 0x1000 };
	f.segment[1] = (Elf64_Phdr){ PT_LOAD, PF_R, 0x400, IX_PARTITION_VA + HUGE_BYTES, 0, 0x100, 0x100, 0x1000 };
	f.segment[2] = (Elf64_Phdr){ PT_LOAD, PF_R | PF_W, 0x500,    IX_PARTITION_VA + 2 * HUGE_BYTES,
				     0,       0x80,        0x201000, 0x1000 };
}

/* A copy with exactly @bytes bytes, so that a read beyond it is seen. */
static int parse(size_t bytes, struct elf_program *p, const char **error)
{
	uint8_t *copy = malloc(bytes ? bytes : 1);
	int err;

	assert_non_null(copy);
	memcpy(copy, &f, bytes);
	err = elf_parse(copy, bytes, p, error);
	free(copy);
	return err;
}

static void refused(size_t bytes, const char *why)
{
	struct elf_program p;
	const char *error = NULL;

	assert_int_equal(parse(bytes, &p, &error), KERR_INVALID);
	assert_non_null(error);
	if (!strstr(error, why))
		fail_msg("refused with '%s', expected '%s'", error, why);
}

static void test_good(void **state)
{
	struct elf_program p;
	const char *error = "";

	(void)state;
	good();
	assert_int_equal(parse(sizeof(f), &p, &error), 0);
	assert_null(error);
	assert_int_equal(p.segment_count, 3);
	assert_int_equal(p.entry, IX_PARTITION_VA + 0x200);
	assert_int_equal(p.phdr_va, IX_PARTITION_VA + sizeof(Elf64_Ehdr));
	assert_int_equal(p.phdr_count, 3);
	assert_true(p.segments[0].exec && !p.segments[0].write);
	assert_true(!p.segments[1].exec && !p.segments[1].write);
	assert_true(!p.segments[2].exec && p.segments[2].write);
	assert_int_equal(p.segments[2].bytes, 0x201000);
	assert_int_equal(p.segments[2].file_bytes, 0x80);
	assert_int_equal(p.end_off, 4 * HUGE_BYTES); /* the last segment needs two pages */
}

static void test_header(void **state)
{
	(void)state;
	good();
	for (size_t n = 0; n < sizeof(Elf64_Ehdr); n++)
		refused(n, "shorter");
	refused(sizeof(Elf64_Ehdr), "program headers");
	refused(sizeof(Elf64_Ehdr) + 3 * sizeof(Elf64_Phdr) - 1, "program headers");
	good(), f.head.e_ident[0] = 0x7e;
	refused(sizeof(f), "not an ELF64");
	good(), f.head.e_ident[EI_CLASS] = ELFCLASS32;
	refused(sizeof(f), "not an ELF64");
	good(), f.head.e_ident[EI_DATA] = ELFDATA2MSB;
	refused(sizeof(f), "not an ELF64");
	good(), f.head.e_machine = EM_AARCH64;
	refused(sizeof(f), "not an ELF64");
	good(), f.head.e_type = ET_DYN;
	refused(sizeof(f), "static");
	good(), f.head.e_phentsize = 32;
	refused(sizeof(f), "program headers");
	good(), f.head.e_phoff = UINT64_MAX - 8;
	refused(sizeof(f), "program headers");
	good(), f.head.e_phnum = UINT16_MAX;
	refused(sizeof(f), "program headers");
	good(), f.head.e_phnum = 0;
	refused(sizeof(f), "entry point");
}

static void test_segments(void **state)
{
	(void)state;
	good();
	f.segment[1].p_type = PT_INTERP;
	refused(sizeof(f), "dynamically");
	good(), f.segment[0].p_flags |= PF_W;
	refused(sizeof(f), "writable and executable");
	good(), f.segment[2].p_filesz = f.segment[2].p_memsz + 1;
	refused(sizeof(f), "outside the file");
	good(), f.segment[1].p_offset = sizeof(f) - 0xff;
	refused(sizeof(f), "outside the file");
	good(), f.segment[1].p_offset = UINT64_MAX;
	refused(sizeof(f), "outside the file");
	good(), f.segment[0].p_vaddr = IX_PARTITION_VA - 1;
	refused(sizeof(f), "outside the partition");
	good(), f.segment[2].p_vaddr = 0xffff800000000000;
	refused(sizeof(f), "outside the partition");
	good(), f.segment[2].p_memsz = UINT64_MAX - IX_PARTITION_VA;
	refused(sizeof(f), "outside the partition");
	good(), f.segment[1].p_vaddr = IX_PARTITION_VA + 0x3ff;
	refused(sizeof(f), "overlap");
	good(), f.segment[2].p_vaddr = IX_PARTITION_VA;
	refused(sizeof(f), "overlap");
	good(), f.segment[1].p_vaddr = IX_PARTITION_VA + 0x1000;
	refused(sizeof(f), "share a 2 MiB page");
}

static void test_entry(void **state)
{
	static const uint64_t wrong[] = { 0,
					  IX_PARTITION_VA - 1,
					  IX_PARTITION_VA + 0x400,
					  IX_PARTITION_VA + HUGE_BYTES,
					  IX_PARTITION_VA + 2 * HUGE_BYTES,
					  0xffffffff80200000,
					  0x0000800000000000,
					  UINT64_MAX };

	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(wrong); i++) {
		good();
		f.head.e_entry = wrong[i];
		refused(sizeof(f), "entry point");
	}
}

static void test_many_segments(void **state)
{
	Elf64_Phdr *p = (Elf64_Phdr *)(void *)(f.rest + 0x800);
	struct elf_program out;
	const char *error;

	(void)state;
	good();
	f.head.e_phoff = offsetof(struct file, rest) + 0x800;
	p[0] = f.segment[0];
	for (unsigned i = 1; i < ELF_SEGMENTS_MAX + 1; i++) {
		p[i] = f.segment[1];
		p[i].p_vaddr = IX_PARTITION_VA + i * HUGE_BYTES;
	}
	f.head.e_phnum = ELF_SEGMENTS_MAX;
	assert_int_equal(parse(sizeof(f), &out, &error), 0);
	assert_int_equal(out.phdr_va, 0); /* no segment holds the headers */
	f.head.e_phnum++;
	refused(sizeof(f), "more than 8");
}

/* What must hold of every file that was accepted: the loader copies and maps without looking again. */
static void check_promises(const struct elf_program *p, size_t bytes)
{
	uint64_t end = 0;
	bool has_entry = false;

	assert_in_range(p->segment_count, 1, ELF_SEGMENTS_MAX);
	for (unsigned i = 0; i < p->segment_count; i++) {
		const struct elf_segment *s = &p->segments[i];
		uint64_t entry = p->entry - IX_PARTITION_VA;

		assert_false(s->write && s->exec);
		assert_true(s->off >= end && s->bytes >= 1 && s->bytes <= 1ull << 40);
		assert_true(s->file_bytes <= s->bytes && s->file_off <= bytes && s->file_bytes <= bytes - s->file_off);
		if (i && (s->write != s[-1].write || s->exec != s[-1].exec))
			assert_true(s->off / HUGE_BYTES > (end - 1) / HUGE_BYTES);
		has_entry = has_entry || (s->exec && entry >= s->off && entry - s->off < s->file_bytes);
		end = s->off + s->bytes;
	}
	assert_true(has_entry);
	assert_true(p->end_off >= end && p->end_off - end < HUGE_BYTES && p->end_off % HUGE_BYTES == 0);
	if (p->phdr_va)
		assert_true(p->phdr_va - IX_PARTITION_VA + p->phdr_count * 56ull <= end);
}

static void test_damaged(void **state)
{
	static const uint64_t nasty[] = { 0,          1,          0x7f,       UINT16_MAX, UINT32_MAX,  IX_PARTITION_VA,
					  HUGE_BYTES, UINT64_MAX, 1ull << 63, 1ull << 40, 0x4ull << 32 };
	unsigned accepted = 0;

	(void)state;
	srand(2);
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct elf_program p;
		const char *error;
		size_t bytes = rand() % 8 ? sizeof(f) : (size_t)rand() % sizeof(f);

		good();
		for (int n = rand() % 4; n >= 0; n--) {
			size_t at = (size_t)rand() % offsetof(struct file, rest);
			uint64_t v = nasty[(size_t)rand() % ARRAY_COUNT(nasty)];

			if (rand() % 2)
				((uint8_t *)&f)[at] = (uint8_t)rand();
			else
				memcpy((uint8_t *)&f + at / 8 * 8, &v, sizeof(v));
		}
		if (parse(bytes, &p, &error) == 0) {
			accepted++;
			check_promises(&p, bytes);
		} else {
			assert_non_null(error);
		}
	}
	assert_in_range(accepted, ROUNDS / 100, ROUNDS - 1); /* both ways were taken */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),  cmocka_unit_test(test_header),  cmocka_unit_test(test_segments),
		cmocka_unit_test(test_entry), cmocka_unit_test(test_damaged), cmocka_unit_test(test_many_segments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
