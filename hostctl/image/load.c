/* SPDX-License-Identifier: MIT */
/*
 * Understanding an image file that may be anything: the note says which parts there are, each part
 * must be one of the file's segments and have the sha256 that the note says, and the compiled
 * manifest must be one that this version would have written.
 */
#include "hostctl/image/image.h"
#include "hostctl/image/elf.h"
#include "hostctl/image/kernel_file.h"
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

static const char *const part_names[IX_PART_NR] = {
	[IX_PART_NONE] = "none",   [IX_PART_MANIFEST] = "manifest", [IX_PART_APP] = "app",
	[IX_PART_FILES] = "files", [IX_PART_SYMBOLS] = "symbols",   [IX_PART_KERNEL_SYMBOLS] = "kernel_symbols",
};

const char *image_part_name(uint32_t kind)
{
	return kind < IX_PART_NR ? part_names[kind] : "unknown";
}

/* Finds part @i among the segments and checks its contents. */
static int take_part(struct image *im, const struct kernel_file *k, uint32_t i, const char *path, struct err *err)
{
	const struct ix_image_part *part = &im->note.parts[i];
	uint8_t digest[SHA256_DIGEST_LENGTH];

	for (unsigned j = 0; j < k->elf.count; j++) {
		const Elf64_Phdr *p = &k->elf.segments[j];

		if (p->p_type != PT_LOAD || p->p_paddr != part->pa || p->p_filesz != part->bytes || part->bytes == 0)
			continue;
		im->part_at[i] = p->p_offset;
		SHA256(im->file.data + p->p_offset, p->p_filesz, digest);
		if (memcmp(digest, part->sha256, sizeof(digest)) != 0)
			return err_set(err, STATUS_DATA,
				       "%s: damaged: the sha256 of part %u (%s) is not what the image says; "
				       "build it again",
				       path, i, image_part_name(part->kind));
		if (p->p_paddr + p->p_filesz > im->end_pa)
			im->end_pa = p->p_paddr + p->p_filesz;
		return 0;
	}
	return err_set(err, STATUS_DATA, "%s: damaged: part %u (%s) is not in the file", path, i,
		       image_part_name(part->kind));
}

/* The kernel's own extent is that of the segments that are no parts. */
static void measure_kernel(struct image *im, const struct kernel_file *k)
{
	im->kernel_pa = k->pa;
	for (unsigned j = 0; j < k->elf.count; j++) {
		const Elf64_Phdr *p = &k->elf.segments[j];
		bool is_part = false;

		for (uint32_t i = 0; i < im->note.part_count; i++)
			is_part |= p->p_paddr == im->note.parts[i].pa;
		if (p->p_type == PT_LOAD && !is_part && p->p_paddr + p->p_memsz > im->kernel_end_pa)
			im->kernel_end_pa = p->p_paddr + p->p_memsz;
	}
	im->end_pa = im->kernel_end_pa;
}

const uint8_t *image_part(const struct image *im, uint32_t kind, size_t *bytes)
{
	for (uint32_t i = 0; i < im->note.part_count; i++) {
		if (im->note.parts[i].kind != kind)
			continue;
		*bytes = im->note.parts[i].bytes;
		return im->file.data + im->part_at[i];
	}
	return NULL;
}

/* The string at @offset of the manifest part, NULL unless it ends inside. */
static const char *text_at(const uint8_t *part, size_t bytes, uint32_t offset)
{
	if (offset < sizeof(struct ix_manifest) || offset >= bytes || memchr(part + offset, 0, bytes - offset) == NULL)
		return NULL;
	return (const char *)part + offset;
}

static bool take_texts(struct image *im, const uint8_t *part, size_t bytes)
{
	const struct ix_manifest *m = &im->m;
	bool is_good = m->arg_count <= IX_ARGS_MAX && m->env_count <= IX_ENV_MAX;

	im->name = text_at(part, bytes, m->name);
	im->version = text_at(part, bytes, m->version);
	for (uint32_t i = 0; is_good && i < m->arg_count; i++) {
		im->args[i] = text_at(part, bytes, m->args[i]);
		is_good = im->args[i] != NULL;
	}
	for (uint32_t i = 0; is_good && i < m->env_count; i++) {
		im->env[i] = text_at(part, bytes, m->env[i]);
		is_good = im->env[i] != NULL;
	}
	return is_good && im->name != NULL && im->version != NULL;
}

static int take_manifest(struct image *im, const char *path, struct err *err)
{
	size_t bytes = 0;
	const uint8_t *part = image_part(im, IX_PART_MANIFEST, &bytes);
	const struct ix_manifest *m = &im->m;

	if (part == NULL)
		return err_set(err, STATUS_DATA,
			       "%s: expected an image, got a kernel without an application (`ixctl image "
			       "build` makes an image)",
			       path);
	if (bytes >= sizeof(im->m))
		memcpy(&im->m, part, sizeof(im->m));
	if (bytes < sizeof(im->m) || m->bytes != bytes || !take_texts(im, part, bytes) ||
	    m->port_count > IX_PORTS_MAX || m->prefix_bits > 32 || m->cores_min == 0 || m->cores_max < m->cores_min ||
	    m->cores_max > IX_CORES_MAX || m->memory_mib < 64 || m->memory_mib > 1048576)
		return err_set(err, STATUS_DATA, "%s: its manifest is damaged; build it again", path);
	return 0;
}

/* What it takes of memory, and its files. */
static int take_app(struct image *im, const char *path, struct err *err)
{
	size_t bytes = 0;
	const uint8_t *part = image_part(im, IX_PART_APP, &bytes);
	struct elf *e = calloc(1, sizeof(*e));
	uint64_t low, end;
	int result = -1;

	if (part == NULL || e == NULL)
		err_set(err, STATUS_DATA, "%s: has no application; build it again", path);
	else if (elf_open(e, part, bytes, path, err) == 0 && elf_check_app(e, path, err) == 0 &&
		 elf_load_span(e, false, &low, &end)) {
		im->app_bytes = end - low;
		part = image_part(im, IX_PART_FILES, &bytes);
		im->files_bytes = part != NULL ? image_archive_room(part, bytes) : 0;
		result = 0;
	}
	free(e);
	return result;
}

static int understand(struct image *im, struct kernel_file *k, const char *path, struct err *err)
{
	if (kernel_file_open(k, &im->file, path, err) != 0)
		return -1;
	im->note = k->note;
	im->connection = k->connection;
	if (im->note.part_count > IX_PARTS_MAX)
		return err_set(err, STATUS_DATA, "%s: damaged: it says it has %u parts", path, im->note.part_count);
	measure_kernel(im, k);
	for (uint32_t i = 0; i < im->note.part_count; i++)
		if (take_part(im, k, i, path, err) != 0)
			return -1;
	if (take_manifest(im, path, err) != 0)
		return -1;
	return take_app(im, path, err);
}

int image_load(struct image **out, struct blob *bytes, const char *path, struct err *err)
{
	struct image *im = calloc(1, sizeof(*im));
	struct kernel_file *k = calloc(1, sizeof(*k));
	int result = -1;

	*out = im;
	if (im == NULL || k == NULL) {
		err_set(err, STATUS_MACHINE, "out of memory");
		blob_fini(bytes);
	} else {
		im->file = *bytes;
		memset(bytes, 0, sizeof(*bytes));
		result = understand(im, k, path, err);
	}
	free(k);
	if (result != 0) {
		image_free(im);
		*out = NULL;
	}
	return result;
}

void image_free(struct image *im)
{
	if (im == NULL)
		return;
	blob_fini(&im->file);
	free(im);
}
