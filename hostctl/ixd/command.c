/* SPDX-License-Identifier: MIT */
/* A command to a guest: left on its page, the bell rung, the answer waited for. One at a time a guest; nobody else waits. */
#include "hostctl/base/paths.h"
#include "hostctl/ixd/command.h"
#include "hostctl/ixd/ixd.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define POLL_MS 5

void command_bell(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char *path = paths_of_guest(PATHS_RUN, name, "bell.sock");
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	char byte = IX_PAGE_BELL;

	/* Nobody there, or no room: the guest looks at the page once a second anyway. */
	if (s >= 0 && (size_t)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path) < sizeof(a.sun_path) &&
	    connect(s, (struct sockaddr *)&a, sizeof(a)) == 0)
		(void)send(s, &byte, 1, MSG_NOSIGNAL);
	if (s >= 0)
		close(s);
	free(path);
}

/* Leaves the command. 0: another one is on its way. -1: there is no page. */
static int64_t leave(const char *name, enum ix_page_op op, const uint64_t *arg)
{
	int64_t sequence = -1;
	struct known *k;

	pthread_mutex_lock(&ixd.lock);
	k = known_find(name);
	if (k != NULL && k->page != NULL)
		sequence = page_command(k->page, op, arg);
	pthread_mutex_unlock(&ixd.lock);
	return sequence;
}

static bool is_answered(const char *name, uint32_t sequence, bool is_last, struct ix_page_answer *out)
{
	bool is = false;
	struct known *k;

	pthread_mutex_lock(&ixd.lock);
	k = known_find(name);
	if (k != NULL && k->page != NULL) {
		is = page_answer(k->page, sequence, out) == PAGE_GOOD;
		if (!is && is_last)
			page_abandon(k->page);
	}
	pthread_mutex_unlock(&ixd.lock);
	return is;
}

int command_do(const char *name, struct command *c, struct err *err)
{
	int64_t until = now_ms() + c->ms, sequence;
	bool is;

	memset(&c->answer, 0, sizeof(c->answer));
	while ((sequence = leave(name, c->op, c->arg)) == 0 && now_ms() < until)
		nanosleep(&(struct timespec){ 0, POLL_MS * 1000000l }, NULL);
	if (sequence < 0)
		return err_set(err, STATUS_USAGE, "%s has no control page now", name);
	if (sequence == 0)
		return err_set(err, STATUS_MACHINE, "%s is busy with another command", name);
	command_bell(name);
	while (!(is = is_answered(name, (uint32_t)sequence, false, &c->answer)) && now_ms() < until)
		nanosleep(&(struct timespec){ 0, POLL_MS * 1000000l }, NULL);
	if (!is && !is_answered(name, (uint32_t)sequence, true, &c->answer)) {
		memset(&c->answer, 0, sizeof(c->answer));
		return err_set(err, STATUS_MACHINE, "%s does not answer a command within %lld s", name,
			       (long long)(c->ms / 1000));
	}
	if (c->answer.status != 0)
		return err_set(err, STATUS_MACHINE, "%s refused a command (%d)", name, c->answer.status);
	return 0;
}

int command_guest(const char *name, enum ix_page_op op, const uint64_t arg[4], struct ix_page_answer *out,
		  struct err *err)
{
	struct command c = { .op = op, .ms = COMMAND_MS };
	int result;

	memcpy(c.arg, arg, sizeof(c.arg));
	result = command_do(name, &c, err);
	*out = c.answer;
	return result;
}
