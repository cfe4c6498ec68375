/* SPDX-License-Identifier: MIT */
/* Where lines go, and that a line leaves in one piece. */
#include "kernel/base/log.h"

#include <stdarg.h>
#include "kernel/base/bytes.h"
#include "kernel/base/fmt.h"
#include "kernel/base/percore.h"

#define LINE_BYTES 400u

static log_sink_fn *log_sink;

/* A second reader of what this core says. */
static PERCORE struct {
	char *out; /* NULL: none */
	size_t room, bytes;
} copy;

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
	size_t n = copy.out ? MIN(bytes, copy.room - copy.bytes) : 0;

	if (n)
		memcpy(copy.out + copy.bytes, text, n);
	copy.bytes += n;
	if (log_sink && bytes)
		log_sink(text, bytes);
}

size_t log_copy(char *out, size_t room)
{
	size_t bytes = copy.bytes;

	copy.out = out;
	copy.room = room;
	copy.bytes = 0;
	return bytes;
}
