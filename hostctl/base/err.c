/* SPDX-License-Identifier: MIT */
/* The first error wins: what follows from it is noise to the reader. */
#include "hostctl/base/err.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int err_set(struct err *err, int status, const char *fmt, ...)
{
	va_list ap;

	if (err->status != 0)
		return -1;
	err->status = status;
	va_start(ap, fmt);
	if (vasprintf(&err->text, fmt, ap) < 0)
		err->text = strdup("out of memory");
	va_end(ap);
	return -1;
}

void err_fini(struct err *err)
{
	free(err->text);
	err->text = NULL;
	err->status = 0;
}
