/* SPDX-License-Identifier: MIT */
/* TCP on port 7: 64 bytes come back as they were, but for the last one, which is the number of the core that answers. */
#include "lib/ix/ix.h"
#include <stdio.h>
#include <stdlib.h>

#define PORT 7
#define MESSAGE_BYTES 64

static void answer(struct ix_conn *c)
{
	unsigned char message[MESSAGE_BYTES];

	while (ix_unread(c) >= sizeof(message)) {
		ix_read(c, message, sizeof(message));
		message[MESSAGE_BYTES - 1] = (unsigned char)ix_core();
		if (ix_write(c, message, sizeof(message)) == sizeof(message))
			continue;
		ix_abort(c); /* asked so often without reading an answer: no client of ours */
		return;
	}
}

int main(void)
{
	static const struct ix_handlers on = { .on_read = answer, .on_eof = ix_close };
	static const struct ix_service service;
	int err = ix_listen(PORT, &on, NULL);

	if (err) {
		(void)fprintf(stderr, "which: cannot serve port %d (%d)\n", PORT, err);
		return EXIT_FAILURE;
	}
	ix_run(&service);
}
