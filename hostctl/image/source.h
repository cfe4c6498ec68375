/* SPDX-License-Identifier: MIT */
/* What image.yaml says, checked field by field and with the defaults filled in. */
#pragma once
#include "hostctl/base/blob.h"
#include "kernel/abi/manifest.h"
#include <stdbool.h>

#define SOURCE_FILES_MAX 256
#define SOURCE_KEYS_MAX 40
#define SOURCE_TEXT_MAX 1024     /* bytes of one string */
#define SOURCE_STRINGS_MAX 16384 /* bytes of all strings of a compiled manifest */

struct source_file {
	char *from; /* path of the file, relative to the manifest */
	char *to;   /* path in the archive, without a leading slash */
};

struct source {
	struct ix_manifest m; /* numbers; its strings are filled in by source_compile() */
	char *name;
	char *version;
	char *app;
	char *args[IX_ARGS_MAX];
	char *env[IX_ENV_MAX]; /* "KEY=VALUE" */
	struct source_file files[SOURCE_FILES_MAX];
	uint32_t file_count;
	uint32_t dhcp;                  /* 1: "net.dhcp: true" */
	unsigned line[SOURCE_KEYS_MAX]; /* by index into schema_keys: where it stands, 0: it does not */
};

/**
 * source_read() - read and check @path
 * Return: 0 with *@out on the heap (source_free()), or -1 with @err (STATUS_DATA):
 * "FILE:LINE: FIELD: expected ..., got ...".
 */
int source_read(struct source **out, const char *path, struct err *err);
void source_free(struct source *s);

/** source_line() - where field @name stands, for messages; 1 if it does not. */
unsigned source_line(const struct source *s, const char *name);

/** source_check() - what concerns more than one field. @path is for the message. */
int source_check(struct source *s, const char *path, struct err *err);

/** source_compile() - append the struct ix_manifest with its strings to @out. */
int source_compile(const struct source *s, const char *path, struct blob *out, struct err *err);

/** source_pack() - append files[], read from beside @path, as a cpio newc archive to @out. */
int source_pack(const struct source *s, const char *path, struct blob *out, struct err *err);
