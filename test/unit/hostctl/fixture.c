/* SPDX-License-Identifier: MIT */
/* The smallest ELF files that ixctl takes. */
#include "test/unit/hostctl/fixture.h"
#include "kernel/abi/entry.h"
#include "kernel/abi/image.h"
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#define KERNEL_PA 0x200000ull
#define KERNEL_VA (0xffffffff80000000ull + KERNEL_PA)

static Elf64_Ehdr head_of(uint64_t entry, uint16_t segments)
{
	Elf64_Ehdr h = {
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_entry = entry,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = segments,
		.e_shentsize = sizeof(Elf64_Shdr),
	};

	memcpy(h.e_ident, ELFMAG, SELFMAG);
	h.e_ident[EI_CLASS] = ELFCLASS64;
	h.e_ident[EI_DATA] = ELFDATA2LSB;
	h.e_ident[EI_VERSION] = EV_CURRENT;
	return h;
}

static void add_note(struct blob *out, const char *name, uint32_t type, const void *desc, uint32_t bytes)
{
	Elf64_Nhdr n = { .n_namesz = (uint32_t)strlen(name) + 1, .n_descsz = bytes, .n_type = type };

	blob_add(out, &n, sizeof(n));
	blob_add(out, name, n.n_namesz);
	blob_align(out, 4);
	blob_add(out, desc, bytes);
	blob_align(out, 4);
}

void fixture_kernel(struct blob *out, uint32_t version)
{
	Elf64_Ehdr head = head_of(KERNEL_VA, 2);
	struct ix_image note = { .magic = IX_IMAGE_MAGIC, .version = version };
	uint32_t entry = KERNEL_PA;
	Elf64_Phdr p[2] = { { .p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_offset = 4096, .p_align = 4096 },
			    { .p_type = PT_NOTE, .p_flags = PF_R, .p_offset = 4096, .p_align = 4 } };
	struct blob notes = { 0 };

	add_note(&notes, "Xen", 18, &entry, sizeof(entry));
	add_note(&notes, "IX", IX_IMAGE_NOTE, &note, sizeof(note));
	for (unsigned i = 0; i < 2; i++) {
		p[i].p_vaddr = KERNEL_VA;
		p[i].p_paddr = KERNEL_PA;
		p[i].p_filesz = p[i].p_memsz = notes.bytes;
	}
	memset(out, 0, sizeof(*out));
	blob_add(out, &head, sizeof(head));
	blob_add(out, p, sizeof(p));
	blob_align(out, 4096);
	blob_add(out, notes.data, notes.bytes);
	blob_fini(&notes);
}

void fixture_program(struct blob *out)
{
	static const char strings[] = "\0main\0alias\0last\0data";
	static const Elf64_Sym symbols[] = {
		{ 0 },
		{ .st_name = 12, .st_info = STT_FUNC, .st_shndx = 1, .st_value = IX_PARTITION_VA + 32, .st_size = 8 },
		{ .st_name = 1, .st_info = STT_FUNC, .st_shndx = 1, .st_value = IX_PARTITION_VA, .st_size = 16 },
		{ .st_name = 6, .st_info = STT_FUNC, .st_shndx = 1, .st_value = IX_PARTITION_VA, .st_size = 16 },
		{ .st_name = 17, .st_info = STT_OBJECT, .st_shndx = 1, .st_value = IX_PARTITION_VA },
		{ .st_name = 9999, .st_info = STT_FUNC, .st_shndx = 1, .st_value = 5 },
		{ .st_name = 17, .st_info = STT_FUNC, .st_shndx = 1, .st_value = IX_PARTITION_VA + 48 },
	};
	Elf64_Ehdr head = head_of(IX_PARTITION_VA, 2);
	Elf64_Phdr p[2] = { { .p_type = PT_LOAD,
			      .p_flags = PF_R | PF_X,
			      .p_vaddr = IX_PARTITION_VA,
			      .p_offset = 4096,
			      .p_filesz = 64,
			      .p_memsz = 64 },
			    { .p_type = PT_LOAD,
			      .p_flags = PF_R | PF_W,
			      .p_vaddr = IX_PARTITION_VA + 0x200000,
			      .p_offset = 4096 + 64,
			      .p_filesz = 16,
			      .p_memsz = 8192 } };
	Elf64_Shdr sections[3] = { { 0 },
				   { .sh_type = SHT_SYMTAB, .sh_link = 2, .sh_size = sizeof(symbols) },
				   { .sh_type = SHT_STRTAB, .sh_size = sizeof(strings) } };

	memset(out, 0, sizeof(*out));
	blob_add(out, &head, sizeof(head));
	blob_add(out, p, sizeof(p));
	blob_align(out, 4096);
	blob_add(out, NULL, 80);
	sections[1].sh_offset = blob_add(out, symbols, sizeof(symbols));
	sections[2].sh_offset = blob_add(out, strings, sizeof(strings));
	head.e_shoff = blob_add(out, sections, sizeof(sections));
	head.e_shnum = 3;
	memcpy(out->data, &head, sizeof(head));
}

void fixture_write(const struct blob *b, const char *path)
{
	struct err err = { 0 };

	if (blob_write(b, path, &err) != 0)
		abort();
}
