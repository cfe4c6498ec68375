/* SPDX-License-Identifier: MIT */
/*
 * Echo on port 7 that takes its time: a core is at work for WORK_NS a byte before it answers. So a client in Python can give several
 * cores more than they can do, on a host of any speed (elastic_policy.py).
 */
#include "lib/ix/ix.h"
#include <stdio.h>
#include <stdlib.h>

#define PORT 7
#define WORK_NS 120u

static void work(struct ix_conn *c)
{
	size_t bytes = ix_unread(c);
	uint64_t end = ix_now_ns() + bytes * WORK_NS;

	while (ix_now_ns() < end)
		;
	ix_forward(c, bytes);
}

static const struct ix_handlers on = { .on_read = work, .on_eof = ix_close };

int main(void)
{
	static const struct ix_service service;
	int status = ix_listen(PORT, &on, NULL);

	if (status) {
		(void)fprintf(stderr, "work: cannot serve port %d (%d)\n", PORT, status);
		exit(EXIT_FAILURE);
	}
	ix_run(&service);
}
