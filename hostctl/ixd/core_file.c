/* SPDX-License-Identifier: MIT */
/*
 * ELF64 of type ET_CORE: a note with the registers of the core that faulted and one with the program's name, then a segment for
 * each range of memory, at ring 3's addresses. [System V gABI 4.1, 5; Linux fs/binfmt_elf.c]
 */
#include "hostctl/ixd/core_file.h"
#include "hostctl/base/blob.h"
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <unistd.h>

#define PAGE 4096u
#define CHUNK (1u << 20)
#define NAME_BYTES 8 /* "CORE" and its padding */

_Static_assert(sizeof(struct ix_page_registers) == sizeof(((struct elf_prstatus *)0)->pr_reg),
	       "order of user_regs_struct");

int core_file_signal(const struct ix_page_crash *crash)
{
	static const int of_vector[32] = {
		[0] = SIGFPE, [1] = SIGTRAP, [3] = SIGTRAP, [6] = SIGILL, [16] = SIGFPE, [17] = SIGBUS, [19] = SIGFPE,
	}; /* [SDM 3 table 6-1]; all others: a segment */

	if (crash->how == IX_EXIT_WATCHDOG)
		return SIGXCPU;
	return crash->vector < 32 && of_vector[crash->vector] != 0 ? of_vector[crash->vector] : SIGSEGV;
}

static void add_note(struct blob *out, uint32_t type, const void *data, size_t bytes)
{
	Elf64_Nhdr head = { .n_namesz = 5, .n_descsz = (uint32_t)bytes, .n_type = type };

	blob_add(out, &head, sizeof(head));
	blob_add(out, "CORE\0\0\0", NAME_BYTES);
	blob_add(out, data, bytes);
	blob_align(out, 4);
}

static void add_notes(struct blob *out, const struct core_source *s)
{
	struct {
		struct elf_prstatus status;
		struct elf_prpsinfo info;
	} *n = calloc(1, sizeof(*n));

	if (n == NULL)
		abort();
	n->status.pr_info.si_signo = core_file_signal(s->crash);
	n->status.pr_cursig = (short)n->status.pr_info.si_signo;
	n->status.pr_pid = (pid_t)s->crash->core + 1; /* gdb calls it a thread */
	memcpy(&n->status.pr_reg, &s->crash->registers, sizeof(n->status.pr_reg));
	n->info.pr_sname = 'R';
	n->info.pr_pid = 1;
	snprintf(n->info.pr_fname, sizeof(n->info.pr_fname), "%.15s", s->name);
	snprintf(n->info.pr_psargs, sizeof(n->info.pr_psargs), "%.60s", s->name);
	add_note(out, NT_PRSTATUS, &n->status, sizeof(n->status));
	add_note(out, NT_PRPSINFO, &n->info, sizeof(n->info));
	free(n);
}

/* Header, program headers and notes; @offset: where each range goes. */
static void make_head(struct blob *out, const struct core_source *s, uint64_t *offset)
{
	unsigned count = s->crash->range_count;
	Elf64_Ehdr head = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT, ELFOSABI_NONE },
		.e_type = ET_CORE,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(head),
		.e_ehsize = sizeof(head),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = (Elf64_Half)(count + 1),
	};
	Elf64_Phdr notes = { .p_type = PT_NOTE,
			     .p_offset = sizeof(head) + (count + 1) * sizeof(Elf64_Phdr),
			     .p_align = 4 };
	struct blob text = { 0 };
	uint64_t at;

	add_notes(&text, s);
	notes.p_filesz = text.bytes;
	blob_add(out, &head, sizeof(head));
	blob_add(out, &notes, sizeof(notes));
	at = (notes.p_offset + text.bytes + PAGE - 1) / PAGE * PAGE;
	for (unsigned i = 0; i < count; i++) {
		const struct ix_page_range *r = &s->crash->range[i];
		Elf64_Phdr p = { .p_type = PT_LOAD,
				 .p_flags = r->flags,
				 .p_offset = at,
				 .p_vaddr = r->va,
				 .p_paddr = r->pa,
				 .p_filesz = r->bytes,
				 .p_memsz = r->bytes,
				 .p_align = PAGE };

		blob_add(out, &p, sizeof(p));
		offset[i] = at;
		at += r->bytes;
	}
	blob_add(out, text.data, text.bytes);
	blob_fini(&text);
	offset[count] = at;
}

static int put(int fd, const void *data, size_t bytes, uint64_t at, struct err *err)
{
	ssize_t n = pwrite(fd, data, bytes, (off_t)at);

	if (n == (ssize_t)bytes)
		return 0;
	return err_set(err, STATUS_MACHINE, "the core cannot be written: %s",
		       n < 0 ? strerror(errno) : "the disk is full");
}

static bool is_zero(const uint8_t *page)
{
	return page[0] == 0 && memcmp(page, page + 1, PAGE - 1) == 0;
}

/* Runs of pages that hold something; the file is as long as it is to be already. */
static int put_pages(int fd, const uint8_t *chunk, size_t bytes, uint64_t at, struct err *err)
{
	for (size_t from = 0, to; from < bytes; from = to) {
		bool zero = is_zero(chunk + from);

		to = from + PAGE;
		while (to < bytes && is_zero(chunk + to) == zero)
			to += PAGE;
		if (!zero && put(fd, chunk + from, to - from, at + from, err) != 0)
			return -1;
	}
	return 0;
}

static int put_range(int fd, const struct core_source *s, unsigned i, uint64_t offset, struct err *err)
{
	uint64_t bytes = s->crash->range[i].bytes;
	uint8_t *chunk = malloc(CHUNK);

	if (chunk == NULL)
		abort();
	for (uint64_t done = 0; done < bytes && err->status == 0;) {
		size_t piece = bytes - done < CHUNK ? bytes - done : CHUNK;

		if (!s->go_on(s->arg))
			err_set(err, STATUS_DATA, "the memory was loaded again before all of it was copied");
		else if (pread(s->memory, chunk, piece, s->at[i] + (off_t)done) != (ssize_t)piece)
			err_set(err, STATUS_MACHINE, "the guest's memory cannot be read");
		else
			put_pages(fd, chunk, piece, offset + done, err);
		done += piece;
	}
	free(chunk);
	return err->status == 0 ? 0 : -1;
}

int core_file_write(int fd, const struct core_source *s, struct err *err)
{
	uint64_t *offset = calloc(IX_PAGE_CRASH_RANGES + 1, sizeof(*offset));
	struct blob head = { 0 };
	int result;

	if (offset == NULL)
		abort();
	make_head(&head, s, offset);
	result = put(fd, head.data, head.bytes, 0, err);
	if (result == 0 && ftruncate(fd, (off_t)offset[s->crash->range_count]) != 0)
		result = err_set(err, STATUS_MACHINE, "the core cannot be written: %s", strerror(errno));
	for (unsigned i = 0; i < s->crash->range_count && result == 0; i++)
		result = put_range(fd, s, i, offset[i], err);
	blob_fini(&head);
	free(offset);
	return result;
}
