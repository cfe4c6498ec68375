/* SPDX-License-Identifier: MIT */
/*
 * The layout of an image file: ELF header, program headers, the kernel's segments, then the parts,
 * each as one more PT_LOAD above the kernel. File offsets are congruent to addresses modulo 4 KiB
 * only: loaders copy, nobody maps, so 2 MiB alignment in memory costs no holes in the file.
 */
#include "hostctl/image/image.h"
#include "hostctl/image/elf.h"
#include "hostctl/image/kernel_file.h"
#include "hostctl/image/source.h"
#include <libgen.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KERNEL_BYTES_MAX (256u << 20)
#define APP_BYTES_MAX (1u << 30)
#define FILE_PAGE 4096u
#define PART_ALIGN 0x200000ull

struct part {
	uint32_t kind;
	struct blob bytes;
};

struct builder {
	const struct image_source *from;
	char *manifest; /* path */
	char *app_path;
	struct source *source;
	struct blob kernel;
	struct blob app;
	uint64_t app_bytes;
	struct part parts[IX_PARTS_MAX];
	uint32_t part_count;
	struct kernel_file k;
	struct err *err;
};

static struct blob *new_part(struct builder *b, uint32_t kind)
{
	b->parts[b->part_count].kind = kind;
	return &b->parts[b->part_count++].bytes;
}

static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* A folder stands for the image.yaml in it. */
static int find_manifest(struct builder *b)
{
	const char *given = b->from->folder;
	struct stat st;

	if (stat(given, &st) != 0)
		return err_set(b->err, STATUS_DATA, "%s: no such folder or manifest", given);
	if (!S_ISDIR(st.st_mode)) {
		b->manifest = strdup(given);
		return 0;
	}
	if (asprintf(&b->manifest, "%s%simage.yaml", given, given[strlen(given) - 1] == '/' ? "" : "/") < 0)
		return err_set(b->err, STATUS_MACHINE, "out of memory");
	if (!is_file(b->manifest))
		return err_set(b->err, STATUS_DATA,
			       "%s: no image.yaml in this folder (`ixctl image new NAME` makes one to "
			       "start from)",
			       given);
	return 0;
}

/* A path with a slash is relative to the manifest; a bare name may also be one of our own apps. */
static int find_app(struct builder *b)
{
	const char *app = b->source->app;
	char *copy = strdup(b->manifest);
	const char *folder = dirname(copy);
	int n;

	if (app[0] == '/')
		n = asprintf(&b->app_path, "%s", app);
	else
		n = asprintf(&b->app_path, "%s/%s", folder, app);
	if (n >= 0 && strchr(app, '/') == NULL && !is_file(b->app_path)) {
		free(b->app_path);
		n = asprintf(&b->app_path, "%s/%s", b->from->apps, app);
	}
	if (n < 0) {
		b->app_path = NULL;
		err_set(b->err, STATUS_MACHINE, "out of memory");
	} else if (!is_file(b->app_path)) {
		err_set(b->err, STATUS_DATA, "%s:%u: app: expected a program, got no file %s%s", b->manifest,
			source_line(b->source, "app"), b->app_path,
			strchr(app, '/') == NULL ? " and none beside the manifest" : "");
		n = -1;
	}
	free(copy);
	return n < 0 ? -1 : 0;
}

/* What no segment needs, symbols and debug information above all, stays at home. */
static void strip(struct blob *app, const struct elf *e)
{
	Elf64_Ehdr head = e->head;

	head.e_shoff = 0;
	head.e_shnum = 0;
	head.e_shstrndx = 0;
	app->bytes = elf_end(e);
	memcpy(app->data, &head, sizeof(head));
}

static int take_app(struct builder *b)
{
	struct elf *e = calloc(1, sizeof(*e));
	struct blob *symbols = new_part(b, IX_PART_SYMBOLS);
	uint64_t low, end;
	int result = -1;

	if (e == NULL)
		return err_set(b->err, STATUS_MACHINE, "out of memory");
	if (blob_read(&b->app, b->app_path, APP_BYTES_MAX, b->err) == 0 &&
	    elf_open(e, b->app.data, b->app.bytes, b->app_path, b->err) == 0 &&
	    elf_check_app(e, b->app_path, b->err) == 0 && elf_load_span(e, false, &low, &end)) {
		elf_symbols(e, symbols);
		b->app_bytes = end - low;
		strip(&b->app, e);
		result = 0;
	}
	free(e);
	return result;
}

