/* SPDX-License-Identifier: MIT */
/* Reading a static ELF64 executable that is not trusted: every offset is checked before it is used. */
#include "kernel/user/elf.h"

#include "kernel/abi/entry.h"
#include "kernel/base/bytes.h"
#include "kernel/base/err.h"

#define ELF_MAGIC 0x464c457fu
#define ELF_CLASS_64_LE_V1 0x010102u /* EI_CLASS, EI_DATA, EI_VERSION */
#define ET_EXEC 2
#define EM_X86_64 62
#define PT_LOAD 1u
#define PT_INTERP 3u
#define PF_X 1u
#define PF_W 2u
#define PARTITION_BYTES_MAX (1ull << 40)

struct elf_header {
	le32_t magic;
	uint8_t class_data_version[3];
	uint8_t ident_rest[9];
	le16_t type, machine;
	le32_t version;
	le64_t entry, phoff, shoff;
	le32_t flags;
	le16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
_Static_assert(sizeof(struct elf_header) == 64, "gABI");

struct elf_phdr {
	le32_t type, flags;
	le64_t offset, vaddr, paddr, filesz, memsz, align;
};
_Static_assert(sizeof(struct elf_phdr) == 56, "gABI");

static const char *add_segment(const struct elf_phdr *p, size_t file_bytes, struct elf_program *out)
{
	struct elf_segment s, *last = out->segment_count ? &out->segments[out->segment_count - 1] : NULL;

	if (p->memsz == 0)
		return NULL;
	if (out->segment_count == ELF_SEGMENTS_MAX)
		return "more than 8 loadable segments";
	if (p->filesz > p->memsz || p->offset > file_bytes || p->filesz > file_bytes - p->offset)
		return "a segment lies outside the file";
	if (p->vaddr < IX_PARTITION_VA || p->memsz > PARTITION_BYTES_MAX ||
	    p->vaddr - IX_PARTITION_VA > PARTITION_BYTES_MAX)
		return "a segment lies outside the partition: link with the project's link script";
	s = (struct elf_segment){ .off = p->vaddr - IX_PARTITION_VA,
				  .bytes = p->memsz,
				  .file_off = p->offset,
				  .file_bytes = p->filesz,
				  .write = p->flags & PF_W,
				  .exec = p->flags & PF_X };
	if (s.write && s.exec)
		return "a segment is writable and executable";
	if (last) {
		uint64_t end = last->off + last->bytes;
		bool same = last->write == s.write && last->exec == s.exec;

		if (s.off < end)
			return "segments overlap or are not sorted";
		if (!same && ALIGN_UP(end, HUGE_BYTES) > s.off)
			return "segments with different rights share a 2 MiB page: link with the project's link script";
	}
	out->segments[out->segment_count++] = s;
	out->end_off = ALIGN_UP(s.off + s.bytes, HUGE_BYTES);
	return NULL;
}

/* The entry must be code; the program headers are passed on only if a segment holds them. */
static const char *finish(const struct elf_header *h, struct elf_program *out)
{
	bool entry_ok = false;

	for (uint32_t i = 0; i < out->segment_count; i++) {
		const struct elf_segment *s = &out->segments[i];
		uint64_t entry_off = h->entry - IX_PARTITION_VA;

		if (s->exec && entry_off >= s->off && entry_off - s->off < s->file_bytes)
			entry_ok = true;
		if (h->phoff >= s->file_off && h->phoff - s->file_off <= s->file_bytes &&
		    h->phnum * sizeof(struct elf_phdr) <= s->file_bytes - (h->phoff - s->file_off))
			out->phdr_va = IX_PARTITION_VA + s->off + (h->phoff - s->file_off);
	}
	out->entry = h->entry;
	out->phdr_count = h->phnum;
	return entry_ok ? NULL : "the entry point is not in an executable segment";
}

static const char *parse(const uint8_t *file, size_t bytes, struct elf_program *out)
{
	static const uint8_t ident[3] = { 2, 1, 1 };
	struct elf_header h;

	if (bytes < sizeof(h))
		return "shorter than an ELF header";
	memcpy(&h, file, sizeof(h));
	if (h.magic != ELF_MAGIC || memcmp(h.class_data_version, ident, 3) != 0 || h.machine != EM_X86_64)
		return "not an ELF64 file for x86-64";
	if (h.type != ET_EXEC)
		return "not a static executable at fixed addresses (ET_EXEC)";
	if (h.phentsize != sizeof(struct elf_phdr) || h.phoff > bytes ||
	    h.phnum > (bytes - h.phoff) / sizeof(struct elf_phdr))
		return "program headers lie outside the file";
	for (unsigned i = 0; i < h.phnum; i++) {
		struct elf_phdr p;
		const char *error;

		memcpy(&p, file + h.phoff + i * sizeof(p), sizeof(p));
		if (p.type == PT_INTERP)
			return "dynamically linked";
		error = p.type == PT_LOAD ? add_segment(&p, bytes, out) : NULL;
		if (error)
			return error;
	}
	return finish(&h, out);
}

int elf_parse(const void *file, size_t bytes, struct elf_program *out, const char **error)
{
	memset(out, 0, sizeof(*out));
	*error = parse(file, bytes, out);
	return *error ? KERR_INVALID : 0;
}
