/* SPDX-License-Identifier: MIT */
/* What steps of a setup are made of. Private to hostctl/host. */
#pragma once
#include "hostctl/base/err.h"
#include <stdbool.h>
#include <sys/types.h>

#define STEP_TIMEOUT_S 60

/** step_run() - a program that must succeed; @out: what it said, on the heap, NULL if not wanted. */
int step_run(char **out, struct err *err, const char *const *argv);
#define STEP(err, ...) step_run(NULL, (err), (const char *const[]){ __VA_ARGS__, NULL })
#define STEP_ASK(out, err, ...) step_run((out), (err), (const char *const[]){ __VA_ARGS__, NULL })

/** step_try() - whether a program succeeds; it says nothing. */
bool step_try(const char *const *argv);
#define STEP_TRY(...) step_try((const char *const[]){ __VA_ARGS__, NULL })

/** step_folder() - there, with this mode. */
int step_folder(const char *path, mode_t mode, struct err *err);

/** step_text() - a file's text on the heap, NULL if it cannot be read. */
char *step_text(const char *path);

/** step_write() - the file says @text and nothing else. Return: 1 if it did not before, 0, or -1 with @err. */
int step_write(const char *path, const char *text, struct err *err);

/** step_await() - until @is_done(@arg), at most @seconds. */
bool step_await(bool (*is_done)(void *arg), void *arg, unsigned seconds);

/** step_is_systemd() - whether systemd runs this machine [sd_booted(3)]. */
bool step_is_systemd(void);
