/* SPDX-License-Identifier: MIT */
/* An ELF64 file in memory, every offset in it checked before it is used. */
#pragma once
#include "hostctl/base/blob.h"
#include <elf.h>
#include <stdbool.h>

#define ELF_SEGMENTS_MAX 64u

struct elf {
	const uint8_t *data; /* the caller's */
	size_t bytes;
	Elf64_Ehdr head;
	unsigned count;
	Elf64_Phdr segments[ELF_SEGMENTS_MAX]; /* file range inside data, filesz <= memsz for PT_LOAD */
};

/**
 * elf_open() - check that @data is a static ELF64 executable for x86-64
 * @name: for the message. Return: 0, or -1 with @err (STATUS_DATA).
 */
int elf_open(struct elf *e, const uint8_t *data, size_t bytes, const char *name, struct err *err);

/**
 * elf_note() - the descriptor of a note in a PT_NOTE segment
 * Return: its offset in the file and *@bytes, or 0 if there is no such note.
 */
size_t elf_note(const struct elf *e, const char *name, uint32_t type, size_t *bytes);

/** elf_end() - first byte of the file that neither header nor segment needs. */
size_t elf_end(const struct elf *e);

/** elf_load_span() - lowest and end address of the PT_LOADs, physical or virtual. False: none. */
bool elf_load_span(const struct elf *e, bool is_physical, uint64_t *low, uint64_t *end);

/**
 * elf_symbols() - append the functions of the symbol table as part IX_PART_SYMBOLS
 * A file without a symbol table gives a part without symbols.
 */
void elf_symbols(const struct elf *e, struct blob *out);

/**
 * elf_check_app() - whether the kernel's loader will take it: inside the partition, no W+X,
 * different rights on different 2 MiB pages, an entry in code
 */
int elf_check_app(const struct elf *e, const char *name, struct err *err);
