/* SPDX-License-Identifier: MIT */
/* Where lines go, and that a line leaves in one piece. */
#include "kernel/base/log.h"

#include <stdarg.h>
#include "kernel/base/bytes.h"
#include "kernel/base/fmt.h"
#include "kernel/base/percore.h"

#define LINE_BYTES 400u

static log_sink_fn *log_sink;

/* A second reader of what one core says: the one that faulted first, so there is only one. */
static struct {
	char *out; /* atomic; NULL: none. Before a core has its window nobody asks which core this is */
	size_t room, bytes;
	uint32_t core;
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
	char *out = load_acquire(&copy.out);
	size_t n;

	if (unlikely(out) && copy.core == core_id()) {
		n = MIN(bytes, copy.room - copy.bytes);
		memcpy(out + copy.bytes, text, n);
		copy.bytes += n;
	}
	if (log_sink && bytes)
		log_sink(text, bytes);
}

size_t log_copy(char *out, size_t room)
{
	size_t bytes = copy.bytes;

	copy.room = room;
	copy.bytes = 0;
	copy.core = core_id();
	store_release(&copy.out, out);
	return bytes;
}
