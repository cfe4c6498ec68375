/* SPDX-License-Identifier: MIT */
/* Other programs, started without a shell: words are words, whatever is in them. */
#pragma once
#include "hostctl/base/blob.h"
#include <sys/types.h>

#define EXEC_OUTPUT_MAX (16u << 20)

struct exec {
	const char *const *argv; /* NULL-terminated; argv[0] is looked for in PATH */
	const char *input;       /* for its stdin, NULL: none */
	int timeout_s;           /* then it is killed; > 0 */
	int status;              /* out: its exit status, 128 + signal if one ended it */
	struct blob out;         /* out: what it wrote to stdout, then a NUL that is not counted; the caller frees */
	struct blob error;       /* the same of stderr */
};

/**
 * exec_run() - start a program with LC_ALL=C, wait for its end, keep what it says
 * Any exit status is a success here. Return: 0, or -1 with @err (STATUS_MACHINE): it is not there, or
 * did not end in time, or said more than EXEC_OUTPUT_MAX.
 */
int exec_run(struct exec *e, struct err *err);

/**
 * exec_ok() - exec_run() for which only exit status 0 will do
 * @out: its stdout as text on the heap without the newline at its end, NULL if not wanted
 * Return: 0, or -1 with @err naming the program and the last line of its stderr.
 */
int exec_ok(const char *const *argv, int timeout_s, char **out, struct err *err);

void exec_fini(struct exec *e);

/**
 * exec_begin() - start a program with these three descriptors (the caller's; -1: /dev/null) and a process group of its own
 * Return: its pid, which is the caller's to wait for; or -1 with @err (STATUS_MACHINE).
 */
pid_t exec_begin(const char *const *argv, int in, int out, int error, struct err *err);
