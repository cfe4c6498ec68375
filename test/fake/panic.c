/* SPDX-License-Identifier: MIT */
/* What an impossible state does on the host: print and abort, so that a test or fuzzer sees it. */
#include "kernel/base/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <stdarg.h>

void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("panic: ", stderr);
	(void)vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	abort();
}
