/* SPDX-License-Identifier: MIT */
/* In: a request for ixd, files to go with it. Out: its answer. Who calls: hostctl/ixctl. Start reading at client.c. */
#pragma once
#include "hostctl/base/err.h"
#include <jansson.h>

struct client {
	json_t *request; /* taken over */
	const int *fds;  /* the caller's */
	unsigned fd_count;
	void (*on_say)(const char *text);            /* progress for people, NULL: not wanted */
	int (*on_row)(void *arg, const json_t *row); /* each row; not 0: enough */
	void *arg;
	int socket;     /* while on_row runs: what shutdown(SHUT_WR) tells ixd that no more is wanted */
	json_t *result; /* out: owned by the caller; NULL if on_row had enough */
	int fd;         /* out: that came with a row or the result, the caller's to close; -1: none */
};

/**
 * client_ask() - one request and all of its answer
 * Return: 0, or -1 with @err: what ixd says, with its status, or that there is none to ask and what to do then.
 */
int client_ask(struct client *c, struct err *err);
