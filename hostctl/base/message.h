/* SPDX-License-Identifier: MIT */
/*
 * How ixctl and ixd talk: one JSON object a message over a SOCK_SEQPACKET socket, with open files beside it.
 * Neither side believes the other: what is not an object within the limits is refused.
 */
#pragma once
#include "hostctl/base/err.h"
#include <jansson.h>

#define MESSAGE_BYTES_MAX (256u << 10)
#define MESSAGE_FDS_MAX 40u

struct message {
	json_t *object;           /* owned; always an object */
	int fds[MESSAGE_FDS_MAX]; /* owned, close-on-exec; -1 where taken out */
	unsigned fd_count;
};

/**
 * message_send() - @object (not taken over) with copies of @fds
 * Waits until there is room. Return: 0, or -1 with @err; the peer is gone: STATUS_MACHINE.
 */
int message_send(int socket, const json_t *object, const int *fds, unsigned fd_count, struct err *err);

/** message_receive() - the next one. Return: 1, 0 at the end of the stream, or -1 with @err. @out is the caller's to free. */
int message_receive(int socket, struct message *out, struct err *err);

/** message_take_fd() - descriptor @index, from now on the caller's; -1 if there is none. */
int message_take_fd(struct message *m, unsigned index);
void message_fini(struct message *m);
