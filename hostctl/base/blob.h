/* SPDX-License-Identifier: MIT */
/* Bytes on the heap that know their length, and the way between them and files. */
#pragma once
#include "hostctl/base/err.h"
#include <stddef.h>
#include <stdint.h>

struct blob {
	uint8_t *data; /* owned; NULL while empty */
	size_t bytes;
	size_t room; /* allocated, at least bytes */
};

void blob_fini(struct blob *b);

/**
 * blob_add() - append @bytes from @data, or zeros if @data is NULL
 * Return: the offset at which they now are. Out of memory ends the program.
 */
size_t blob_add(struct blob *b, const void *data, size_t bytes);

/** blob_print() - append text, printf-style; no NUL. */
void blob_print(struct blob *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** blob_align() - append zeros until the length is a multiple of @align. */
void blob_align(struct blob *b, size_t align);

/**
 * blob_read() - a whole regular file of at most @max bytes
 * Return: 0, or -1 with @err (STATUS_DATA) naming @path and what is wrong.
 */
int blob_read(struct blob *b, const char *path, size_t max, struct err *err);

/**
 * blob_write() - make @path hold these bytes: a temporary file beside it, then a rename
 * Return: 0, or -1 with @err (STATUS_USAGE); then @path is as it was and nothing is left behind.
 */
int blob_write(const struct blob *b, const char *path, struct err *err);

/**
 * blob_memfd() - the same bytes as a file without a name, at its start, inherited by children
 * Return: a file descriptor, or -1 with @err.
 */
int blob_memfd(const struct blob *b, const char *name, struct err *err);
