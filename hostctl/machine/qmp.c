/* SPDX-License-Identifier: MIT */
/* One JSON object a line [QEMU qmp-spec]. QEMU is our child, yet a line too long only closes it. */
#include "hostctl/machine/qmp.h"
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

bool qmp_init(struct qmp *q, int fd)
{
	memset(q, 0, sizeof(*q));
	q->fd = fd;
	q->line = malloc(QMP_LINE_MAX);
	return q->line != NULL;
}

void qmp_fini(struct qmp *q)
{
	free(q->line);
	q->line = NULL;
}

static void take_greeting(struct qmp *q, json_t *object)
{
	int major, minor, micro;

	if (json_unpack(object, "{s:{s:{s:{s:i, s:i, s:i}}}}", "QMP", "version", "qemu", "major", &major, "minor",
			&minor, "micro", &micro) != 0)
		return;
	snprintf(q->version, sizeof(q->version), "%d.%d.%d", major, minor, micro);
	q->is_greeted = true;
}

static void take_event(struct qmp *q, const char *name, const json_t *object)
{
	const json_t *data = json_object_get(object, "data");
	const char *reason = json_string_value(json_object_get(data, "reason"));

	if (strcmp(name, "RESUME") == 0)
		q->is_running = true;
	if (strcmp(name, "GUEST_PANICKED") == 0)
		q->is_panicked = true;
	if (strcmp(name, "STOP") == 0)
		qmp_send(q, "query-status"); /* the event does not say why */
	if (strcmp(name, "SHUTDOWN") != 0 || reason == NULL || q->reason != QMP_REASON_NONE)
		return;
	if (strcmp(reason, "guest-shutdown") == 0)
		q->reason = QMP_REASON_GUEST_SHUTDOWN;
	else if (strcmp(reason, "guest-reset") == 0)
		q->reason = QMP_REASON_GUEST_RESET;
	else if (strcmp(reason, "guest-panic") == 0)
		q->reason = QMP_REASON_GUEST_PANIC;
	else
		q->reason = QMP_REASON_HOST;
}

static void take_line(struct qmp *q)
{
	json_t *object = json_loadb(q->line, q->line_bytes, 0, NULL);
	const char *name = json_string_value(json_object_get(object, "event"));
	const char *status = json_string_value(json_object_get(json_object_get(object, "return"), "status"));

	if (json_object_get(object, "QMP") != NULL)
		take_greeting(q, object);
	else if (name != NULL)
		take_event(q, name, object);
	else if (status != NULL && strcmp(status, "internal-error") == 0)
		q->is_stuck = true;
	json_decref(object);
	q->line_bytes = 0;
}

void qmp_read(struct qmp *q)
{
	char data[512];
	ssize_t n = recv(q->fd, data, sizeof(data), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		q->is_closed = true;
	for (ssize_t i = 0; i < n && !q->is_closed; i++) {
		if (data[i] == '\n')
			take_line(q);
		else if (q->line_bytes < QMP_LINE_MAX)
			q->line[q->line_bytes++] = data[i];
		else
			q->is_closed = true;
	}
}

void qmp_send(struct qmp *q, const char *command)
{
	char text[96];
	int n = snprintf(text, sizeof(text), "{\"execute\": \"%s\"}\n", command);

	if (!q->is_closed && send(q->fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) != n)
		q->is_closed = true;
}
