/* SPDX-License-Identifier: MIT */
/*
 * A unix socket on which a measuring program marks the two ends of a window: "begin\n" is answered by "ok\n", "end\n" by
 * one line of JSON with what was counted in between, over all vCPUs.
 */
#pragma once
#include <stdint.h>
#include <stdio.h>

/* The values now, of all vCPUs together. Called from the socket's thread while the guest runs. */
struct report_source {
	unsigned value_count;
	const char *(*name)(unsigned index); /* "group:name": goes into object "group" under "name" */
	uint64_t (*read)(unsigned index);
	void (*begin)(void);      /* a window begins; may be NULL */
	void (*more)(FILE *json); /* further members of the answer, each with a comma before it; may be NULL */
};

/** report_start() - serve @path in a thread of its own; @path and @source stay. Return: 0 or -1 with errno. */
int report_start(const char *path, const struct report_source *source);
