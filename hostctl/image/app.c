/* SPDX-License-Identifier: MIT */
/*
 * What an application's ELF file must be for the kernel to load it, and its functions' names for the
 * kernel's backtraces.
 */
#include "hostctl/image/elf.h"
#include "kernel/abi/entry.h"
#include "kernel/abi/image.h"
#include <stdlib.h>
#include <string.h>

#define PAGE_BYTES 0x200000ull
#define PARTITION_BYTES_MAX (1ull << 40)
#define SEGMENTS_MAX 8u /* kernel/user/elf.h */
#define SYMBOLS_MAX 1000000u
#define RIGHTS (PF_R | PF_W | PF_X)

static int bad(struct err *err, const char *name, const Elf64_Phdr *p, const char *what)
{
	return err_set(err, STATUS_DATA, "%s: the segment at 0x%llx %s (link with lib/libc's link script)", name,
		       (unsigned long long)p->p_vaddr, what);
}

static int check_segment(const Elf64_Phdr *p, const char *name, struct err *err)
{
	if (p->p_vaddr < IX_PARTITION_VA || p->p_vaddr + p->p_memsz > IX_PARTITION_VA + PARTITION_BYTES_MAX)
		return bad(err, name, p, "lies outside the partition");
	if ((p->p_flags & (PF_W | PF_X)) == (PF_W | PF_X))
		return bad(err, name, p, "is writable and executable");
	if ((p->p_flags & PF_R) == 0)
		return bad(err, name, p, "is not readable");
	return 0;
}

static int check_pair(const Elf64_Phdr *p, const Elf64_Phdr *q, const char *name, struct err *err)
{
	if (p->p_vaddr < q->p_vaddr + q->p_memsz && q->p_vaddr < p->p_vaddr + p->p_memsz)
		return bad(err, name, q, "overlaps another");
	if ((p->p_flags & RIGHTS) != (q->p_flags & RIGHTS) &&
	    p->p_vaddr / PAGE_BYTES <= (q->p_vaddr + q->p_memsz - 1) / PAGE_BYTES &&
	    q->p_vaddr / PAGE_BYTES <= (p->p_vaddr + p->p_memsz - 1) / PAGE_BYTES)
		return bad(err, name, q, "shares a 2 MiB page with one of other rights");
	if (p < q && p->p_vaddr > q->p_vaddr)
		return bad(err, name, q, "does not stand in order of address");
	return 0;
}

int elf_check_app(const struct elf *e, const char *name, struct err *err)
{
	bool is_entry_code = false;
	unsigned count = 0;

	for (unsigned i = 0; i < e->count; i++) {
		const Elf64_Phdr *p = &e->segments[i];

		if (p->p_type != PT_LOAD || p->p_memsz == 0)
			continue;
		if (++count > SEGMENTS_MAX)
			return bad(err, name, p, "is the ninth, at most 8 are loaded");
		if (check_segment(p, name, err) != 0)
			return -1;
		is_entry_code |= (p->p_flags & PF_X) != 0 && e->head.e_entry >= p->p_vaddr &&
				 e->head.e_entry < p->p_vaddr + p->p_filesz;
		for (unsigned j = 0; j < e->count; j++)
			if (j != i && e->segments[j].p_type == PT_LOAD && e->segments[j].p_memsz != 0 &&
			    check_pair(p, &e->segments[j], name, err) != 0)
				return -1;
	}
	if (!is_entry_code)
		return err_set(err, STATUS_DATA, "%s: its entry 0x%llx is not in an executable segment", name,
			       (unsigned long long)e->head.e_entry);
	return 0;
}

struct symbols {
	struct ix_symbol *list;
	uint32_t count;
	struct blob text;
};

static int compare(const void *a, const void *b)
{
	const struct ix_symbol *x = a, *y = b;

	if (x->va != y->va)
		return x->va < y->va ? -1 : 1;
	return x->name < y->name ? -1 : x->name > y->name;
}

static bool read_section(const struct elf *e, uint64_t index, Elf64_Shdr *s)
{
	const Elf64_Ehdr *h = &e->head;

	if (index >= h->e_shnum || h->e_shentsize != sizeof(*s) || h->e_shoff > e->bytes ||
	    (index + 1) * sizeof(*s) > e->bytes - h->e_shoff)
		return false;
	memcpy(s, e->data + h->e_shoff + index * sizeof(*s), sizeof(*s));
	return s->sh_type == SHT_NOBITS || (s->sh_offset <= e->bytes && s->sh_size <= e->bytes - s->sh_offset);
}

static void take_symbol(const struct elf *e, const Elf64_Shdr *strings, const Elf64_Sym *sym, struct symbols *out)
{
	const char *name;
	size_t room;

	if (ELF64_ST_TYPE(sym->st_info) != STT_FUNC || sym->st_shndx == SHN_UNDEF || sym->st_name >= strings->sh_size ||
	    out->count == SYMBOLS_MAX)
		return;
	name = (const char *)e->data + strings->sh_offset + sym->st_name;
	room = strings->sh_size - sym->st_name;
	if (*name == '\0' || strnlen(name, room) == room)
		return;
	out->list[out->count++] = (struct ix_symbol){
		.va = sym->st_value,
		.bytes = sym->st_size < UINT32_MAX ? (uint32_t)sym->st_size : UINT32_MAX,
		.name = (uint32_t)blob_add(&out->text, name, strlen(name) + 1),
	};
}

static void take_table(const struct elf *e, const Elf64_Shdr *table, struct symbols *out)
{
	size_t count = table->sh_size / sizeof(Elf64_Sym);
	Elf64_Shdr strings;

	if (!read_section(e, table->sh_link, &strings) || strings.sh_type != SHT_STRTAB || count == 0)
		return;
	out->list = calloc(count, sizeof(*out->list));
	for (size_t i = 0; i < count && out->list != NULL; i++) {
		Elf64_Sym sym;

		memcpy(&sym, e->data + table->sh_offset + i * sizeof(sym), sizeof(sym));
		take_symbol(e, &strings, &sym, out);
	}
}

void elf_symbols(const struct elf *e, struct blob *out)
{
	struct symbols s = { 0 };
	uint32_t kept = 0;
	uint32_t head[2];

	for (unsigned i = 0; i < e->head.e_shnum && s.list == NULL; i++) {
		Elf64_Shdr table;

		if (read_section(e, i, &table) && table.sh_type == SHT_SYMTAB)
			take_table(e, &table, &s);
	}
	if (s.list != NULL)
		qsort(s.list, s.count, sizeof(*s.list), compare);
	for (uint32_t i = 0; s.list != NULL && i < s.count; i++) /* one name an address is enough */
		if (kept == 0 || s.list[kept - 1].va != s.list[i].va)
			s.list[kept++] = s.list[i];
	head[0] = kept;
	head[1] = (uint32_t)s.text.bytes;
	blob_add(out, head, sizeof(head));
	blob_add(out, s.list, kept * sizeof(*s.list));
	blob_add(out, s.text.data, s.text.bytes);
	free(s.list);
	blob_fini(&s.text);
}