static int check_memory(struct builder *b, const struct kernel_file *k)
{
	const struct ix_manifest *m = &b->source->m;
	struct image_size size = { .app_bytes = b->app_bytes };
	struct image_budget budget;
	char words[256];
	uint64_t end = k->end_pa;

	for (uint32_t i = 0; i < b->part_count; i++) {
		const struct blob *part = &b->parts[i].bytes;

		end = (end + PART_ALIGN - 1) / PART_ALIGN * PART_ALIGN + part->bytes;
		if (b->parts[i].kind == IX_PART_FILES)
			size.files_bytes = image_archive_room(part->data, part->bytes);
	}
	size.end_pa = end;
	image_budget(&budget, m, m->cores_max, &size);
	if (m->memory_mib >= budget.total_mib)
		return 0;
	image_budget_words(&budget, words, sizeof(words));
	return err_set(b->err, STATUS_DATA, "%s:%u: memory_mib: expected at least %llu, got %u: %s", b->manifest,
		       source_line(b->source, "memory_mib"), (unsigned long long)budget.total_mib, m->memory_mib,
		       words);
}

/* Moves a kernel segment into the file. Its file offset keeps its place within a page. */
static void place_segment(struct blob *out, const struct kernel_file *k, Elf64_Phdr *p)
{
	size_t from = p->p_offset;

	blob_align(out, FILE_PAGE);
	blob_add(out, NULL, p->p_vaddr % FILE_PAGE);
	p->p_offset = blob_add(out, k->elf.data + from, p->p_filesz);
	p->p_align = FILE_PAGE;
}

/* Where the byte at @at of kernel.elf is now; 0 if no segment took it along. */
static size_t moved(const struct kernel_file *k, const Elf64_Phdr *now, size_t at, size_t bytes)
{
	for (unsigned i = 0; i < k->elf.count; i++) {
		const Elf64_Phdr *was = &k->elf.segments[i];

		if (was->p_type == PT_LOAD && at >= was->p_offset && at + bytes <= was->p_offset + was->p_filesz)
			return now[i].p_offset + (at - was->p_offset);
	}
	return 0;
}

static int place_kernel(struct builder *b, struct blob *out, const struct kernel_file *k, Elf64_Phdr *now)
{
	for (unsigned i = 0; i < k->elf.count; i++) {
		now[i] = k->elf.segments[i];
		if (now[i].p_type == PT_LOAD)
			place_segment(out, k, &now[i]);
	}
	for (unsigned i = 0; i < k->elf.count; i++) {
		if (now[i].p_type != PT_NOTE)
			continue;
		now[i].p_offset = moved(k, now, now[i].p_offset, now[i].p_filesz);
		if (now[i].p_offset == 0)
			return err_set(b->err, STATUS_DATA, "%s: expected its notes inside a loaded segment",
				       b->from->kernel);
	}
	return 0;
}

/* Appends the parts and writes into the kernel's note where they are. */
static void place_parts(struct builder *b, struct blob *out, struct kernel_file *k, Elf64_Phdr *now)
{
	struct ix_image *note = &k->note;
	uint64_t pa = (k->end_pa + PART_ALIGN - 1) / PART_ALIGN * PART_ALIGN;

	note->part_count = b->part_count;
	for (uint32_t i = 0; i < b->part_count; i++) {
		const struct part *part = &b->parts[i];
		struct ix_image_part *says = &note->parts[i];

		says->kind = part->kind;
		says->pa = pa;
		says->bytes = part->bytes.bytes;
		SHA256(part->bytes.data, part->bytes.bytes, says->sha256);
		blob_align(out, FILE_PAGE);
		now[i] = (Elf64_Phdr){
			.p_type = PT_LOAD,
			.p_flags = PF_R,
			.p_offset = blob_add(out, part->bytes.data, part->bytes.bytes),
			.p_vaddr = k->va_offset + pa,
			.p_paddr = pa,
			.p_filesz = part->bytes.bytes,
			.p_memsz = part->bytes.bytes,
			.p_align = FILE_PAGE,
		};
		pa = (pa + part->bytes.bytes + PART_ALIGN - 1) / PART_ALIGN * PART_ALIGN;
	}
}

