/* SPDX-License-Identifier: MIT */
/* The answer of both services, and what it takes to give it. */
#include "bench/which/serve.h"
#include "lib/ix/ix.h"
#include <stdio.h>
#include <stdlib.h>

#define PORT 7

static void (*work_on)(const unsigned char *message);

static void answer(struct ix_conn *c)
{
	unsigned char message[WHICH_MESSAGE_BYTES];

	while (ix_unread(c) >= sizeof(message)) {
		ix_read(c, message, sizeof(message));
		if (work_on)
			work_on(message);
		message[WHICH_MESSAGE_BYTES - 1] = (unsigned char)ix_core();
		if (ix_write(c, message, sizeof(message)) == sizeof(message))
			continue;
		ix_abort(c); /* asked so often without reading an answer: no client of ours */
		return;
	}
}

int which_serve(const char *name, void (*work)(const unsigned char message[WHICH_MESSAGE_BYTES]))
{
	static const struct ix_handlers on = { .on_read = answer, .on_eof = ix_close };
	static const struct ix_service service;
	int err;

	work_on = work;
	err = ix_listen(PORT, &on, NULL);
	if (err) {
		(void)fprintf(stderr, "%s: cannot serve port %d (%d)\n", name, PORT, err);
		return EXIT_FAILURE;
	}
	ix_run(&service);
}
