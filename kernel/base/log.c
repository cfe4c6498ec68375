/* SPDX-License-Identifier: MIT */
/* Where lines go, and that a line leaves in one piece. */
#include "kernel/base/log.h"

#include <stdarg.h>
#include "kernel/base/fmt.h"

#define LINE_BYTES 400u

static log_sink_fn *log_sink;

void log_init(log_sink_fn *sink)
{
	log_sink = sink;
}

void log_line(const char *fmt, ...)
{
	char line[LINE_BYTES + 2]; /* and "\n", and the NUL that fmt_va() writes */
	size_t bytes;
	va_list ap;

	va_start(ap, fmt);
	bytes = fmt_va(line, LINE_BYTES + 1, fmt, ap);
	va_end(ap);
	bytes = MIN(bytes, LINE_BYTES);
	line[bytes] = '\n';
	log_write(line, bytes + 1);
}

void log_write(const char *text, size_t bytes)
{
	if (log_sink && bytes)
		log_sink(text, bytes);
}
