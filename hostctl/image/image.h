/* SPDX-License-Identifier: MIT */
/*
 * In: a folder with image.yaml, or an image file. Out: the one bootable file NAME.ix, or all that is
 * known about one. Who calls: hostctl/ixctl, hostctl/machine. Start reading at build.c, then load.c;
 * the fields of a manifest are the table in schema.c.
 */
#pragma once
#include "hostctl/base/blob.h"
#include "kernel/abi/image.h"
#include "kernel/abi/manifest.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* What an image file says, every offset checked and every part's sha256 verified. */
struct image {
	struct blob file; /* owned */
	struct ix_image note;
	struct ix_connection_bytes connection; /* all zero: the kernel has no TCP/IP */
	struct ix_manifest m;
	const char *name; /* these point into file */
	const char *version;
	const char *args[IX_ARGS_MAX];
	const char *env[IX_ENV_MAX];
	size_t part_at[IX_PARTS_MAX];      /* where in file */
	uint64_t kernel_pa, kernel_end_pa; /* what the kernel itself occupies */
	uint64_t end_pa;                   /* end of the last part */
	uint64_t app_bytes;                /* of guest memory that the program takes without its heap */
	uint64_t files_bytes;              /* of guest memory that its files[] take beside the archive */
};

struct image_source {
	const char *folder; /* holds image.yaml; or the path of a manifest */
	const char *kernel; /* kernel.elf */
	const char *apps;   /* folder in which an `app:` without a slash is searched last */
};

/**
 * image_build() - make an image in memory
 * @out:  the file's bytes, the same for the same inputs
 * @name: the manifest's name, on the heap, NULL if not wanted
 * @app:  path of the program, on the heap, NULL if not wanted
 * Return: 0, or -1 with @err.
 */
int image_build(const struct image_source *from, struct blob *out, char **name, char **app, struct err *err);

/**
 * image_load() - understand an image file
 * @bytes: taken over, also on failure. @path: for messages
 * Return: 0, or -1 with @err (STATUS_DATA).
 */
int image_load(struct image **out, struct blob *bytes, const char *path, struct err *err);
void image_free(struct image *image);

/** image_part() - the bytes of a part. Return: NULL if the image has none of @kind. */
const uint8_t *image_part(const struct image *image, uint32_t kind, size_t *bytes);

/** image_part_name() - "manifest", "app", ... */
const char *image_part_name(uint32_t kind);

/** image_describe() - all of it as one object (new reference). */
json_t *image_describe(const struct image *image);

/* What a guest needs, in bytes, line by line; the kernel's own count at boot has the last word. */
struct image_budget {
	uint64_t image; /* kernel and parts, from physical address 0 */
	uint64_t rx_buffers;
	uint64_t connections;
	uint64_t program; /* code and data */
	uint64_t heap;
	uint64_t files;     /* as ring 3 reads them */
	uint64_t cores;     /* stacks, windows, rings */
	uint64_t base;      /* page tables and boot */
	uint64_t total_mib; /* of all, rounded up */
};

/* What it has to hold, in bytes. */
struct image_size {
	uint64_t end_pa, app_bytes, files_bytes; /* as in struct image; files with those of the host */
};

/** image_budget() - for manifest @m on @cores cores. */
void image_budget(struct image_budget *out, const struct ix_manifest *m, uint32_t cores, const struct image_size *size);

/** image_size() - of @im; @host_files: image_file_room() of each file that the host gives, together. */
struct image_size image_size(const struct image *im, uint64_t host_files);
/** image_file_room() - guest memory of a file of @bytes. image_archive_room(): of all files in an archive of files[]. */
uint64_t image_file_room(uint64_t bytes);
uint64_t image_archive_room(const uint8_t *archive, size_t bytes);

/** image_budget_words() - the sum as text: "94 MiB: kernel and image 12, heap 16, ..." */
void image_budget_words(const struct image_budget *b, char *out, size_t bytes);

/**
 * image_override() - apply KEY=VALUE as the kernel will do with its command line
 * Return: 0, or -1 with @err (STATUS_USAGE) that names the key and says what was expected.
 */
int image_override(struct ix_manifest *m, const char *word, struct err *err);

/** image_fields() - the table of manifest fields, for people. */
void image_fields(FILE *out);

/** image_new() - make folder @name with a manifest to start from. Return: 0, or -1 with @err. */
int image_new(const char *name, struct err *err);
