/* SPDX-License-Identifier: MIT */
/* Messages: sendmsg() and recvmsg() with SCM_RIGHTS, and nothing of it kept when a message is not as it should be. */
#include "hostctl/base/message.h"
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	char bytes[CMSG_SPACE(MESSAGE_FDS_MAX * sizeof(int))];
	struct cmsghdr align;
};

int message_send(int socket, const json_t *object, const int *fds, unsigned fd_count, struct err *err)
{
	char *text = json_dumps(object, JSON_COMPACT);
	union control control = { 0 };
	struct iovec part = { text, text != NULL ? strlen(text) : 0 };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };
	ssize_t n;

	if (text == NULL || part.iov_len > MESSAGE_BYTES_MAX || fd_count > MESSAGE_FDS_MAX) {
		free(text);
		return err_set(err, STATUS_USAGE, "a message of more than %u KiB or %u files cannot be sent",
			       MESSAGE_BYTES_MAX >> 10, MESSAGE_FDS_MAX);
	}
	if (fd_count > 0) {
		struct cmsghdr *c;

		m.msg_control = control.bytes;
		m.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(c), fds, fd_count * sizeof(int));
	}
	do
		n = sendmsg(socket, &m, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	free(text);
	if (n < 0)
		return err_set(err, STATUS_MACHINE, "the other end does not listen: %s", strerror(errno));
	return 0;
}

/* Descriptors that came along are ours now, whatever becomes of the message. */
static void keep_fds(struct msghdr *m, struct message *out)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		size_t bytes = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = 0; at + sizeof(int) <= bytes; at += sizeof(int)) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
			if (out->fd_count < MESSAGE_FDS_MAX)
				out->fds[out->fd_count++] = fd;
			else
				close(fd);
		}
	}
}

int message_receive(int socket, struct message *out, struct err *err)
{
	union control control = { 0 };
	char *text = malloc(MESSAGE_BYTES_MAX);
	struct iovec part = { text, MESSAGE_BYTES_MAX };
	struct msghdr m = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control)
	};
	json_error_t why;
	ssize_t n;

	memset(out, 0, sizeof(*out));
	if (text == NULL)
		return err_set(err, STATUS_MACHINE, "out of memory");
	do
		n = recvmsg(socket, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n <= 0) {
		bool is_end = n == 0 || errno == ECONNRESET;

		free(text);
		return is_end ? 0 : err_set(err, STATUS_MACHINE, "the other end went away: %s", strerror(errno));
	}
	keep_fds(&m, out);
	if (!(m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		out->object = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, &why);
	free(text);
	if (json_is_object(out->object))
		return 1;
	message_fini(out);
	return err_set(err, STATUS_USAGE, "a message must be one JSON object of at most %u KiB with at most %u files",
		       MESSAGE_BYTES_MAX >> 10, MESSAGE_FDS_MAX);
}

int message_take_fd(struct message *m, unsigned index)
{
	int fd = index < m->fd_count ? m->fds[index] : -1;

	if (fd >= 0)
		m->fds[index] = -1;
	return fd;
}

void message_fini(struct message *m)
{
	for (unsigned i = 0; i < m->fd_count; i++)
		if (m->fds[i] >= 0)
			close(m->fds[i]);
	json_decref(m->object);
	memset(m, 0, sizeof(*m));
}
