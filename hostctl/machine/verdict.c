/* SPDX-License-Identifier: MIT */
/*
 * QEMU exits with 1 for its own failures and, through the exit device, with (code << 1) | 1: a good
 * end of the guest and a failure of QEMU look the same from outside. Only the SHUTDOWN event over QMP
 * tells them apart.
 */
#include "hostctl/machine/verdict.h"
#include "hostctl/base/err.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define OLD "QEMU %s (%s) is too old, at least 9.2 is needed: run `ci/setup` as root, or set IXCTL_QEMU"

#define PANIC "the kernel panicked; the report is on the console above"

static void end(struct verdict *out, int status, const char *how, const char *words)
{
	out->status = status;
	out->how = how;
	if (words != NULL)
		out->words = strdup(words);
}

static void fail(struct verdict *out, const struct verdict_facts *f, const char *what)
{
	int n;

	out->status = STATUS_MACHINE;
	out->how = "qemu";
	out->is_error = true;
	if (f->is_old)
		n = asprintf(&out->words, OLD, f->version, f->qemu);
	else if (f->complaint[0] != '\0')
		n = asprintf(&out->words, "%s: %s", what, f->complaint);
	else if (WIFSIGNALED(f->wait_status))
		n = asprintf(&out->words, "%s: killed by signal %d (%s)", what, WTERMSIG(f->wait_status),
			     strsignal(WTERMSIG(f->wait_status)));
	else
		n = asprintf(&out->words, "%s, with status %d and without a word", what, WEXITSTATUS(f->wait_status));
	if (n < 0)
		out->words = NULL;
}

/* The code that the guest wrote to the exit device. */
static void end_by_code(struct verdict *out, const struct verdict_facts *f, int code)
{
	if (code <= IX_EXIT_APP_MAX)
		end(out, code, "app", NULL);
	else if (code == IX_EXIT_FAULT)
		end(out, code, "fault", "the application faulted; the report is on the console above");
	else if (code == IX_EXIT_PANIC)
		end(out, code, "panic", PANIC);
	else if (code == IX_EXIT_WATCHDOG)
		end(out, code, "watchdog",
		    "the application stayed longer than watchdog_ms away from its "
		    "event loop");
	else
		fail(out, f, "the guest ended with a code that this ixctl does not know");
}

void verdict(struct verdict *out, const struct verdict_facts *f)
{
	int code = WIFEXITED(f->wait_status) ? WEXITSTATUS(f->wait_status) : -1;

	memset(out, 0, sizeof(*out));
	/* A guest whose exit device answers late goes on to pvpanic and S5; the code still comes. */
	if (f->is_panicked && f->stops == 0)
		end(out, IX_EXIT_PANIC, "panic", PANIC);
	else if (f->reason == QMP_REASON_GUEST_SHUTDOWN && code > 0 && code % 2 == 1)
		end_by_code(out, f, code >> 1);
	else if (f->is_stuck)
		fail(out, f, "the accelerator cannot run this guest; --accel tcg can");
	else if (f->stops != 0)
		end(out, STATUS_INTERRUPTED, "interrupted", NULL);
	else if (!f->is_running)
		fail(out, f, "QEMU did not start");
	else if (f->reason == QMP_REASON_GUEST_RESET)
		end(out, IX_EXIT_PANIC, "panic", "the guest reset itself (triple fault)");
	else if (f->reason == QMP_REASON_GUEST_SHUTDOWN && code == 0)
		end(out, 0, "app", NULL);
	else
		fail(out, f, "QEMU failed");
}
