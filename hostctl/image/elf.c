/* SPDX-License-Identifier: MIT */
/*
 * Headers, segments and notes of an ELF file that may be anything. Structures are copied out, so that
 * no alignment is assumed. [System V ABI 4, 5]
 */
#include "hostctl/image/elf.h"
#include <string.h>

static int bad(struct err *err, const char *name, const char *what)
{
	return err_set(err, STATUS_DATA, "%s: expected a static ELF64 executable for x86-64, got %s", name, what);
}

static bool is_range_inside(uint64_t off, uint64_t bytes, size_t total)
{
	return off <= total && bytes <= total - off;
}

static const char *check_head(const struct elf *e)
{
	const Elf64_Ehdr *h = &e->head;

	if (e->bytes < sizeof(*h) || memcmp(h->e_ident, ELFMAG, SELFMAG) != 0)
		return "something that is no ELF file";
	if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB)
		return "one of 32 bits or big-endian";
	if (h->e_machine != EM_X86_64)
		return "one for another machine";
	if (h->e_type == ET_DYN)
		return "a position-independent or shared one (link with -static -no-pie)";
	if (h->e_type != ET_EXEC)
		return "an object file";
	if (h->e_phentsize != sizeof(Elf64_Phdr) || h->e_phnum == 0 || h->e_phnum > ELF_SEGMENTS_MAX ||
	    !is_range_inside(h->e_phoff, (uint64_t)h->e_phnum * sizeof(Elf64_Phdr), e->bytes))
		return "a damaged one (program headers)";
	return NULL;
}

static const char *check_segment(const struct elf *e, const Elf64_Phdr *p)
{
	if (p->p_type == PT_INTERP || p->p_type == PT_DYNAMIC)
		return "a dynamically linked one (link with -static -no-pie)";
	if (p->p_type != PT_LOAD && p->p_type != PT_NOTE)
		return NULL;
	if (!is_range_inside(p->p_offset, p->p_filesz, e->bytes))
		return "a damaged one (a segment goes beyond its end)";
	if (p->p_type == PT_LOAD &&
	    (p->p_filesz > p->p_memsz || p->p_vaddr + p->p_memsz < p->p_vaddr || p->p_paddr + p->p_memsz < p->p_paddr))
		return "a damaged one (a segment's size)";
	return NULL;
}

int elf_open(struct elf *e, const uint8_t *data, size_t bytes, const char *name, struct err *err)
{
	const char *wrong;

	memset(e, 0, sizeof(*e));
	e->data = data;
	e->bytes = bytes;
	if (bytes >= sizeof(e->head))
		memcpy(&e->head, data, sizeof(e->head));
	wrong = check_head(e);
	if (wrong != NULL)
		return bad(err, name, wrong);
	for (e->count = 0; e->count < e->head.e_phnum; e->count++) {
		Elf64_Phdr *p = &e->segments[e->count];

		memcpy(p, data + e->head.e_phoff + e->count * sizeof(*p), sizeof(*p));
		wrong = check_segment(e, p);
		if (wrong != NULL)
			return bad(err, name, wrong);
	}
	return 0;
}

/* Notes are 4-aligned; some tools say 8 in p_align and mean it. */
static size_t note_in(const struct elf *e, const Elf64_Phdr *p, const char *name, uint32_t type, size_t *bytes)
{
	size_t align = p->p_align == 8 ? 8 : 4;
	size_t at = p->p_offset;
	size_t end = at + p->p_filesz;

	while (end - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr n;
		size_t name_at = at + sizeof(n);
		size_t desc_at, next;

		memcpy(&n, e->data + at, sizeof(n));
		desc_at = name_at + (n.n_namesz + align - 1) / align * align;
		next = desc_at + ((size_t)n.n_descsz + align - 1) / align * align;
		if (desc_at > end || n.n_descsz > end - desc_at)
			return 0;
		if (n.n_type == type && n.n_namesz == strlen(name) + 1 &&
		    memcmp(e->data + name_at, name, n.n_namesz) == 0) {
			*bytes = n.n_descsz;
			return desc_at;
		}
		if (next > end)
			return 0;
		at = next;
	}
	return 0;
}

size_t elf_note(const struct elf *e, const char *name, uint32_t type, size_t *bytes)
{
	for (unsigned i = 0; i < e->count; i++) {
		size_t at;

		if (e->segments[i].p_type != PT_NOTE)
			continue;
		at = note_in(e, &e->segments[i], name, type, bytes);
		if (at != 0)
			return at;
	}
	return 0;
}

size_t elf_end(const struct elf *e)
{
	size_t end = e->head.e_phoff + (size_t)e->head.e_phnum * sizeof(Elf64_Phdr);

	for (unsigned i = 0; i < e->count; i++) {
		const Elf64_Phdr *p = &e->segments[i];

		if ((p->p_type == PT_LOAD || p->p_type == PT_NOTE) && p->p_offset + p->p_filesz > end)
			end = p->p_offset + p->p_filesz;
	}
	return end;
}

bool elf_load_span(const struct elf *e, bool is_physical, uint64_t *low, uint64_t *end)
{
	*low = UINT64_MAX;
	*end = 0;
	for (unsigned i = 0; i < e->count; i++) {
		const Elf64_Phdr *p = &e->segments[i];
		uint64_t at = is_physical ? p->p_paddr : p->p_vaddr;

		if (p->p_type != PT_LOAD || p->p_memsz == 0)
			continue;
		*low = at < *low ? at : *low;
		*end = at + p->p_memsz > *end ? at + p->p_memsz : *end;
	}
	return *end != 0;
}
