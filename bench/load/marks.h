/* SPDX-License-Identifier: MIT */
/* A window of time of which the client and the counting plugin know the costs. */
#pragma once
#include <stdint.h>

struct window {
	int marks;
	uint64_t from_ns;
	double from_cpu_s;
	double seconds, cpu_s; /* how long it was, what this process used */
	char *counted;         /* the plugin's answer, NULL without it; to be freed */
};

/** marks_open() - connects to the plugin's socket at @path, or ends the program. */
int marks_open(const char *path);

/** window_begin(), window_end() - @marks: of marks_open(), -1: nothing is counted. */
void window_begin(struct window *w, int marks);
void window_end(struct window *w);
