/* SPDX-License-Identifier: MIT */
/* Where crashes are kept: PATHS_LOG/NAME.crash/STAMP/{report.txt,core.elf}, the newest CRASH_KEPT of them. */
#pragma once
#include "hostctl/base/err.h"
#include <stdbool.h>

#define CRASH_KEPT 3u
#define CRASH_REPORT "report.txt"
#define CRASH_CORE "core.elf"

/** crash_store_begin() - an empty folder for the next one, on the heap; NULL with @err. crash_store_end(): it is @stamp from now on. */
char *crash_store_begin(const char *name, struct err *err);
int crash_store_end(const char *name, const char *stamp, struct err *err);

/** crash_store_has() - whether one is kept whose stamp ends with @tail. */
bool crash_store_has(const char *name, const char *tail);

/** crash_store_newest() - its stamp, on the heap; NULL: there is none. */
char *crash_store_newest(const char *name);

/** crash_store_open() - a file of it, to read; -1: there is none. */
int crash_store_open(const char *name, const char *stamp, const char *file);
