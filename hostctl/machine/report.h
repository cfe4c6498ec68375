/* SPDX-License-Identifier: MIT */
/*
 * What a run shows: the guest's console on stdout and our own lines on stderr, or with --json one
 * JSON object a line on stdout.
 */
#pragma once
#include "hostctl/machine/argv.h"

#define REPORT_LINE_MAX 4096u

struct report {
	bool is_json;
	bool is_terminal; /* stdout is one: control characters of the guest are not passed on */
	bool is_ready;    /* the guest has printed its `ready` line */
	bool is_broken;   /* nobody reads stdout any more */
	uint64_t start_ns;
	char line[REPORT_LINE_MAX]; /* of the console, so far */
	size_t line_bytes;
};

void report_init(struct report *r, bool is_json);

/** report_start() - the guest is about to run. @qemu: its version. */
void report_start(struct report *r, const struct machine *m, const struct command *c, const char *qemu, int pid);

/** report_console() - @bytes from the guest; anything may be in them. */
void report_console(struct report *r, const char *data, size_t bytes);

/** report_exit() - the end. @how: "app", "fault", ... ; @words: for people, NULL if none are needed. */
void report_exit(struct report *r, int status, const char *how, const char *words);