static int assemble(struct builder *b, struct blob *out, struct kernel_file *k)
{
	unsigned total = k->elf.count + b->part_count;
	Elf64_Phdr *now = calloc(total, sizeof(*now));
	Elf64_Ehdr head = k->elf.head;
	int result = -1;

	if (now == NULL)
		return err_set(b->err, STATUS_MACHINE, "out of memory");
	blob_add(out, NULL, sizeof(head) + total * sizeof(*now));
	if (place_kernel(b, out, k, now) == 0) {
		place_parts(b, out, k, now + k->elf.count);
		head.e_phoff = sizeof(head);
		head.e_phnum = (Elf64_Half)total;
		head.e_shoff = 0;
		head.e_shnum = 0;
		head.e_shstrndx = 0;
		memcpy(out->data, &head, sizeof(head));
		memcpy(out->data + sizeof(head), now, total * sizeof(*now));
		memcpy(out->data + moved(k, now, k->note_at, sizeof(k->note)), &k->note, sizeof(k->note));
		result = 0;
	}
	free(now);
	return result;
}

static int build(struct builder *b, struct blob *out)
{
	struct kernel_file *k = &b->k;

	struct blob *compiled;

	if (find_manifest(b) != 0 || source_read(&b->source, b->manifest, b->err) != 0)
		return -1;
	/* The analyzer takes the write to parts[] for one over b->manifest. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
	compiled = new_part(b, IX_PART_MANIFEST);
	if (source_compile(b->source, b->manifest, compiled, b->err) != 0 || find_app(b) != 0 || take_app(b) != 0)
		return -1;
	*new_part(b, IX_PART_APP) = b->app;
	memset(&b->app, 0, sizeof(b->app));
	if (b->source->file_count != 0 && source_pack(b->source, b->manifest, new_part(b, IX_PART_FILES), b->err) != 0)
		return -1;
	if (!is_file(b->from->kernel))
		return err_set(b->err, STATUS_DATA, "%s: no kernel here; build it, or say --kernel FILE",
			       b->from->kernel);
	if (blob_read(&b->kernel, b->from->kernel, KERNEL_BYTES_MAX, b->err) != 0 ||
	    kernel_file_open(k, &b->kernel, b->from->kernel, b->err) != 0)
		return -1;
	if (k->note.part_count != 0)
		return err_set(b->err, STATUS_DATA, "%s: expected a kernel without an application, got an image",
			       b->from->kernel);
	elf_symbols(&k->elf, new_part(b, IX_PART_KERNEL_SYMBOLS));
	if (check_memory(b, k) != 0)
		return -1;
	return assemble(b, out, k);
}

static void builder_free(struct builder *b)
{
	for (uint32_t i = 0; i < b->part_count; i++)
		blob_fini(&b->parts[i].bytes);
	blob_fini(&b->app);
	blob_fini(&b->kernel);
	source_free(b->source);
	free(b->manifest);
	free(b->app_path);
	free(b);
}

int image_build(const struct image_source *from, struct blob *out, char **name, char **app, struct err *err)
{
	struct builder *b = calloc(1, sizeof(*b));
	int result;

	memset(out, 0, sizeof(*out));
	if (b == NULL)
		return err_set(err, STATUS_MACHINE, "out of memory");
	b->from = from;
	b->err = err;
	result = build(b, out);
	if (result != 0)
		blob_fini(out);
	if (result == 0 && name != NULL)
		*name = strdup(b->source->name);
	if (result == 0 && app != NULL)
		*app = strdup(b->app_path);
	builder_free(b);
	return result;
}
