/* SPDX-License-Identifier: MIT */
/* The application's ELF64 file, checked once [System V gABI ch. 4, 5]. Private to kernel/user. */
#pragma once
#include "kernel/base/types.h"

#define ELF_SEGMENTS_MAX 8u

struct elf_segment {
	uint64_t off;   /* from IX_PARTITION_VA */
	uint64_t bytes; /* in memory */
	uint64_t file_off;
	uint64_t file_bytes; /* <= bytes */
	bool write, exec;
};

struct elf_program {
	uint64_t entry;   /* va, inside an executable segment */
	uint64_t phdr_va; /* where ring 3 finds its program headers, 0: not loaded */
	uint16_t phdr_count;
	uint32_t segment_count; /* sorted by off, disjoint; no two with other rights in one 2 MiB page */
	struct elf_segment segments[ELF_SEGMENTS_MAX];
	uint64_t end_off; /* first free byte after the last segment, 2 MiB aligned */
};

/**
 * elf_parse() - check @file and describe it
 * Return: 0, or KERR_INVALID with @error saying what is wrong with it.
 */
int elf_parse(const void *file, size_t bytes, struct elf_program *out, const char **error);
