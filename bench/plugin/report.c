/* SPDX-License-Identifier: MIT */
/* The plugin's side of the marks: it takes the difference itself, so that a client copies one line and knows no name. */
#include "bench/plugin/report.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static const struct report_source *source;
static uint64_t *begin_values;
static uint64_t begin_ns;
static int listener = -1;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void answer_begin(FILE *out)
{
	if (source->begin)
		source->begin();
	for (unsigned i = 0; i < source->value_count; i++)
		begin_values[i] = source->read(i);
	begin_ns = now_ns();
	fputs("ok\n", out);
}

/* Names are ours or a symbol's: no character that JSON would want escaped. */
static void answer_end(FILE *out)
{
	uint64_t *end_values = calloc(source->value_count, sizeof(*end_values));
	uint64_t ns = now_ns() - begin_ns;
	char group[16] = "";

	if (!end_values)
		abort();
	for (unsigned i = 0; i < source->value_count; i++)
		end_values[i] = source->read(i);
	fprintf(out, "{\"seconds\":%.6f", (double)ns / 1e9);
	for (unsigned i = 0; i < source->value_count; i++) {
		const char *name = source->name(i), *colon = strchr(name, ':');
		int len = (int)(colon - name);
		uint64_t delta = end_values[i] - begin_values[i];

		if (strlen(group) != (size_t)len || memcmp(group, name, (size_t)len)) {
			fprintf(out, "%s,\"%.*s\":{\"\":0", *group ? "}" : "", len, name);
			snprintf(group, sizeof(group), "%.*s", len, name);
		}
		if (delta)
			fprintf(out, ",\"%s\":%" PRIu64, colon + 1, delta);
	}
	if (*group)
		fputc('}', out);
	if (source->more)
		source->more(out);
	fputs("}\n", out);
	free(end_values);
}

static void serve(int fd)
{
	FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
	char line[64];

	if (!in || !out)
		abort();
	while (fgets(line, sizeof(line), in)) {
		if (!strcmp(line, "begin\n"))
			answer_begin(out);
		else if (!strcmp(line, "end\n"))
			answer_end(out);
		else
			fputs("what?\n", out);
		fflush(out);
	}
	fclose(out);
	fclose(in);
}

static void *serve_all(void *unused)
{
	(void)unused;
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd >= 0)
			serve(fd);
		else if (errno != EINTR && errno != ECONNABORTED)
			return NULL;
	}
}

int report_start(const char *path, const struct report_source *values)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	pthread_t thread;

	if (strlen(path) >= sizeof(a.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(a.sun_path, path);
	source = values;
	begin_values = calloc(values->value_count, sizeof(*begin_values));
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!begin_values || listener < 0 || bind(listener, (struct sockaddr *)&a, sizeof(a)) || listen(listener, 4))
		return -1;
	errno = pthread_create(&thread, NULL, serve_all, NULL);
	return errno ? -1 : 0;
}
