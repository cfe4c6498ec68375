/* SPDX-License-Identifier: MIT */
/* Nothing of a host program's own goes to stdout but what was asked for; the rest is said here. */
#include "hostctl/base/say.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void say(const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) >= 0) {
		fprintf(stderr, "%s: %s\n", program_invocation_short_name, text);
		free(text);
	}
	va_end(ap);
}
