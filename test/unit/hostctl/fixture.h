/* SPDX-License-Identifier: MIT */
/* A kernel and a program of a few bytes each, as ELF files in memory. */
#pragma once
#include "hostctl/base/blob.h"

#define FIXTURE_SYMBOLS 3 /* functions in the program's symbol table */

/** fixture_kernel() - bootable, with an empty image note of @version. */
void fixture_kernel(struct blob *out, uint32_t version);

/** fixture_program() - code, data and a symbol table. */
void fixture_program(struct blob *out);

/** fixture_write() - @b as file @path. */
void fixture_write(const struct blob *b, const char *path);
