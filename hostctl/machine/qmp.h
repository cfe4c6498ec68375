/* SPDX-License-Identifier: MIT */
/* QEMU's control socket: what it has told us, and the few commands we give. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#define QMP_LINE_MAX 65536u

enum qmp_reason {
	QMP_REASON_NONE = 0,       /* no SHUTDOWN event so far */
	QMP_REASON_GUEST_SHUTDOWN, /* exit device or ACPI S5 */
	QMP_REASON_GUEST_RESET,    /* triple fault, since -no-reboot */
	QMP_REASON_GUEST_PANIC,    /* pvpanic */
	QMP_REASON_HOST,           /* quit, or a signal */
};

struct qmp {
	int fd;
	bool is_greeted; /* version is known */
	bool is_running; /* our `cont`, or a debugger's, was obeyed */
	bool is_panicked;
	bool is_stuck; /* the accelerator cannot go on with the guest: run state internal-error */
	bool is_closed;
	char version[32];
	enum qmp_reason reason;
	char *line; /* QMP_LINE_MAX, so far */
	size_t line_bytes;
};

/** qmp_init() - Return: false without memory. qmp_fini() leaves @fd alone. */
bool qmp_init(struct qmp *q, int fd);
void qmp_fini(struct qmp *q);

/** qmp_read() - take in what has arrived. */
void qmp_read(struct qmp *q);

/** qmp_send() - a command without arguments, its answer is not waited for. */
void qmp_send(struct qmp *q, const char *command);
