/* SPDX-License-Identifier: MIT */
/*
 * How a host program ends: the closed set of exit statuses, and the one sentence that goes with a
 * failure. A function that can fail takes a struct err last and returns 0, or -1 with it filled in.
 */
#pragma once
#include "kernel/abi/exit.h"

enum status {
	STATUS_OK = 0,            /* 0..IX_EXIT_APP_MAX belong to the application */
	STATUS_USAGE = 64,        /* the command line asks for what cannot be had */
	STATUS_DATA = 65,         /* image, manifest or application are missing or wrong */
	STATUS_MACHINE = 103,     /* QEMU is missing, too old, or failed */
	STATUS_INTERRUPTED = 130, /* Ctrl-C or SIGTERM */
};

struct err {
	int status; /* enum status, 0: no error so far */
	char *text; /* one line without a newline, on the heap */
};

/**
 * err_set() - remember what went wrong; the first error stays, later ones are dropped
 * Return: -1, so that a caller can write `return err_set(...)`.
 */
int err_set(struct err *err, int status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/** err_fini() - free the text and make @err empty again. */
void err_fini(struct err *err);
