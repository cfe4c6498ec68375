/* SPDX-License-Identifier: MIT */
/* A small printf: %d %i %u %x %X %c %s %p %% with l, ll, z, width, 0, - and precision for %s (both also as *); no floating point. */
#pragma once
#include <stdarg.h>
#include "kernel/base/types.h"

/**
 * fmt_va() - format into @out, always NUL-terminated if @bytes > 0.
 * Return: length the text would have without the limit (as snprintf).
 */
size_t fmt_va(char *out, size_t bytes, const char *fmt, va_list ap);
size_t fmt_text(char *out, size_t bytes, const char *fmt, ...) PRINTF(3, 4);
