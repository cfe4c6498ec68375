/* SPDX-License-Identifier: MIT */
/* From how QEMU ended to how the run ended. */
#pragma once
#include "hostctl/machine/qmp.h"

struct verdict_facts {
	int wait_status; /* of QEMU, as waitpid() gives it */
	unsigned stops;  /* how often somebody asked us to end it */
	bool is_running; /* the guest was let go */
	bool is_panicked;
	bool is_stuck; /* as in struct qmp */
	enum qmp_reason reason;
	const char *qemu;    /* path */
	const char *version; /* NULL: not known */
	bool is_old;
	char complaint[512]; /* QEMU's last error line, "" if none */
};

struct verdict {
	int status;
	const char *how; /* app, fault, panic, watchdog, interrupted, qemu */
	bool is_error;   /* status is STATUS_MACHINE */
	char *words;     /* one line for people, on the heap; NULL: none needed */
};

void verdict(struct verdict *out, const struct verdict_facts *f);
