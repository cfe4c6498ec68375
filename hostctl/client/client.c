/* SPDX-License-Identifier: MIT */
/* The other end of ixd's socket. */
#include "hostctl/client/client.h"
#include "hostctl/base/message.h"
#include "hostctl/base/paths.h"
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int reach(struct err *err)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = PATHS_SOCKET };
	int s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int reason;

	if (s >= 0 && connect(s, (struct sockaddr *)&a, sizeof(a)) == 0)
		return s;
	reason = errno;
	if (s >= 0)
		close(s);
	if (reason == EACCES)
		return err_set(err, STATUS_USAGE, "you may not use " PATHS_SOCKET ": be root or in group " PATHS_GROUP);
	return err_set(err, STATUS_MACHINE, "ixd does not answer on " PATHS_SOCKET ": run ixctl host setup (%s)",
		       strerror(reason));
}

/* Return: whether that was the last one. */
static bool take(struct client *c, struct message *m, struct err *err)
{
	const json_t *row = json_object_get(m->object, "row"), *status = json_object_get(m->object, "status");
	const char *say = json_string_value(json_object_get(m->object, "say"));
	const char *error = json_string_value(json_object_get(m->object, "error"));

	if (say != NULL && *say != '\0' && c->on_say != NULL)
		c->on_say(say);
	if (c->fd < 0)
		c->fd = message_take_fd(m, 0);
	if (row != NULL)
		return c->on_row != NULL && c->on_row(c->arg, row) != 0;
	if (status == NULL)
		return false;
	if (json_integer_value(status) != STATUS_OK)
		err_set(err, (int)json_integer_value(status), "%s", error != NULL ? error : "ixd does not say why");
	else
		c->result = json_incref(json_object_get(m->object, "result"));
	return true;
}

int client_ask(struct client *c, struct err *err)
{
	int s = reach(err);
	bool is_done = false;

	c->result = NULL;
	c->fd = -1;
	c->socket = s;
	if (s >= 0 && message_send(s, c->request, c->fds, c->fd_count, err) == 0) {
		while (!is_done && err->status == 0) {
			struct message m;
			int got = message_receive(s, &m, err);

			if (got == 0)
				err_set(err, STATUS_MACHINE, "ixd ended before it answered; ask again");
			if (got <= 0)
				break;
			is_done = take(c, &m, err);
			message_fini(&m);
		}
	}
	if (s >= 0)
		close(s);
	json_decref(c->request);
	c->request = NULL;
	return err->status == 0 ? 0 : -1;
}
