/* SPDX-License-Identifier: MIT */
/* A core file of ring 3, as Linux would have left one. Knows nothing of ixd. */
#pragma once
#include "hostctl/base/err.h"
#include "kernel/abi/page.h"
#include <stdbool.h>

/* What goes into a core file. All pointers are the caller's. */
struct core_source {
	const char *name;                  /* of the program, for who reads it */
	const struct ix_page_crash *crash; /* checked: page_crash() */
	int memory;                        /* descriptor that the ranges are read from ... */
	int64_t at[IX_PAGE_CRASH_RANGES];  /* ... here */
	bool (*go_on)(void *arg);          /* asked every few MiB; false: the memory is not what it was any more */
	void *arg;
};

/**
 * core_file_write() - ELF64 ET_CORE at the start of @fd, an empty regular file; zeros become holes
 * Return: 0, or -1 with @err.
 */
int core_file_write(int fd, const struct core_source *s, struct err *err);

/** core_file_signal() - the signal that stands for the end of @crash. */
int core_file_signal(const struct ix_page_crash *crash);
