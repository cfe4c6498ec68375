/* SPDX-License-Identifier: MIT */
/* Rows of words in columns that are as wide as they must be. */
#pragma once
#include <stdint.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 12u

struct table {
	const char *const *heads; /* a '>' first: to the right; the first "": no line of heads; the caller's */
	unsigned columns;
	char **cells; /* owned */
	size_t count;
};

/** table_init() - empty, with @heads of @columns. table_fini(): frees the rows. */
void table_init(struct table *t, const char *const *heads, unsigned columns);
void table_fini(struct table *t);

/** table_cell() - the next cell from the left, printf-like; what a terminal would obey becomes '?'. */
void table_cell(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** table_print() - heads and rows. */
void table_print(const struct table *t, FILE *to);

/** text_duration() - "45s", "12m3s", "5h12m", "3d4h" into @out of 24 bytes. text_count(): "999", "12.3k", "4.5M" into 16. */
char *text_duration(char *out, int64_t seconds);
char *text_count(char *out, double n);
