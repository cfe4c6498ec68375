/* SPDX-License-Identifier: MIT */
/* A list of words and descriptors. Commas inside a value of QEMU's are the caller's business. */
#include "hostctl/machine/argv.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void add_word(struct argv *a, char *word)
{
	if (a->count + 1 >= a->room) {
		unsigned room = a->room == 0 ? 64 : a->room * 2;
		char **more = reallocarray(a->words, room, sizeof(*more));

		if (more == NULL || word == NULL) {
			fputs("ixctl: out of memory\n", stderr);
			exit(STATUS_MACHINE);
		}
		a->words = more;
		a->room = room;
	}
	a->words[a->count++] = word;
	a->words[a->count] = NULL;
}

void argv_add(struct argv *a, const char *option, const char *fmt, ...)
{
	char *value = NULL;
	va_list ap;

	add_word(a, strdup(option));
	if (fmt == NULL)
		return;
	va_start(ap, fmt);
	if (vasprintf(&value, fmt, ap) < 0)
		value = NULL;
	va_end(ap);
	add_word(a, value);
}

int argv_add_fd(struct argv *a, int fd)
{
	if (a->fd_count < ARGV_FDS_MAX)
		a->fds[a->fd_count++] = fd;
	return fd;
}

void argv_fini(struct argv *a)
{
	for (unsigned i = 0; i < a->count; i++)
		free(a->words[i]);
	free(a->words);
	for (unsigned i = 0; i < a->fd_count; i++)
		close(a->fds[i]);
	memset(a, 0, sizeof(*a));
}
